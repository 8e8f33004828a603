"use strict";
// The plain page of a ConnectorDB server: log in, join, a list of streams with their length and last value.
const API = "/api/v1";
const ROWS_AT_ONCE = 100, REQUESTS_AT_ONCE = 6, VALUE_CHARACTERS_MAX = 120;
const $ = id => document.getElementById(id);

// Answers of the API; an error has the server's message.
async function ask(path, options = {}) {
    const headers = { "X-Requested-With": "page", ...options.headers };
    const answer = await fetch(path, { credentials: "same-origin", ...options, headers });
    const text = await answer.text();
    if (!answer.ok) {
        let message = text;
        try { message = JSON.parse(text).msg; } catch { /* not an error object */ }
        throw Object.assign(new Error(message || answer.statusText), { status: answer.status });
    }
    return text;
}
const askJson = async path => JSON.parse(await ask(path));

function show(message) {
    $("message").textContent = message;
    $("message").hidden = !message;
}

function open(section) {
    for (const id of ["login", "join", "list"])
        $(id).hidden = id !== section;
}

// ---- logging in ----
const base64 = text => btoa(String.fromCharCode(...new TextEncoder().encode(text)));

async function logIn(name, password, remember) {
    await ask(`${API}/login?remember=${remember}`, { headers: { Authorization: "Basic " + base64(`${name}:${password}`) } });
    location.reload();
}

function onSubmit(form, action) {
    form.addEventListener("submit", async event => {
        event.preventDefault();
        show("");
        try { await action(); } catch (error) { show(error.message); }
    });
}

onSubmit($("login"), () => logIn($("name").value, $("password").value, $("remember").checked));
onSubmit($("join"), async () => {
    const [name, email, password] = ["join-name", "join-email", "join-password"].map(id => $(id).value);
    await ask("/join", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ name, email, password }) });
    history.replaceState(null, "", "/");
    await logIn(name, password, true);
});
$("logout").addEventListener("click", async () => {
    try { await ask(API + "/logout"); } catch (error) { show(error.message); return; }
    location.assign("/");
});

async function offerLogin() {
    const joining = await askJson("/join?q=allowed");
    if (location.pathname === "/join" && joining.join) {
        open("join");
        $("join-name").focus();
        return;
    }
    if (location.pathname === "/join")
        show(joining.message);
    $("joining").hidden = !joining.join;
    open("login");
    $("name").focus();
}

// ---- the list ----
const cell = (row, text, className) => {
    const made = row.insertCell();
    made.textContent = text;
    if (className)
        made.className = className;
    return made;
};

function valueText(value) {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return text.length > VALUE_CHARACTERS_MAX ? text.slice(0, VALUE_CHARACTERS_MAX) + "…" : text;
}

async function fillRow(row, path) {
    const [points, value, time] = [2, 3, 4].map(i => row.cells[i]);
    try {
        const length = await askJson(`${API}/crud/${path}/data?q=length`);
        points.textContent = length.toLocaleString();
        if (length === 0)
            return;
        const [last] = await askJson(`${API}/crud/${path}/data?i1=-1`);
        value.textContent = valueText(last.d);
        time.textContent = new Date(last.t * 1000).toLocaleString();
    } catch (error) {
        value.textContent = error.message;
    }
}

async function showRows(streams, user) {
    const work = [];
    for (const stream of streams) {
        const row = $("streams").insertRow();
        const label = stream.nickname ? `${stream.nickname} (${stream.name})` : stream.name;
        cell(row, stream.device);
        cell(row, label).title = stream.description || "";
        cell(row, "", "number");
        cell(row, "", "value");
        cell(row, "");
        work.push(() => fillRow(row, `${user}/${stream.device}/${stream.name}`));
    }
    const next = async () => { while (work.length > 0) await work.shift()(); };
    await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, next));
}

async function showList(who) {
    const names = location.pathname.split("/").filter(Boolean);
    const [user = who.split("/")[0], device] = names[0] === "login" || names[0] === "join" ? [] : names;
    $("who").textContent = "Logged in as " + who;
    $("title").textContent = device ? `${user}/${device}` : user;
    open("list");
    let streams = await askJson(`${API}/crud/${encodeURIComponent(user)}?q=streams`);
    streams = streams.filter(stream => !device || stream.device === device)
        .sort((a, b) => a.device.localeCompare(b.device) || a.name.localeCompare(b.name));
    $("empty").hidden = streams.length > 0;
    let shown = 0;
    const more = () => {
        const part = streams.slice(shown, shown += ROWS_AT_ONCE);
        $("more").hidden = shown >= streams.length;
        return showRows(part, user);
    };
    $("more").addEventListener("click", more);
    await more();
}

async function start() {
    $("version").textContent = await ask(API + "/meta/version");
    let who;
    try {
        who = await ask(API + "/?q=this");
    } catch (error) {
        if (error.status !== 401)
            throw error;
        who = "nobody"; // the session has ended, and its cookie has gone
    }
    if (who === "nobody")
        await offerLogin();
    else
        await showList(who);
}
start().catch(error => show(error.message));
