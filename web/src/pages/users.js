// The users of the server, for administrators.
import {useState} from "preact/hooks";
import {json, path, request} from "../api.js";
import {count} from "../format.js";
import {html} from "../html.js";
import {DeleteButton, Dialog, Failure, useLoaded} from "../parts.js";
import {attempt, me} from "../state.js";

function UserForm({user, onDone}) {
  const submit = (event) => {
    event.preventDefault();
    const {name = user?.name, ...fields} = Object.fromEntries(new FormData(event.target));
    const changed = Object.fromEntries(Object.entries(fields).filter(([key, value]) => value !== (user?.[key] ?? "")));
    attempt(async () => {
      await json(`crud/${path(name)}`, {method: user ? "PUT" : "POST", body: changed});
      onDone();
    });
  };
  return html`<form onSubmit=${submit}>
    ${!user && html`<label>Name <input name="name" required autofocus pattern="[A-Za-z][A-Za-z0-9_\\-]*" maxlength="29" autocapitalize="none" /></label>`}
    <label>Email <input name="email" type="email" value=${user?.email ?? ""} required /></label>
    <label>${user ? "New password, if it shall change" : "Password"}
      <input name="password" type="password" autocomplete="new-password" required=${!user} /></label>
    <label>Role <input name="role" value=${user?.role ?? "user"} list="roles" required />
      <datalist id="roles"><option value="user" /><option value="admin" /></datalist></label>
    <p class="muted">What a role may do is in the server's permissions file: a “user” has its own devices and streams, an “admin”
      manages all users.</p>
    <button>${user ? "Save" : "Make the user"}</button>
  </form>`;
}

export function Users() {
  const [changes, setChanges] = useState(0);
  const [open, setOpen] = useState(null);
  const [users, error] = useLoaded(() => json("crud/", {query: {q: "ls"}}), [changes]);
  const done = () => { setOpen(null); setChanges(changes + 1); };
  const remove = async (name) => {
    await request(`crud/${path(name)}`, {method: "DELETE"});
    done();
  };
  return html`<div class="bar"><h1>Users</h1><button type="button" onClick=${() => setOpen("new")}>New user</button></div>
    <${Failure} error=${error} />
    ${users && html`<p class="muted" role="status">${count(users.length)} ${users.length === 1 ? "user" : "users"}</p>
      <div class="scroll" tabindex="0"><table><thead><tr><th scope="col">Name</th><th scope="col">Email</th><th scope="col">Role</th><th><span class="hidden">Actions</span></th></tr></thead>
      <tbody>${users.map((user) => html`<tr key=${user.name}><th scope="row"><a href=${`/${path(user.name)}`}>${user.name}</a></th>
        <td>${user.email}</td><td>${user.role}</td><td class="actions"><button type="button" class="small" onClick=${() => setOpen(user)}>Edit</button>
        ${user.name !== me.value.name && html`<${DeleteButton} name=${user.name} onDelete=${() => remove(user.name)}
          what=${`The user ${user.name}, its devices, streams and all datapoints are deleted.`} />`}</td></tr>`)}</tbody></table></div>`}
    <${Dialog} open=${open !== null} title=${open === "new" ? "New user" : open?.name ?? ""} onClose=${() => setOpen(null)}>
      <${UserForm} user=${open === "new" ? null : open} onDone=${done} /><//>`;
}
