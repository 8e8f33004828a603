// The datapoints of streams, as the views need them.
import {json, path, request, url} from "./api.js";

const POINTS_MIN = 4; // limits of points=N
const POINTS_MAX = 100000;

/** @param {string} stream user/device/stream */
export const dataRoute = (stream) => `crud/${path(...stream.split("/"))}/data`;

/** Datapoints of a range that draw the same line as all of it in a plot `width` pixels wide: all of them if there
 * are no more than four a pixel, else the first, smallest, largest and last of each pixel.
 * @param {string} stream @param {import("./api.js").Range} range @param {number} width
 * @param {AbortSignal} [signal] @returns {Promise<import("./api.js").Datapoint[]>} */
export function plotPoints(stream, {t1, t2}, width, signal) {
  const points = Math.min(Math.max(Math.ceil(width) * 4, POINTS_MIN), POINTS_MAX);
  return json(dataRoute(stream), {query: {t1, t2, points}, signal});
}

/** The number of datapoints with a time up to t.
 * @param {string} stream @param {number} t @param {AbortSignal} [signal] */
export async function indexOf(stream, t, signal) {
  return Number(await (await request(dataRoute(stream), {query: {q: "time2index", t}, signal})).text());
}

/** @param {string} stream @param {AbortSignal} [signal] */
export async function length(stream, signal) {
  return Number(await (await request(dataRoute(stream), {query: {q: "length"}, signal})).text());
}

/** Up to `count` datapoints from the end. @param {string} stream @param {number} count */
export const lastPoints = (stream, count, signal) => json(dataRoute(stream), {query: {i1: -count}, signal});

/** The first datapoint, or undefined. @param {string} stream */
export async function firstPoint(stream, signal) {
  return (await json(dataRoute(stream), {query: {i1: 0, i2: 1}, signal}))[0];
}

/** Datapoints [from, to). @param {string} stream @param {number} from @param {number} to */
export async function pointsByIndex(stream, from, to, signal) {
  return from < to ? json(dataRoute(stream), {query: {i1: from, i2: to}, signal}) : [];
}

/** The value that a script makes of a range, or undefined. The server answers `mean | if last` and its like from
 * its index. @param {string} stream @param {import("./api.js").Range} range @param {string} script */
export async function aggregate(stream, {t1, t2}, script, signal) {
  const points = await json(dataRoute(stream), {query: {t1, t2, transform: script}, signal});
  return points.length ? points[points.length - 1].d : undefined;
}

/** The address of everything in the range, to be saved as a file.
 * @param {string} stream @param {import("./api.js").Range} range @param {"json"|"csv"} format */
export function fileUrl(stream, {t1, t2}, format) {
  return url(dataRoute(stream), format === "csv" ? {t1, t2, format} : {t1, t2});
}
