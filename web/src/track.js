// Places without a map: the way from one to the next, north up, with a scale.
import {json} from "./api.js";
import {dataRoute, indexOf} from "./data.js";
import {number, time} from "./format.js";
import {html} from "./html.js";
import {Failure, useLoaded} from "./parts.js";

const POINTS = 2000;
const EARTH_M = 6371000;
const SIZE = 400;

/** At most about POINTS places: of more, the first of each of so many equal times. */
async function read(path, range, signal) {
  const [from, to] = await Promise.all([indexOf(path, range.t1, signal), indexOf(path, range.t2, signal)]);
  if (from >= to)
    return [];
  const few = to - from <= POINTS ? {} : {every: Math.max((range.t2 - range.t1) / POINTS, 0.001), fn: "first"};
  return json(dataRoute(path), {query: {t1: range.t1, t2: range.t2, ...few}, signal});
}

export function Track({path, range, version}) {
  const [points, error] = useLoaded((signal) => read(path, range, signal), [path, range.t1, range.t2, version]);
  if (!points?.length)
    return html`<${Failure} error=${error} />`;
  const middle = points.reduce((sum, {d}) => sum + d.latitude, 0) / points.length;
  const meter = Math.PI / 180 * EARTH_M, shrink = Math.cos(middle * Math.PI / 180);
  const places = points.map(({d}) => [d.longitude * shrink * meter, -d.latitude * meter]);
  const [xs, ys] = [places.map(([x]) => x), places.map(([, y]) => y)];
  const span = Math.max(Math.max(...xs) - Math.min(...xs), Math.max(...ys) - Math.min(...ys), 1) * 1.1;
  const [left, top] = [(Math.max(...xs) + Math.min(...xs) - span) / 2, (Math.max(...ys) + Math.min(...ys) - span) / 2];
  const at = ([x, y]) => [(x - left) / span * SIZE, (y - top) / span * SIZE].map((c) => c.toFixed(1));
  const scale = 10 ** Math.floor(Math.log10(span / 3));
  const [endX, endY] = at(places[places.length - 1]);
  return html`<svg class="track" viewBox=${`0 0 ${SIZE} ${SIZE}`} role="img"
      aria-label=${`The way from ${time(points[0].t)} to ${time(points[points.length - 1].t)}`}>
    <polyline points=${places.map((spot) => at(spot).join(",")).join(" ")} />
    <circle cx=${endX} cy=${endY} r="5" />
    <path class="scale" d=${`M10 ${SIZE - 10}h${scale / span * SIZE}`} />
    <text x="10" y=${SIZE - 16}>${scale >= 1000 ? `${number(scale / 1000)} km` : `${number(scale)} m`}</text>
  </svg>`;
}
