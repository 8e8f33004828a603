// The web app: what is in the address decides which page is shown.
import {render} from "preact";
import {useEffect} from "preact/hooks";
import {html} from "./html.js";
import {Notice} from "./parts.js";
import {attempt, identify, logOut, me, notice, place} from "./state.js";
import {Account} from "./pages/account.js";
import {Compare} from "./pages/compare.js";
import {Login} from "./pages/login.js";
import {Server} from "./pages/server.js";
import {Stream} from "./pages/stream.js";
import {Streams} from "./pages/streams.js";
import {Users} from "./pages/users.js";
import "./app.css";

/** Pages by ?page=; all others are by the names in the address. */
const PAGES = {account: Account, compare: Compare, server: Server, users: Users};

function page({names, query}) {
  if (!me.value)
    return html`<${Login} joining=${names[0] === "join"} />`;
  const Named = PAGES[query.page];
  if (Named)
    return html`<${Named} key=${query.page} />`;
  if (names.length === 3)
    return html`<${Stream} key=${names.join("/")} path=${names.join("/")} />`;
  const user = names[0] && names[0] !== "login" && names[0] !== "join" ? names[0] : me.value.name;
  return html`<${Streams} key=${`${user}/${names[1]}`} user=${user} device=${names[1]} />`;
}

function Header() {
  const current = (name) => (place.value.query.page ?? "") === name ? "page" : undefined;
  return html`<header>
    <a class="brand" href="/">ConnectorDB</a>
    ${me.value && html`<nav aria-label="Main">
      <a href="/" aria-current=${place.value.names.length ? undefined : current("")}>Streams</a>
      <a href="/?page=compare" aria-current=${current("compare")}>Compare</a>
      ${me.value.role === "admin" && html`<a href="/?page=users" aria-current=${current("users")}>Users</a>
        <a href="/?page=server" aria-current=${current("server")}>Server</a>`}
      <a href="/?page=account" aria-current=${current("account")}>Account</a>
    </nav>
    <button class="plain" onClick=${() => attempt(logOut)}>Log out <span class="wide">${me.value.name}</span></button>`}
  </header>`;
}

function App() {
  useEffect(() => {
    const {names, query} = place.value;
    document.title = [...names, query.page].filter(Boolean).concat("ConnectorDB").join(" · ");
  });
  return html`<${Header} /><main><${Notice} />${page(place.value)}</main>`;
}

identify().catch((error) => { notice.value = {text: error.message, bad: true}; })
  .finally(() => render(html`<${App} />`, document.getElementById("app")));
