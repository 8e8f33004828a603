// How a program writes and reads a stream, ready to be copied.
import {useState} from "preact/hooks";
import {json, path as join} from "./api.js";
import {html} from "./html.js";
import {CopyButton, Failure, useLoaded} from "./parts.js";

const PROGRAMS = {
  curl: (url, key, path) => `# writes a datapoint, and reads the last five
curl -u ":${key}" -d '[{"d": 20.5}]' ${url}/api/v1/crud/${path}/data
curl -u ":${key}" "${url}/api/v1/crud/${path}/data?i1=-5"`,
  Python: (url, key, path) => `# pip install requests
import requests

data = "${url}/api/v1/crud/${path}/data"
login = ("", "${key}")
requests.post(data, auth=login, json=[{"d": 20.5}]).raise_for_status()
print(requests.get(data, auth=login, params={"i1": -5}).json())`,
  "Python, client of 0.3": (url, key, path) => `# pip install connectordb
import connectordb

cdb = connectordb.ConnectorDB("${key}", url="${url}")
stream = cdb("${path}")
stream.insert(20.5)
print(stream[-5:])`,
  Node: (url, key, path) => `const data = "${url}/api/v1/crud/${path}/data";
const headers = {Authorization: "Basic " + Buffer.from(":${key}").toString("base64")};
await fetch(data, {method: "POST", headers, body: JSON.stringify([{d: 20.5}])});
console.log(await (await fetch(data + "?i1=-5", {headers})).json());`,
};

export function Snippets({path, user, device}) {
  const [program, setProgram] = useState("curl");
  const [owner, error] = useLoaded(() => json(`crud/${join(user, device)}`), [user, device]);
  const key = owner?.apikey || "API-KEY";
  const text = PROGRAMS[program](window.location.origin, key, path);
  return html`<${Failure} error=${error} />
    <p>These use the API key of the device ${user}/${device}${owner && !owner.apikey ? ", which you may not see: ask its owner" : ""}.
      Whoever has the key acts as the device.</p>
    <div class="buttons" role="group" aria-label="Program">${Object.keys(PROGRAMS).map((name) =>
      html`<button key=${name} type="button" class="small" aria-pressed=${name === program} onClick=${() => setProgram(name)}>${name}</button>`)}</div>
    <pre class="code" tabindex="0">${text}</pre><${CopyButton} text=${text} />
    <p><a href="/www/API.md" target="_blank" rel="noopener">All of the REST API</a></p>`;
}
