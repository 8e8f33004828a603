// Inserting a file: JSON, NDJSON or CSV, with a look at it before.
import {useState} from "preact/hooks";
import {request} from "./api.js";
import {dataRoute} from "./data.js";
import {count, time, value} from "./format.js";
import {html} from "./html.js";
import {Dialog} from "./parts.js";
import {attempt} from "./state.js";

const POINTS_AT_ONCE = 5000;
const PREVIEW = 5;
const TIME_NAMES = ["t", "time", "timestamp", "date", "datetime"];

/** Rows of CSV (RFC 4180), with the separator that its first line uses most. */
export function parseCsv(text) {
  const line = text.slice(0, text.search(/\r?\n|$/));
  const separator = [",", ";", "\t"].sort((a, b) => line.split(b).length - line.split(a).length)[0];
  const rows = [];
  let row = [], at = 0;
  while (at < text.length) {
    let field = "";
    if (text[at] === '"') {
      at++;
      for (;;) {
        const quote = text.indexOf('"', at);
        if (quote < 0)
          throw new Error(`Row ${rows.length + 1}: a quote has no end`);
        field += text.slice(at, quote);
        at = quote + 1;
        if (text[at] !== '"')
          break;
        field += '"';
        at++;
      }
      field = {text: field};
    } else {
      const end = text.slice(at).search(separator === "\t" ? /[\t\r\n]|$/ : separator === ";" ? /[;\r\n]|$/ : /[,\r\n]|$/);
      field = text.slice(at, at + end);
      at += end;
    }
    row.push(field);
    if (text[at] === separator) {
      at++;
      if (at < text.length)
        continue;
    }
    if (text.startsWith("\r\n", at))
      at += 2;
    else if (text[at] === "\n" || text[at] === "\r")
      at++;
    if (row.length > 1 || row[0] !== "")
      rows.push(row);
    row = [];
  }
  return rows;
}

const plain = (field) => typeof field === "string" ? field : field.text;

/** Unix seconds of a number or a date; numbers beyond the year 5138 are milliseconds. */
function timeOf(field, row) {
  const text = plain(field).trim();
  const seconds = /^[-+]?[\d.]+(e[-+]?\d+)?$/i.test(text) ? Number(text) : Date.parse(text) / 1000;
  if (!Number.isFinite(seconds))
    throw new Error(`Row ${row + 1}: “${text}” is no time. Unix seconds or a date like 2026-11-27T16:05:00Z is needed.`);
  return seconds > 1e11 ? seconds / 1000 : seconds;
}

function valueOfField(field) {
  if (typeof field !== "string")
    return field.text;
  if (field === "")
    return null;
  try {
    return JSON.parse(field);
  } catch {
    return field;
  }
}

/** @returns {{header: string[], rows: any[]} | {points: any[]}} */
export function parseFile(text) {
  const start = text.replace(/^\uFEFF/, "").trimStart();
  if (start[0] === "[")
    return {points: JSON.parse(start)};
  if (start[0] === "{")
    return {points: start.split("\n").filter((line) => line.trim()).map((line) => JSON.parse(line))};
  const [header, ...rows] = parseCsv(start);
  if (!header || rows.length === 0)
    throw new Error("The file has no rows below its header.");
  return {header: header.map(plain), rows};
}

function pointsOf({header, rows}, timeColumn, valueColumn) {
  const rest = header.map((_, i) => i).filter((i) => i !== timeColumn);
  const points = rows.map((row, number) => ({t: timeOf(row[timeColumn] ?? "", number + 1),
    d: valueColumn >= 0 ? valueOfField(row[valueColumn] ?? "") : Object.fromEntries(rest.map((i) => [header[i], valueOfField(row[i] ?? "")]))}));
  return points.sort((a, b) => a.t - b.t);
}

export function Upload({path}) {
  const [file, setFile] = useState(null);
  const [columns, setColumns] = useState([0, 1]);
  const [done, setDone] = useState(null);
  const choose = async (event) => {
    const chosen = event.target.files[0];
    event.target.value = "";
    await attempt(async () => {
      const parsed = parseFile(await chosen.text());
      if (parsed.header) {
        const times = Math.max(0, parsed.header.findIndex((name) => TIME_NAMES.includes(name.trim().toLowerCase())));
        setColumns([times, parsed.header.length > 2 ? -1 : times === 0 ? 1 : 0]);
      }
      setFile({name: chosen.name, ...parsed});
    });
  };
  let points = [], problem = null;
  try {
    points = file?.points ?? (file ? pointsOf(file, ...columns) : []);
  } catch (error) {
    problem = error;
  }
  const insert = () => attempt(async () => {
    for (let at = 0; at < points.length; at += POINTS_AT_ONCE) {
      setDone(at);
      try {
        await request(dataRoute(path), {method: "POST", body: points.slice(at, at + POINTS_AT_ONCE)});
      } catch (error) {
        throw new Error(`${error.message} (${count(at)} of ${count(points.length)} datapoints were inserted)`);
      }
    }
    setFile(null);
  }, `${count(points.length)} datapoints were inserted.`).then((good) => { setDone(null); if (!good) setFile(null); });
  const pick = (which, label) => html`<label>${label} <select value=${columns[which]}
    onChange=${(event) => setColumns(columns.map((old, i) => i === which ? Number(event.target.value) : old))}>
    ${which === 1 && html`<option value="-1">all others, as an object</option>`}
    ${file.header.map((name, i) => html`<option key=${i} value=${i}>${name}</option>`)}</select></label>`;
  return html`<label class="button file">Insert a file <input type="file" accept=".json,.ndjson,.csv,.txt,application/json,text/csv" onChange=${choose} /></label>
    <${Dialog} open=${file !== null} title=${file?.name ?? ""} onClose=${() => setFile(null)}>
      ${file?.header && html`<div class="inline">${pick(0, "Time")}${pick(1, "Value")}</div>`}
      ${problem ? html`<p class="notice bad">${problem.message}</p>` : html`<p>${count(points.length)} datapoints, the first ones:</p>
        <table><tbody>${points.slice(0, PREVIEW).map((point, i) => html`<tr key=${i}>
          <td>${point.t === undefined ? "now" : time(point.t)}</td><td class="value">${value(point.d ?? null)}</td></tr>`)}</tbody></table>
        ${done !== null && html`<progress max=${points.length} value=${done} aria-label="Inserted"></progress>`}
        <button type="button" disabled=${done !== null || points.length === 0} onClick=${insert}>Insert ${count(points.length)} datapoints</button>`}
    <//>`;
}
