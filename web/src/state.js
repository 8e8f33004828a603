// What all pages share: who is logged in, and where the app is.
import {signal} from "@preact/signals";
import {ApiError, json, path, request, session} from "./api.js";

/** @type {import("@preact/signals").Signal<null | {name: string, role: string, nickname: string}>} the user that
 * is logged in; null: nobody is */
export const me = signal(null);
/** A message above the page: {text, bad}, or null. */
export const notice = signal(null);

const parse = () => ({
  names: window.location.pathname.split("/").filter(Boolean).map(decodeURIComponent),
  query: Object.fromEntries(new URLSearchParams(window.location.search)),
});

/** The names of user, device and stream in the address, and its query. */
export const place = signal(parse());

/** Goes to an address of the app; `replace`: without a step back. */
export function go(address, {replace = false} = {}) {
  if (replace)
    history.replaceState(null, "", address);
  else
    history.pushState(null, "", address);
  place.value = parse();
  if (!replace) {
    notice.value = null;
    window.scrollTo(0, 0);
  }
}

/** Changes parts of the query and keeps the others; undefined removes one. */
export function setQuery(changes, options) {
  const query = {...place.value.query, ...changes};
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== undefined)).toString();
  go(window.location.pathname + (text ? `?${text}` : ""), options);
}

window.addEventListener("popstate", () => { place.value = parse(); });

// Links within the app do not load it again.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey ||
      link.target || link.hasAttribute("download") || link.origin !== window.location.origin ||
      /^\/(api|www|logout)(\/|$)/.test(link.pathname))
    return;
  event.preventDefault();
  go(link.pathname + link.search);
});

const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

/** user/device of the session, or "nobody". */
async function whoIsThis() {
  try {
    return await (await request("", {query: {q: "this"}})).text();
  } catch (error) {
    if (error instanceof ApiError && error.status === 401)
      return "nobody";
    throw error;
  }
}

/** A log-out in another tab ends the session here: the log-in is shown. */
session.check = async () => {
  try {
    if (me.value && await whoIsThis() === "nobody")
      me.value = null;
  } catch { /* no answer: what was asked for failed for the same reason, and says so */ }
};

/** Finds out who is logged in. */
export async function identify() {
  const who = await whoIsThis();
  const name = who.split("/")[0];
  me.value = who === "nobody" ? null : await json(`crud/${path(name)}`);
}

export async function logIn(name, password, remember) {
  await request("login", {query: {remember}, login: `Basic ${base64(`${name}:${password}`)}`});
  await identify();
}

export async function logOut() {
  await request("logout");
  me.value = null;
  go("/");
}

/** Runs an action of a form or button; what goes wrong is shown above the page. Returns whether it worked. */
export async function attempt(action, done) {
  notice.value = null;
  try {
    await action();
  } catch (error) {
    notice.value = {text: error.message, bad: true};
    return false;
  }
  if (done)
    notice.value = {text: done};
  return true;
}
