// One stream: its datapoints in the view that fits them, live; inserting; what there is to know and to change.
import {useEffect, useMemo, useRef, useState} from "preact/hooks";
import {json, path as join, request} from "../api.js";
import {aggregate, fileUrl, firstPoint, indexOf, lastPoints, length, plotPoints, pointsByIndex} from "../data.js";
import {age, count, duration, number, time, title, value} from "../format.js";
import {html} from "../html.js";
import {Insert, mayInsert} from "../insert.js";
import {subscribe} from "../live.js";
import {StreamForm} from "../objects.js";
import {DeleteButton, Dialog, Failure, Icon, useLoaded} from "../parts.js";
import {Plot} from "../plot.js";
import {RangeBar, setRange, useRange} from "../range.js";
import {Script} from "../script.js";
import {Snippets} from "../snippets.js";
import {go, me, place} from "../state.js";
import {Track} from "../track.js";

const LIVE_MS = 400; // a busy stream is read so often
const TABLE_ROWS = 100;
const SAMPLE = 50;

const isPlace = (d) => d !== null && typeof d === "object" && typeof d.latitude === "number" && typeof d.longitude === "number";

/** The view that fits the datapoints: "number", "boolean", "place" or "table". */
function viewOf(sample, stream) {
  const all = (test) => sample.length > 0 && sample.every(({d}) => test(d));
  const type = JSON.parse(stream.schema || "{}").type;
  if (all((d) => typeof d === "boolean") || (!sample.length && type === "boolean"))
    return "boolean";
  if (all((d) => typeof d === "number") || (!sample.length && (type === "number" || type === "integer")))
    return "number";
  return all(isPlace) ? "place" : "table";
}

/** Reads what there is of a stream, and again when datapoints come. `version` counts. */
function useEnds(path) {
  const [ends, setEnds] = useState(null);
  const [error, setError] = useState(null);
  useEffect(() => {
    const abort = new AbortController();
    let reading = false, again = false;
    const read = async () => {
      if (reading) {
        again = true;
        return;
      }
      reading = true;
      again = false;
      try {
        const total = await length(path, abort.signal);
        const [first, sample] = total > 0
          ? await Promise.all([firstPoint(path, abort.signal), lastPoints(path, Math.min(total, SAMPLE), abort.signal)]) : [undefined, []];
        setEnds((old) => ({total, first: first?.t, last: sample.at(-1), sample, version: (old?.version ?? 0) + 1}));
        setError(null);
      } catch (failure) {
        if (!abort.signal.aborted)
          setError(failure);
      }
      setTimeout(() => {
        reading = false;
        if (again && !abort.signal.aborted)
          read();
      }, LIVE_MS);
    };
    read();
    const end = subscribe(path, read);
    return () => { abort.abort(); end(); };
  }, [path]);
  return [ends, error];
}

function Statistics({path, range, numeric, version}) {
  const [found] = useLoaded(async (signal) => {
    const [from, to] = await Promise.all([indexOf(path, range.t1, signal), indexOf(path, range.t2, signal)]);
    if (!numeric || from >= to)
      return [["Datapoints", count(Math.max(0, to - from))]];
    const [min, max, mean] = await Promise.all(["min", "max", "mean"].map((name) => aggregate(path, range, `${name} | if last`, signal)));
    return [["Datapoints", count(to - from)], ["Smallest", number(min)], ["Mean", number(mean)], ["Largest", number(max)]];
  }, [path, range.t1, range.t2, numeric, version]);
  return html`<dl class="statistics">${(found ?? []).map(([name, shown]) =>
    html`<div key=${name}><dt>${name}</dt><dd>${shown}</dd></div>`)}</dl>`;
}

function PointTable({path, range, version}) {
  const [page, setPage] = useState(0);
  const [found, error] = useLoaded(async (signal) => {
    const [from, to] = await Promise.all([indexOf(path, range.t1, signal), indexOf(path, range.t2, signal)]);
    const end = Math.max(from, to - page * TABLE_ROWS), begin = Math.max(from, end - TABLE_ROWS);
    return {points: (await pointsByIndex(path, begin, end, signal)).reverse(), more: begin > from};
  }, [path, range.t1, range.t2, page, version]);
  useEffect(() => setPage(0), [range.t1, range.t2]);
  return html`<${Failure} error=${error} /><div class="scroll" tabindex="0"><table>
    <thead><tr><th scope="col">Time</th><th scope="col">Value</th>${found?.points.some(({o}) => o) && html`<th scope="col">Sender</th>`}</tr></thead>
    <tbody>${(found?.points ?? []).map(({t, d, o}, i) => html`<tr key=${`${t} ${i}`}><td>${time(t)}</td>
      <td class="value">${typeof d === "string" ? d : value(d)}</td>${o && html`<td>${o}</td>`}</tr>`)}</tbody></table></div>
    <div class="actions">
      ${page > 0 && html`<button type="button" class="small" onClick=${() => setPage(page - 1)}>Later</button>`}
      ${found?.more && html`<button type="button" class="small" onClick=${() => setPage(page + 1)}>Earlier</button>`}
    </div>`;
}

function PlotView({path, range, view, version}) {
  const [width, setWidth] = useState(Math.min(window.innerWidth, 1100));
  const [points, error] = useLoaded((signal) => plotPoints(path, range, width, signal), [path, range.t1, range.t2, width, version]);
  const lines = useMemo(() => [{label: path.split("/")[2], points: points ?? [], steps: view === "boolean"}], [points, view]);
  return html`<${Failure} error=${error} />
    <${Plot} lines=${lines} range=${range} onWidth=${setWidth} onRange=${(t1, t2) => setRange(t1, t2)}
      label=${`Plot of ${path}, ${points?.length ?? 0} points; the table below has the values`} />
    <p class="muted small-text" data-points=${points?.length}>Drag to zoom in, turn the wheel to zoom, hold Shift and drag to move.</p>`;
}

function Actions({path, stream, range, onChange}) {
  const [open, setOpen] = useState(null);
  const [user, device, name] = path.split("/");
  const close = () => setOpen(null);
  const remove = async () => {
    await request(`crud/${join(user, device, name)}`, {method: "DELETE"});
    go(`/${join(user, device)}`);
  };
  return html`<div class="actions">
    <a class="button" download=${`${name}.csv`} href=${fileUrl(path, range, "csv")}>CSV</a>
    <a class="button" download=${`${name}.json`} href=${fileUrl(path, range, "json")}>JSON</a>
    <button type="button" onClick=${() => setOpen("use")}>Use it</button>
    <button type="button" onClick=${() => setOpen("edit")}>Edit</button>
    <${DeleteButton} name=${name} onDelete=${remove} what=${`The stream ${path} and all its datapoints are deleted.`} />
    <${Dialog} open=${open === "edit"} title=${path} onClose=${close}>
      <${StreamForm} user=${user} device=${device} stream=${stream} onDone=${() => { close(); onChange(); }} /><//>
    <${Dialog} open=${open === "use"} title="Use this stream from a program" onClose=${close}>
      <${Snippets} path=${path} user=${user} device=${device} /><//>
  </div>`;
}

export function Stream({path}) {
  const [changes, setChanges] = useState(0);
  const [stream, missing] = useLoaded(() => json(`crud/${join(...path.split("/"))}`), [path, changes]);
  const [ends, error] = useEnds(path);
  const range = useRange(ends?.first, ends?.last?.t);
  const shown = useRef(null);
  if (missing || !stream || !ends)
    return html`<h1>${path}</h1><${Failure} error=${missing ?? error} />`;
  const view = viewOf(ends.sample, stream);
  const [user, device] = path.split("/");
  const seen = range.follows || (ends.last && ends.last.t <= range.t2) ? ends.version : shown.current; // later points are not in the range
  shown.current = seen;
  return html`
    <p class="crumbs"><a href=${`/${join(user)}`}>${user}</a> / <a href=${`/${join(user, device)}`}>${device}</a></p>
    <div class="bar"><h1><${Icon} object=${stream} /> ${title(stream)}</h1>
      <${Actions} path=${path} stream=${stream} range=${range} onChange=${() => setChanges(changes + 1)} /></div>
    ${stream.description && html`<p>${stream.description}</p>`}
    <p class="muted" role="status">${ends.total === 0 ? "No datapoints yet." : html`${count(ends.total)} datapoints, the last one
      ${" "}<b>${value(ends.last.d)}</b> ${age(ends.last.t)} (${time(ends.last.t)})`}
      ${stream.downlink && html`<span class="badge">downlink</span>`}${stream.ephemeral && html`<span class="badge">ephemeral</span>`}</p>
    <${Failure} error=${error} />
    ${mayInsert(path, stream, me.value) && html`<${Insert} path=${path} stream=${stream} />`}
    ${ends.total > 0 && html`
      <${RangeBar} range=${range} />
      ${(view === "number" || view === "boolean") && html`<${PlotView} path=${path} range=${range} view=${view} version=${seen} />`}
      ${view === "place" && html`<${Track} path=${path} range=${range} version=${seen} />`}
      <${Statistics} path=${path} range=${range} numeric=${view === "number"} version=${seen} />
      <details open=${view === "table" || place.value.query.table !== undefined}><summary>Datapoints</summary>
        <${PointTable} path=${path} range=${range} version=${seen} /></details>
      <${Script} path=${path} range=${range} />`}`;
}
