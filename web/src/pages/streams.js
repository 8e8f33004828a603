// The streams of a user, or of one of its devices: a list that reads only what is in view.
import {useEffect, useRef, useState} from "preact/hooks";
import {json, path, request} from "../api.js";
import {age, count, time, title, value} from "../format.js";
import {html} from "../html.js";
import {DeviceForm, StreamForm} from "../objects.js";
import {DeleteButton, Dialog, Failure, Icon, Spark, useLoaded} from "../parts.js";
import {isSilent, readRow, streamsOf} from "../rows.js";
import {go} from "../state.js";

const ROW_PX = 60; // as in app.css
const MARGIN_ROWS = 6;
const REFRESH_MS = 20000;

function Row({stream, top}) {
  const [row, setRow] = useState(null);
  useEffect(() => {
    let wanted = true;
    const read = () => readRow(stream.path, () => wanted, (found) => wanted && setRow(found));
    read();
    const timer = setInterval(read, REFRESH_MS);
    return () => { wanted = false; clearInterval(timer); };
  }, [stream.path]);
  const last = row?.last, silent = row && isSilent(row);
  return html`<li style=${{top: `${top}px`}}><a class=${`row ${silent ? "silent" : ""}`} href=${`/${path(...stream.path.split("/"))}`}>
    <${Icon} object=${stream} />
    <span class="name"><b>${title(stream)}</b><small>${stream.device}/${stream.name}</small></span>
    <span class="sparks">${row?.sparks && html`<${Spark} values=${row.sparks} steps=${row.steps} />`}</span>
    <span class="last">${row?.error ?? (last ? value(last.d) : row ? "no datapoints" : "…")}</span>
    <span class="age" title=${last ? time(last.t) : undefined}>${last && age(last.t)}
      ${silent && html`<small class="badge" title="It used to have datapoints much more often">silent</small>`}</span>
    <span class="length">${row?.length ? count(row.length) : ""}</span>
  </a></li>`;
}

/** Only the rows in view are in the document. */
function List({streams}) {
  const list = useRef(null);
  const [view, setView] = useState([0, 40]);
  useEffect(() => {
    const look = () => {
      const top = Math.max(0, -list.current.getBoundingClientRect().top);
      const first = Math.max(0, Math.floor(top / ROW_PX) - MARGIN_ROWS);
      const last = first + Math.ceil(window.innerHeight / ROW_PX) + 2 * MARGIN_ROWS;
      setView((old) => old[0] === first && old[1] === last ? old : [first, last]);
    };
    look();
    window.addEventListener("scroll", look, {passive: true});
    window.addEventListener("resize", look);
    return () => {
      window.removeEventListener("scroll", look);
      window.removeEventListener("resize", look);
    };
  }, [streams.length]);
  return html`<ul class="streams" ref=${list} style=${{height: `${streams.length * ROW_PX}px`}}>
    ${streams.slice(...view).map((stream, i) =>
      html`<${Row} key=${stream.path} stream=${stream} top=${(view[0] + i) * ROW_PX} />`)}
  </ul>`;
}

function DeviceBar({user, device, onChange}) {
  const [editing, setEditing] = useState(false);
  const remove = async () => {
    await request(`crud/${path(user, device.name)}`, {method: "DELETE"});
    go("/");
  };
  return html`<div class="actions">
    <button type="button" onClick=${() => setEditing(true)}>Edit device</button>
    ${device.name !== "user" && device.name !== "meta" && html`<${DeleteButton} name=${device.name} onDelete=${remove}
      what=${`The device ${user}/${device.name} and all its streams are deleted.`} />`}
    <${Dialog} open=${editing} title=${`${user}/${device.name}`} onClose=${() => setEditing(false)}>
      <${DeviceForm} user=${user} device=${device} onDone=${() => { setEditing(false); onChange(); }} />
    <//></div>`;
}

const matches = (stream, words) => {
  const text = `${stream.path} ${stream.nickname} ${stream.description}`.toLowerCase();
  return words.every((word) => text.includes(word));
};

export function Streams({user, device}) {
  const [words, setWords] = useState("");
  const [changes, setChanges] = useState(0);
  const [adding, setAdding] = useState(null);
  const [streams, error] = useLoaded(() => streamsOf(user), [user, changes]);
  const [devices] = useLoaded(() => json(`crud/${path(user)}`, {query: {q: "devices"}}), [user, changes]);
  const shown = (streams ?? []).filter((stream) => (!device || stream.device === device) &&
    matches(stream, words.toLowerCase().split(/\s+/)));
  const done = () => { setAdding(null); setChanges(changes + 1); };
  const current = devices?.find(({name}) => name === device);
  return html`
    <div class="bar">
      <h1>${device ? html`<a href=${`/${path(user)}`}>${user}</a> / ${device}` : `Streams of ${user}`}</h1>
      <div class="actions">
        <button type="button" onClick=${() => setAdding("stream")}>New stream</button>
        ${!device && html`<button type="button" onClick=${() => setAdding("device")}>New device</button>`}
      </div>
    </div>
    ${current && html`<${DeviceBar} user=${user} device=${current} onChange=${done} />`}
    ${!device && devices && html`<nav class="chips" aria-label="Devices">${devices.map(({name}) =>
      html`<a href=${`/${path(user, name)}`} key=${name}>${name}</a>`)}</nav>`}
    <label class="search"><span class="hidden">Search</span><input type="search" placeholder="Search" value=${words}
      onInput=${(event) => setWords(event.target.value)} /></label>
    <${Failure} error=${error} />
    ${streams && html`<p class="muted" role="status">${shown.length === 0 && !words
      ? "There are no streams yet. A program or “New stream” makes one."
      : `${count(shown.length)} ${shown.length === 1 ? "stream" : "streams"}`}</p>`}
    <${List} streams=${shown} />
    <${Dialog} open=${adding === "stream"} title="New stream" onClose=${() => setAdding(null)}>
      <${StreamForm} user=${user} device=${device} devices=${devices ?? []} onDone=${done} /><//>
    <${Dialog} open=${adding === "device"} title="New device" onClose=${() => setAdding(null)}>
      <${DeviceForm} user=${user} onDone=${done} /><//>`;
}
