import {useEffect, useState} from "preact/hooks";
import {html} from "../html.js";
import {attempt, go, logIn, notice} from "../state.js";

async function askJoin(options) {
  const answer = await fetch(options ? "/join" : "/join?q=allowed", {credentials: "same-origin", ...options});
  const text = await answer.text();
  if (!answer.ok)
    throw new Error(JSON.parse(text).msg);
  return options ? text : JSON.parse(text);
}

const fields = (event) => Object.fromEntries(new FormData(event.target));

export function Login({joining}) {
  const [allowed, setAllowed] = useState({join: false});
  useEffect(() => { askJoin().then(setAllowed, () => {}); }, []);
  useEffect(() => {
    if (joining && allowed.message && !allowed.join)
      notice.value = {text: allowed.message, bad: true};
  }, [joining, allowed]);

  const enter = (event) => {
    event.preventDefault();
    const {name, password, remember} = fields(event);
    attempt(() => logIn(name, password, Boolean(remember)));
  };
  const join = (event) => {
    event.preventDefault();
    const {name, email, password} = fields(event);
    attempt(async () => {
      await askJoin({method: "POST", headers: {"Content-Type": "application/json"},
        body: JSON.stringify({name, email, password})});
      go("/", {replace: true});
      await logIn(name, password, true);
    });
  };
  if (joining && allowed.join)
    return html`<form class="card narrow" onSubmit=${join}>
      <h1>Join</h1>
      <label>User name <input name="name" autocomplete="username" autocapitalize="none" maxlength="29"
        pattern="[A-Za-z][A-Za-z0-9_\\-]*" required autofocus /></label>
      <label>Email <input name="email" type="email" autocomplete="email" required /></label>
      <label>Password <input name="password" type="password" autocomplete="new-password" required /></label>
      <button>Join</button>
    </form>`;
  return html`<form class="card narrow" onSubmit=${enter}>
    <h1>Log in</h1>
    <label>User name or email <input name="name" autocomplete="username" autocapitalize="none" required autofocus /></label>
    <label>Password <input name="password" type="password" autocomplete="current-password" required /></label>
    <label class="check"><input name="remember" type="checkbox" checked /> Stay logged in on this device</label>
    <button>Log in</button>
    ${allowed.join && html`<p>No account yet? <a href="/join">Join</a></p>`}
  </form>`;
}
