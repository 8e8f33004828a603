// Forms that make and change devices and streams.
import {json, path} from "./api.js";
import {html} from "./html.js";
import {attempt, go} from "./state.js";

/** Kinds of streams: what the form offers, and the schema and datatype that they mean. */
export const KINDS = {
  number: {label: "Number", schema: {type: "number"}, datatype: ""},
  boolean: {label: "On or off", schema: {type: "boolean"}, datatype: ""},
  text: {label: "Text", schema: {type: "string"}, datatype: "string.text"},
  diary: {label: "Diary", schema: {type: "string"}, datatype: "log.diary"},
  rating: {label: "Rating with stars", schema: {type: "integer", minimum: 0, maximum: 10}, datatype: "rating.stars"},
  location: {label: "Place", datatype: "location.gps", schema: {type: "object", required: ["latitude", "longitude"],
    properties: {latitude: {type: "number"}, longitude: {type: "number"}}}},
  any: {label: "Anything", schema: {}, datatype: ""},
};

/** Sends the fields that differ from the object's. */
async function save(route, object, fields) {
  const changed = Object.fromEntries(Object.entries(fields).filter(([key, value]) => value !== (object?.[key] ?? "")));
  return json(route, {method: object ? "PUT" : "POST", body: changed});
}

const submit = (action) => (event) => {
  event.preventDefault();
  const form = event.target;
  const checks = [...form.elements].filter(({type}) => type === "checkbox");
  const fields = Object.fromEntries(new FormData(form));
  for (const {name, checked} of checks)
    fields[name] = checked;
  attempt(() => action(fields));
};

const Name = ({what}) => html`<label>Name <input name="name" required autofocus autocapitalize="none" autocomplete="off"
  pattern="[A-Za-z][A-Za-z0-9_\\-]*" maxlength="29" title="Letters, digits, _ and -, a letter first" /></label>
  <p class="muted">${what} cannot be renamed later; the title can be changed.</p>`;

const Titles = ({object}) => html`
  <label>Title <input name="nickname" value=${object?.nickname ?? ""} /></label>
  <label>Description <input name="description" value=${object?.description ?? ""} /></label>`;

export function DeviceForm({user, device, onDone}) {
  const action = async ({name = device?.name, ...fields}) => {
    await save(`crud/${path(user, name)}`, device, fields);
    onDone();
  };
  return html`<form onSubmit=${submit(action)}>
    ${!device && html`<${Name} what="A device" />`}
    <${Titles} object=${device} />
    <label class="check"><input type="checkbox" name="public" checked=${device?.public} /> Public: others may see it</label>
    ${device && html`<label class="check"><input type="checkbox" name="enabled" checked=${device.enabled} /> Enabled</label>`}
    <button>${device ? "Save" : "Make the device"}</button>
  </form>`;
}

export function StreamForm({user, device, devices, stream, onDone}) {
  const action = async ({name = stream?.name, kind, on = device, ...fields}) => {
    if (kind)
      Object.assign(fields, {schema: JSON.stringify(KINDS[kind].schema), datatype: KINDS[kind].datatype});
    await save(`crud/${path(user, on, name)}`, stream, fields);
    onDone();
    if (!stream)
      go(`/${path(user, on, name)}`);
  };
  return html`<form onSubmit=${submit(action)}>
    ${!stream && html`<${Name} what="A stream" />
      ${!device && html`<label>Device <select name="on">${devices.filter(({name}) => name !== "meta").map(({name}) =>
        html`<option key=${name} selected=${name === "user"}>${name}</option>`)}</select></label>`}
      <label>Values <select name="kind">${Object.entries(KINDS).map(([kind, {label}]) =>
        html`<option key=${kind} value=${kind}>${label}</option>`)}</select></label>`}
    <${Titles} object=${stream} />
    <label class="check"><input type="checkbox" name="downlink" checked=${stream?.downlink} />
      Downlink: others send commands to its device</label>
    <label class="check"><input type="checkbox" name="ephemeral" checked=${stream?.ephemeral} />
      Ephemeral: datapoints are passed on, not stored</label>
    <button>${stream ? "Save" : "Make the stream"}</button>
  </form>`;
}
