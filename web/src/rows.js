// What the list of streams shows of each one: read when its row comes into view, a few at a time.
import {json, path} from "./api.js";
import {dataRoute, lastPoints, length} from "./data.js";

const REQUESTS_AT_ONCE = 4;
const RECENT = 100; // datapoints that tell how often they come
const SPARKS = 48;
const STEPS = 24;
const FRESH_MS = 15000;
const SILENT_FACTOR = 10;
const SILENT_MIN_S = 300;

/** sparks: numbers, or booleans as 0 and 1 with `steps`.
 * @typedef {{length: number, last?: import("./api.js").Datapoint, interval?: number, sparks?: number[],
 * steps?: boolean, error?: string}} Row */

/** @type {Map<string, {row: Row, at: number}>} */
const known = new Map();
const waiting = [];
let running = 0;

function median(sorted) {
  return sorted.sort((a, b) => a - b)[Math.floor(sorted.length / 2)];
}

async function read(stream) {
  try {
    const count = await length(stream);
    if (count === 0)
      return {length: 0};
    const points = await lastPoints(stream, Math.min(count, RECENT));
    const gaps = points.slice(1).map((point, i) => point.t - points[i].t).filter((gap) => gap > 0);
    let sparks = points;
    if (points.length === RECENT && typeof points[0].d === "number")
      sparks = await json(dataRoute(stream), {query: {i1: -10 * RECENT < -count ? -count : -10 * RECENT, points: SPARKS}});
    const steps = typeof points[0].d === "boolean";
    if (steps)
      sparks = points.slice(-STEPS);
    return {
      length: count,
      steps,
      last: points[points.length - 1],
      interval: gaps.length > 3 ? median(gaps) : undefined,
      sparks: sparks.every(({d}) => typeof d === "number" || typeof d === "boolean") && sparks.length > 1
        ? sparks.map(({d}) => Number(d)) : undefined,
    };
  } catch (error) {
    return {length: 0, error: error.message};
  }
}

async function work() {
  running++;
  for (let next; (next = waiting.pop());) { // the row that came into view last
    if (next.wanted()) {
      const row = await read(next.stream);
      known.set(next.stream, {row, at: Date.now()});
      next.done(row);
    }
  }
  running--;
}

/** Gives the row to `done`, at once if it is known, and again when it has been read anew.
 * wanted: whether the row is still in view. */
export function readRow(stream, wanted, done) {
  const old = known.get(stream);
  if (old)
    done(old.row);
  if (old && Date.now() - old.at < FRESH_MS)
    return;
  waiting.push({stream, wanted, done});
  if (running < REQUESTS_AT_ONCE)
    work();
}

/** A stream that used to have datapoints much more often. @param {Row} row */
export function isSilent({last, interval}, now = Date.now() / 1000) {
  return interval !== undefined && now - last.t > Math.max(SILENT_MIN_S, SILENT_FACTOR * interval);
}

/** @param {string} user @returns {Promise<any[]>} its streams; `path` is user/device/stream */
export async function streamsOf(user) {
  const streams = await json(`crud/${path(user)}`, {query: {q: "streams"}});
  return streams.map((stream) => ({...stream, path: `${user}/${stream.device}/${stream.name}`}))
    .sort((a, b) => a.path.localeCompare(b.path));
}
