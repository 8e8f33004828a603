// The account: its profile, its password, and the API keys of its devices.
import {useState} from "preact/hooks";
import {json, path, request} from "../api.js";
import {html} from "../html.js";
import {CopyButton, Failure, useLoaded} from "../parts.js";
import {attempt, identify, logIn, me} from "../state.js";

function Key({user, device, onChange}) {
  const [shown, setShown] = useState(false);
  const reset = () => attempt(async () => {
    await json(`crud/${path(user, device.name)}`, {method: "PUT", body: {apikey: ""}});
    onChange();
  }, `The device ${device.name} has a new key; the old one has ended.`);
  return html`<tr>
    <th scope="row"><a href=${`/${path(user, device.name)}`}>${device.name}</a></th>
    <td><code>${shown ? device.apikey : "••••••••••••"}</code></td>
    <td class="actions">
      <button type="button" class="small" onClick=${() => setShown(!shown)}>${shown ? "Hide" : "Show"}</button>
      <${CopyButton} text=${device.apikey} />
      <button type="button" class="small" onClick=${reset}>Reset</button></td>
  </tr>`;
}

export function Account() {
  const {name, email, nickname, role} = me.value;
  const [changes, setChanges] = useState(0);
  const [devices, error] = useLoaded(async () => {
    const list = await json(`crud/${path(name)}`, {query: {q: "devices"}});
    return Promise.all(list.map((device) => json(`crud/${path(name, device.name)}`)));
  }, [name, changes]);
  const submit = (event) => {
    event.preventDefault();
    const form = event.target, {password, again} = Object.fromEntries(new FormData(form));
    attempt(async () => {
      if (password !== again)
        throw new Error("The two passwords differ.");
      await request(`crud/${path(name)}`, {method: "PUT", body: {password}});
      await logIn(name, password, true); // a new password ends all sessions
      form.reset();
    }, "The password is changed. All other sessions have ended; API keys go on.");
  };
  const profile = (event) => {
    event.preventDefault();
    const fields = {...Object.fromEntries(new FormData(event.target)), public: event.target.elements.public.checked};
    const changed = Object.fromEntries(Object.entries(fields).filter(([key, value]) => value !== me.value[key]));
    attempt(async () => {
      await json(`crud/${path(name)}`, {method: "PUT", body: changed});
      await identify();
    }, "Saved.");
  };
  return html`<h1>${name} <span class="badge">${role}</span></h1>
    <div class="columns">
      <form class="card" onSubmit=${profile}><h2>Profile</h2>
        <label>Name to show <input name="nickname" value=${nickname} /></label>
        <label>Email <input name="email" type="email" value=${email} required /></label>
        <label class="check"><input type="checkbox" name="public" checked=${me.value.public} /> Public: others may see this user and its
          public devices</label>
        <button>Save</button></form>
      <form class="card" onSubmit=${submit}><h2>Password</h2>
        <input class="hidden" name="username" autocomplete="username" value=${name} readonly tabindex="-1" aria-hidden="true" />
        <label>New password <input name="password" type="password" autocomplete="new-password" required /></label>
        <label>The same again <input name="again" type="password" autocomplete="new-password" required /></label>
        <button>Change the password</button></form>
    </div>
    <section class="card"><h2>API keys</h2>
      <p class="muted">A program logs in with the key of a device, and may do what that device may.</p>
      <${Failure} error=${error} />
      <div class="scroll" tabindex="0"><table><tbody>${(devices ?? []).filter(({apikey}) => apikey).map((device) =>
        html`<${Key} key=${device.name} user=${name} device=${device} onChange=${() => setChanges(changes + 1)} />`)}</tbody></table></div>
    </section>`;
}
