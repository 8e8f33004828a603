// Several streams in one plot, each with its own axis, and as a table of values at the same times.
import {useMemo, useState} from "preact/hooks";
import {request} from "../api.js";
import {firstPoint, lastPoints, plotPoints} from "../data.js";
import {time, value} from "../format.js";
import {html} from "../html.js";
import {CopyButton, Failure, useLoaded} from "../parts.js";
import {Plot} from "../plot.js";
import {RangeBar, setRange, useRange} from "../range.js";
import {streamsOf} from "../rows.js";
import {attempt, me, place, setQuery} from "../state.js";

const STREAMS_MAX = 6;
const ROWS = 50;
const INTERPOLATORS = ["closest", "before", "after", "mean", "sum", "count"];

function Choice({chosen, onChoose}) {
  const [streams] = useLoaded(() => streamsOf(me.value.name), [me.value.name]);
  const add = (event) => {
    event.preventDefault();
    const input = event.target.elements.path;
    if (input.value.split("/").length === 3 && !chosen.includes(input.value))
      onChoose([...chosen, input.value]);
    input.value = "";
  };
  return html`<form class="inline" onSubmit=${add}>
    <label>Stream <input name="path" list="all-streams" placeholder="user/device/stream" autocomplete="off" required
      disabled=${chosen.length >= STREAMS_MAX} /></label>
    <datalist id="all-streams">${(streams ?? []).map(({path}) => html`<option key=${path} value=${path} />`)}</datalist>
    <button disabled=${chosen.length >= STREAMS_MAX}>Add</button>
  </form>
  <ul class="chips">${chosen.map((path, i) => html`<li key=${path} class=${`line${i + 1}`}><a href=${`/${path}`}>${path}</a>
    <button type="button" class="plain" aria-label=${`Remove ${path}`} onClick=${() => onChoose(chosen.filter((other) => other !== path))}>×</button></li>`)}</ul>`;
}

function Dataset({chosen, range}) {
  const [dt, setDt] = useState("");
  const [interpolator, setInterpolator] = useState("closest");
  const step = Number(dt) > 0 ? Number(dt) : Math.max((range.t2 - range.t1) / ROWS, 0.001);
  const query = useMemo(() => ({t1: Math.max(0, range.t1), t2: range.t2, dt: step,
    dataset: Object.fromEntries(chosen.map((path) => [path, {stream: path, interpolator}]))}), [range.t1, range.t2, step, interpolator, chosen.join()]);
  const [rows, error] = useLoaded(async (signal) => {
    if ((query.t2 - query.t1) / query.dt > 10000)
      throw new Error("That would be more than 10,000 rows: choose a larger step, or save them as CSV.");
    return (await request("query/dataset", {method: "POST", body: query, signal})).json();
  }, [query]);
  const save = () => attempt(async () => {
    const answer = await request("query/dataset", {method: "POST", body: query, query: {format: "csv"}});
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = "dataset.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  });
  return html`<section class="card"><h2>Table</h2>
    <div class="inline">
      <label>Seconds between rows <input type="number" min="0.001" step="any" value=${dt} placeholder=${step.toPrecision(3)}
        onChange=${(event) => setDt(event.target.value)} /></label>
      <label>Values <select value=${interpolator} onChange=${(event) => setInterpolator(event.target.value)}>${INTERPOLATORS.map((name) =>
        html`<option key=${name}>${name}</option>`)}</select></label>
      <button type="button" onClick=${save}>CSV</button>
    </div>
    <${Failure} error=${error} />
    <div class="scroll" tabindex="0"><table><thead><tr><th scope="col">Time</th>${chosen.map((path) => html`<th scope="col" key=${path}>${path}</th>`)}</tr></thead>
      <tbody>${(rows ?? []).slice(0, ROWS).map(({t = 0, d}) => html`<tr key=${t}><td>${time(t)}</td>${chosen.map((path) =>
        html`<td key=${path} class="value">${d[path] === null ? "–" : value(d[path])}</td>`)}</tr>`)}</tbody></table></div>
    <details><summary>The query</summary><p>POST /api/v1/query/dataset</p><pre class="code" tabindex="0">${JSON.stringify(query, null, 2)}</pre>
      <${CopyButton} text=${JSON.stringify(query)} /></details>
  </section>`;
}

export function Compare() {
  const chosen = (place.value.query.streams ?? "").split(",").filter(Boolean).slice(0, STREAMS_MAX);
  const choose = (paths) => setQuery({streams: paths.join(",") || undefined}, {replace: true});
  const [width, setWidth] = useState(Math.min(window.innerWidth, 1100));
  const [ends, missing] = useLoaded(async (signal) => {
    const found = await Promise.all(chosen.map(async (path) => [await firstPoint(path, signal), (await lastPoints(path, 1, signal))[0]]));
    const there = found.filter(([first]) => first);
    return there.length ? {first: Math.min(...there.map(([{t}]) => t)), last: Math.max(...there.map(([, {t}]) => t))} : {};
  }, [chosen.join()]);
  const range = useRange(ends?.first, ends?.last);
  const [lines, error] = useLoaded(async (signal) => {
    if (!ends)
      return [];
    const all = await Promise.all(chosen.map((path) => plotPoints(path, range, width, signal)));
    return all.map((points, i) => ({label: chosen[i], points: points.filter(({d}) => typeof d === "number" || typeof d === "boolean"),
      steps: points.length > 0 && points.every(({d}) => typeof d === "boolean")}));
  }, [chosen.join(), range.t1, range.t2, width, ends]);
  const current = lines?.length === chosen.length ? lines : [];
  return html`<h1>Compare streams</h1><${Choice} chosen=${chosen} onChoose=${choose} />
    <${Failure} error=${missing ?? error} />
    ${chosen.length > 0 && ends && html`<${RangeBar} range=${range} />
      ${current.length > 0 && html`<${Plot} lines=${current} range=${range} onWidth=${setWidth} onRange=${(t1, t2) => setRange(t1, t2)}
        label=${`Plot of ${chosen.join(", ")}; the table below has values`} />`}
      <${Dataset} chosen=${chosen} range=${range} />`}`;
}
