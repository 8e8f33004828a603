// Small parts that several pages use.
import {useEffect, useRef, useState} from "preact/hooks";
import {html} from "./html.js";
import {attempt, notice} from "./state.js";

/** A line through the values. Only decoration: the value beside it is what is read aloud. */
export function Spark({values, steps}) {
  if (steps) // each value holds until the next
    values = values.flatMap((value, i) => i > 0 ? [values[i - 1], value] : [value]);
  const min = Math.min(...values), span = Math.max(...values) - min || 1;
  const line = values.map((value, i) =>
    `${((steps ? Math.ceil(i / 2) * 2 : i) / (values.length - 1) * 96 + 2).toFixed(1)},${(26 - (value - min) / span * 22).toFixed(1)}`).join(" ");
  return html`<svg class="spark" viewBox="0 0 100 30" aria-hidden="true" preserveAspectRatio="none"><polyline points=${line} /></svg>`;
}

/** The icon of an object: a picture or a name such as material:timeline, else the first letter. */
export function Icon({object}) {
  if (object.icon?.startsWith("data:image/"))
    return html`<img class="icon" src=${object.icon} alt="" />`;
  return html`<span class="icon" aria-hidden="true">${(object.nickname || object.name).slice(0, 1).toUpperCase()}</span>`;
}

export function CopyButton({text, label = "Copy"}) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return html`<button type="button" class="small" onClick=${() => attempt(copy)}>${copied ? "Copied" : label}</button>`;
}

/** What was done or went wrong; in a dialog that is open, too: the page is behind it. */
export function Notice() {
  const shown = notice.value;
  return html`<div aria-live="polite">${shown && html`<p class=${`notice ${shown.bad ? "bad" : ""}`}
    role=${shown.bad ? "alert" : "status"}>${shown.text}
    <button class="plain" aria-label="Close this message" onClick=${() => { notice.value = null; }}>×</button></p>`}</div>`;
}

/** A dialog while `open` is true; Escape and its close button call onClose. */
export function Dialog({open, title, onClose, children}) {
  const dialog = useRef(null);
  useEffect(() => {
    if (open && !dialog.current.open) {
      notice.value = null;
      dialog.current.showModal();
    }
    if (!open && dialog.current.open)
      dialog.current.close();
  }, [open]);
  return html`<dialog ref=${dialog} onClose=${onClose} aria-label=${title}>
    ${open && html`<div class="bar"><h2>${title}</h2>
      <button type="button" class="plain" aria-label="Close" onClick=${onClose}>×</button></div><${Notice} />${children}`}
  </dialog>`;
}

/** Asks before something is deleted: the name must be typed. */
export function DeleteButton({name, what, onDelete}) {
  const [open, setOpen] = useState(false);
  const [typed, setTyped] = useState("");
  const remove = async (event) => {
    event.preventDefault();
    if (await attempt(onDelete))
      setOpen(false);
  };
  return html`<button type="button" class="danger" onClick=${() => { setTyped(""); setOpen(true); }}>Delete</button>
    <${Dialog} open=${open} title=${`Delete ${name}?`} onClose=${() => setOpen(false)}>
      <form onSubmit=${remove}>
        <p>${what} This cannot be undone.</p>
        <label>Type <b>${name}</b> to confirm <input value=${typed} onInput=${(event) => setTyped(event.target.value)}
          autocomplete="off" autocapitalize="none" /></label>
        <button class="danger" disabled=${typed !== name}>Delete ${name}</button>
      </form>
    <//>`;
}

/** Calls `load(signal)` when a value of `inputs` changes. Returns [its result or undefined, its error or null]. */
export function useLoaded(load, inputs) {
  const [state, setState] = useState([undefined, null]);
  useEffect(() => {
    const abort = new AbortController();
    load(abort.signal).then((result) => abort.signal.aborted || setState([result, null]),
      (error) => abort.signal.aborted || setState(([old]) => [old, error]));
    return () => abort.abort();
  }, inputs);
  return state;
}

export const Failure = ({error}) => error && html`<p class="notice bad" role="alert">${error.message}</p>`;
