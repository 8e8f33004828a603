// Values and times as people read them, in the language and time zone of the browser.

const TEXT_MAX = 120;
const numbers = new Intl.NumberFormat(undefined, {maximumSignificantDigits: 7});
const counts = new Intl.NumberFormat();
const relative = new Intl.RelativeTimeFormat(undefined, {numeric: "auto", style: "short"});
const UNITS = [["year", 31557600], ["month", 2629800], ["day", 86400], ["hour", 3600], ["minute", 60]];

export const count = (value) => counts.format(value);

/** @param {number} value */
export function number(value) {
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-4 || size >= 1e15) ? value.toExponential(4) : numbers.format(value);
}

/** The value of a datapoint in one line. @param {any} value */
export function value(value) {
  if (typeof value === "number")
    return number(value);
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text;
}

/** @param {number} seconds unix time */
export const time = (seconds) => new Date(seconds * 1000).toLocaleString();

/** How long ago that was. @param {number} seconds unix time */
export function age(seconds, now = Date.now() / 1000) {
  const past = now - seconds;
  for (const [unit, size] of UNITS) {
    if (Math.abs(past) >= size)
      return relative.format(-Math.round(past / size), unit);
  }
  return Math.abs(past) < 5 ? "now" : relative.format(-Math.round(past), "second");
}

export function duration(seconds) {
  for (const [unit, size] of UNITS) {
    if (seconds >= size)
      return `${numbers.format(Math.round(seconds / size * 10) / 10)} ${unit}${seconds >= 1.05 * size ? "s" : ""}`;
  }
  return `${number(seconds)} s`;
}

export const title = (object) => object.nickname || object.name;
