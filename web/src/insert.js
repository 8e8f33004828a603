// Inserting a datapoint: the form that the stream's schema and datatype ask for.
import {useState} from "preact/hooks";
import {request} from "./api.js";
import {dataRoute} from "./data.js";
import {html} from "./html.js";
import {attempt} from "./state.js";
import {Upload} from "./upload.js";

const STARS_MAX = 10;

function Stars({schema, onInsert}) {
  const most = Math.min(schema.maximum ?? STARS_MAX, STARS_MAX);
  return html`<span class="stars" role="group" aria-label="Rating">${Array.from({length: most}, (_, i) =>
    html`<button key=${i} type="button" class="plain" aria-label=${`${i + 1} of ${most} stars`} onClick=${() => onInsert(i + 1)}>★</button>`)}</span>`;
}

const OnOff = ({onInsert}) => html`<span class="buttons">
  <button type="button" onClick=${() => onInsert(true)}>On</button>
  <button type="button" onClick=${() => onInsert(false)}>Off</button></span>`;

/** A field of a form for a value of that schema; its text becomes the value. */
function Field({name, label, schema, required}) {
  const type = schema.type;
  if (schema.enum)
    return html`<label>${label}<select name=${name}>${schema.enum.map((item) =>
      html`<option key=${item} value=${JSON.stringify(item)}>${String(item)}</option>`)}</select></label>`;
  if (type === "boolean")
    return html`<label class="check"><input type="checkbox" name=${name} /> ${label}</label>`;
  if (type === "number" || type === "integer")
    return html`<label>${label}<input type="number" name=${name} step=${type === "integer" ? 1 : "any"}
      min=${schema.minimum} max=${schema.maximum} required=${required} /></label>`;
  if (type === "string")
    return html`<label>${label}<input name=${name} required=${required} /></label>`;
  return html`<label>${label}<input name=${name} placeholder="JSON" required=${required} /></label>`;
}

/** The value that a field's input has; undefined: nothing was entered. */
function valueOf(input, schema) {
  if (schema.type === "boolean")
    return input.checked;
  if (input.value === "")
    return schema.type === "string" && input.required ? "" : undefined;
  if (schema.type === "string" && !schema.enum)
    return input.value;
  try {
    return JSON.parse(input.value);
  } catch {
    throw new Error(`“${input.value}” is not JSON; a text needs quotes: "${input.value}"`);
  }
}

function ValueForm({schema, datatype, onInsert}) {
  const members = schema.type === "object" && schema.properties ? Object.entries(schema.properties) : null;
  const submit = (event) => {
    event.preventDefault();
    const form = event.target;
    attempt(async () => {
      const entered = (members ?? [["value", schema]]).map(([name, part]) => [name, valueOf(form.elements.namedItem(`d-${name}`), part)]);
      const present = entered.filter(([, d]) => d !== undefined);
      if (present.length === 0)
        throw new Error("Enter a value first.");
      if (await onInsert(members ? Object.fromEntries(present) : present[0][1]))
        form.reset();
    });
  };
  const long = schema.type === "string" && /diary|text/.test(datatype);
  return html`<form class="inline" onSubmit=${submit}>
    ${members ? members.map(([name, part]) => html`<${Field} key=${name} name=${`d-${name}`} label=${name} schema=${part}
        required=${schema.required?.includes(name)} />`)
      : long ? html`<label>Note <textarea name="d-value" rows="2" required></textarea></label>`
        : html`<${Field} name="d-value" label="New value" schema=${schema} required=${true} />`}
    <button>Insert</button>
  </form>`;
}

/** A number that goes to a device: a slider between the limits of its schema. */
function Slider({schema, onInsert}) {
  const [shown, setShown] = useState(schema.minimum);
  return html`<label class="slider">Set <output>${shown}</output><input type="range" min=${schema.minimum} max=${schema.maximum}
    step=${schema.type === "integer" ? 1 : (schema.maximum - schema.minimum) / 100} value=${shown}
    onInput=${(event) => setShown(Number(event.target.value))} onChange=${(event) => onInsert(Number(event.target.value))} /></label>`;
}

/** Only the device that owns a stream writes its data; who logs in with a password is the device "user". Others write
 * to the downlink, if there is one. */
export function mayInsert(path, stream, me) {
  return path.startsWith(`${me.name}/user/`) || stream.downlink;
}

export function Insert({path, stream}) {
  const schema = JSON.parse(stream.schema || "{}");
  const numeric = schema.type === "number" || schema.type === "integer";
  const insert = (d) => attempt(() => request(dataRoute(path), {method: "POST", body: [{d}]}),
    stream.downlink ? "Sent to the device." : "Inserted.");
  return html`<section class="card insert" aria-label=${stream.downlink ? "Send to the device" : "Insert a datapoint"}>
    ${stream.datatype === "rating.stars" ? html`<${Stars} schema=${schema} onInsert=${insert} />`
      : schema.type === "boolean" ? html`<${OnOff} onInsert=${insert} />`
        : stream.downlink && numeric && schema.minimum < schema.maximum ? html`<${Slider} schema=${schema} onInsert=${insert} />`
          : html`<${ValueForm} schema=${schema} datatype=${stream.datatype ?? ""} onInsert=${insert} />`}
    <${Upload} path=${path} />
  </section>`;
}
