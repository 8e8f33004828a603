// The range of time that a page shows. It is in the address, so that the address shows the same again:
// ?t1=&t2= from and to; ?span= so many seconds up to the last datapoint; nothing: everything.
import {useMemo} from "preact/hooks";
import {duration} from "./format.js";
import {html} from "./html.js";
import {place, setQuery} from "./state.js";

export const SPANS = [["1 hour", 3600], ["1 day", 86400], ["1 week", 604800], ["30 days", 2592000], ["1 year", 31536000]];

/** @param {number} first @param {number} last times of the datapoints there are
 * @returns {{t1: number, t2: number, follows: boolean}} follows: it ends with the last datapoint, also a later one */
export function useRange(first, last) {
  const {t1, t2, span} = place.value.query;
  return useMemo(() => {
    const from = Number(t1), to = Number(t2), seconds = Number(span);
    if (t1 !== undefined && t2 !== undefined && from < to)
      return {t1: from, t2: to, follows: false};
    if (first === undefined)
      return {t1: Date.now() / 1000 - 3600, t2: Date.now() / 1000, follows: true};
    const begin = span !== undefined && seconds > 0 ? last - seconds : first;
    const margin = Math.max((last - begin) / 1000, last > begin ? 1e-3 : 1); // t1 itself does not belong to the range
    return {t1: begin - margin, t2: last + margin, follows: true};
  }, [t1, t2, span, first, last]);
}

const digits = (time, span) => time.toFixed(Math.max(0, Math.min(6, 4 - Math.floor(Math.log10(span)))));

/** Shows another range. */
export function setRange(t1, t2, options = {replace: true}) {
  if (t2 - t1 >= 1e-5)
    setQuery({t1: digits(t1, t2 - t1), t2: digits(t2, t2 - t1), span: undefined}, options);
}

export function RangeBar({range}) {
  const {t1, t2} = range, span = t2 - t1;
  const {query} = place.value;
  const all = query.t1 === undefined && query.span === undefined;
  const choose = (seconds) => setQuery({t1: undefined, t2: undefined, span: seconds}, {replace: true});
  return html`<div class="range" role="group" aria-label="Range of time">
    <span class="buttons">
      ${SPANS.map(([label, seconds]) => html`<button key=${label} type="button" class="small"
        aria-pressed=${query.t1 === undefined && query.span === String(seconds)} onClick=${() => choose(seconds)}>${label}</button>`)}
      <button type="button" class="small" aria-pressed=${all} onClick=${() => choose(undefined)}>All</button>
    </span>
    <span class="buttons">
      <button type="button" class="small" aria-label="Earlier" title="Earlier" onClick=${() => setRange(t1 - span / 2, t2 - span / 2)}>←</button>
      <button type="button" class="small" aria-label="Later" title="Later" onClick=${() => setRange(t1 + span / 2, t2 + span / 2)}>→</button>
      <button type="button" class="small" aria-label="Zoom in" title="Zoom in" onClick=${() => setRange(t1 + span / 4, t2 - span / 4)}>+</button>
      <button type="button" class="small" aria-label="Zoom out" title="Zoom out" onClick=${() => setRange(t1 - span / 2, t2 + span / 2)}>−</button>
    </span>
    <span class="muted">${new Date(t1 * 1000).toLocaleString()} – ${new Date(t2 * 1000).toLocaleString()} · ${duration(span)}</span>
  </div>`;
}
