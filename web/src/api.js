// Requests to the REST API of the server that the page came from, with the cookie of the session.
// The API is described in docs/API.md.

const API = "/api/v1";

/** A request that the server refused; `status` is 0 if no answer came. */
export class ApiError extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.name = "ApiError";
    this.status = status;
  }
}

/** Asked when a request is refused: the session may have ended. Set by state.js. */
export const session = {check: () => {}};

/** @typedef {{t: number, d: any, o?: string}} Datapoint */
/** @typedef {{t1: number, t2: number}} Range unix seconds, t1 < t <= t2 */

/** @param {string[]} names the names of user, device and stream, as many as there are */
export function path(...names) {
  return names.map(encodeURIComponent).join("/");
}

/** The address of a request, also for links that save a file.
 * @param {string} route below /api/v1 @param {Record<string, string|number|boolean>} [query] */
export function url(route, query = {}) {
  const text = new URLSearchParams(Object.entries(query).map(([key, value]) => [key, String(value)])).toString();
  return `${API}/${route}${text ? `?${text}` : ""}`;
}

/** Sends a request; throws ApiError with the server's message if it is refused.
 * @param {string} route @param {{method?: string, query?: object, body?: any, login?: string, signal?: AbortSignal}}
 * [options] `login`: the value of an Authorization header
 * @returns {Promise<Response>} */
export async function request(route, {method = "GET", query, body, login, signal} = {}) {
  // X-Requested-With: a 401 then does not open the browser's own log-in window.
  const headers = {"X-Requested-With": "fetch", ...(login && {Authorization: login})};
  let answer;
  try {
    answer = await fetch(url(route, query), {
      method, headers, signal, credentials: "same-origin",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError")
      throw error;
    throw new ApiError(0, "The server does not answer. Check the connection and try again.");
  }
  if (answer.ok)
    return answer;
  if ([401, 403, 404].includes(answer.status) && !login && query?.q !== "this")
    session.check();
  const text = await answer.text();
  let message = text;
  try {
    message = JSON.parse(text).msg || text;
  } catch { /* an answer of a proxy: its text is the message */ }
  throw new ApiError(answer.status, message || `The server answered with ${answer.status}.`);
}

/** @param {string} route @param {object} [options] of request */
export async function json(route, options) {
  return (await request(route, options)).json();
}
