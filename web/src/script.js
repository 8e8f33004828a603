// A box for a transform in PipeScript: its results, or where it is wrong.
import {useState} from "preact/hooks";
import {json} from "./api.js";
import {dataRoute} from "./data.js";
import {time, value} from "./format.js";
import {html} from "./html.js";
import {CopyButton, useLoaded} from "./parts.js";

const RESULTS = 50;
const WAIT_MS = 250;

const settle = (signal) => new Promise((resolve, reject) => {
  const timer = setTimeout(resolve, WAIT_MS);
  signal.addEventListener("abort", () => { clearTimeout(timer); reject(new Error("replaced")); });
});

function Transforms() {
  const [words, setWords] = useState("");
  const [all] = useLoaded(() => json("meta/transforms"), []);
  const list = Object.entries(all ?? {}).map(([name, about]) => ({name, ...about}))
    .filter(({name, description}) => `${name} ${description}`.toLowerCase().includes(words.toLowerCase()));
  return html`<input type="search" placeholder="Search transforms" aria-label="Search transforms" onInput=${(event) => setWords(event.target.value)} />
    <dl class="transforms">${list.map(({name, description}) => html`<div key=${name}><dt>${name}</dt><dd>${description}</dd></div>`)}</dl>`;
}

export function Script({path, range}) {
  const [script, setScript] = useState("");
  const [results, error] = useLoaded(async (signal) => {
    if (!script.trim())
      return null;
    await settle(signal);
    return json(dataRoute(path), {query: {t1: range.t1, t2: range.t2, limit: RESULTS, transform: script}, signal});
  }, [path, script, range.t1, range.t2]);
  return html`<details class="script"><summary>Transform with PipeScript</summary>
    <label>Script <textarea class="code" rows="2" spellcheck=${false} autocapitalize="none" value=${script} placeholder="map(weekday, mean)"
      onInput=${(event) => setScript(event.target.value)}></textarea></label>
    ${error && script.trim() ? html`<pre class="notice bad" role="alert">${error.message}</pre>`
      : results && html`<p class="muted">${results.length === RESULTS ? `The first ${RESULTS} results` : `${results.length} results`}
          <${CopyButton} text=${script} label="Copy script" /></p>
        <div class="scroll" tabindex="0"><table><tbody>${results.map(({t, d}, i) => html`<tr key=${i}><td>${time(t)}</td>
          <td class="value">${value(d)}</td></tr>`)}</tbody></table></div>`}
    <details><summary>All transforms</summary><${Transforms} /></details>
  </details>`;
}
