// The state of the server, for administrators: from its metrics, read every few seconds.
import {useEffect, useState} from "preact/hooks";
import {request} from "../api.js";
import {count, duration, number} from "../format.js";
import {html} from "../html.js";
import {Failure} from "../parts.js";

const REFRESH_MS = 5000;
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

function bytes(size) {
  const unit = size > 0 ? Math.min(UNITS.length - 1, Math.floor(Math.log2(size) / 10)) : 0;
  return `${number(Math.round(size / 1024 ** unit * 10) / 10)} ${UNITS[unit]}`;
}

/** Prometheus' text: {name: {value, labels}[]}. */
function parse(text) {
  const metrics = {};
  for (const line of text.split("\n")) {
    const found = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (found) {
      const labels = Object.fromEntries([...(found[2] ?? "").matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));
      (metrics[found[1]] ??= []).push({value: Number(found[3]), labels});
    }
  }
  return metrics;
}

/** The metrics now and those before, each with the time at which they came. */
function useMetrics() {
  const [samples, setSamples] = useState([]);
  const [error, setError] = useState(null);
  useEffect(() => {
    let timer = 0, ended = false;
    const read = async () => {
      try {
        const metrics = parse(await (await request("", {query: {q: "metrics"}})).text());
        setSamples((old) => [...old.slice(-1), {at: performance.now() / 1000, metrics}]);
        setError(null);
      } catch (failure) {
        setError(failure);
      }
      if (!ended)
        timer = setTimeout(read, REFRESH_MS);
    };
    read();
    return () => { ended = true; clearTimeout(timer); };
  }, []);
  return [samples, error];
}

const sum = (metrics, name, test = () => true) =>
  (metrics[`connectordb_${name}`] ?? []).filter(({labels}) => test(labels)).reduce((total, {value}) => total + value, 0);

const Tiles = ({title, tiles}) => html`<section class="card"><h2>${title}</h2><dl class="statistics">${tiles.map(([name, shown, bad]) =>
  html`<div key=${name}><dt>${name}</dt><dd class=${bad ? "warning" : ""}>${shown}</dd></div>`)}</dl></section>`;

export function Server() {
  const [samples, error] = useMetrics();
  const now = samples.at(-1)?.metrics;
  if (!now)
    return html`<h1>Server</h1><${Failure} error=${error} />`;
  const get = (name, test) => sum(now, name, test);
  const rate = (name) => samples.length < 2 ? "…"
    : `${number(Math.max(0, Math.round((get(name) - sum(samples[0].metrics, name)) / (samples[1].at - samples[0].at) * 10) / 10))} /s`;
  const mean = (name) => get(`${name}_count`) > 0 ? `${number(Math.round(get(`${name}_sum`) / get(`${name}_count`) * 1e5) / 100)} ms` : "–";
  const build = now.connectordb_build_info?.[0].labels ?? {};
  const free = get("disk_free_bytes") / get("disk_size_bytes"), failing = get("background_failing");
  const refused = get("inserts_refused_total");
  return html`<h1>Server</h1><${Failure} error=${error} />
    <${Tiles} title="State" tiles=${[
      ["Takes inserts", get("ready") ? "yes" : "no: see its log", !get("ready")],
      ["Version", build.version],
      ["Up", duration(Math.round(Date.now() / 1000 - now.process_start_time_seconds[0].value))],
      ["Memory", bytes(now.process_resident_memory_bytes[0].value)],
      ["Errors in the log", count(get("log_messages_total", ({level}) => level === "error")), get("log_messages_total", ({level}) => level === "error") > 0],
    ]} />
    <${Tiles} title="Now" tiles=${[
      ["Datapoints", rate("inserted_points_total")], ["Inserts", rate("inserts_total")], ["Requests", rate("http_requests_total")],
      ["Mean sync of a commit", mean("commit_sync_duration_seconds")],
      ["Inserts refused", count(refused), refused > 0],
    ]} />
    <${Tiles} title="Who is connected" tiles=${[
      ["Connections", `${count(get("http_connections"))} of ${count(get("http_connections_max"))}`], ["WebSockets", count(get("websockets"))],
      ["Subscriptions", count(get("live_subscriptions"))], ["Failed log-ins", count(get("failed_logins_total"))],
    ]} />
    <${Tiles} title="What is stored" tiles=${[
      ["Users", count(get("users"))], ["Devices", count(get("devices"))], ["Streams", count(get("streams"))],
      ["Segments", `${count(get("segments"))}, ${bytes(get("segment_bytes"))}`],
      ["Journals", `${count(get("journals"))}, ${bytes(get("journal_file_bytes"))}`],
      ["Free disk", `${bytes(get("disk_free_bytes"))} (${number(Math.round(free * 100))} %)`, free < 0.05],
      ["Background work", failing ? "fails: see the log" : get("background_active") ? "runs" : "idle", failing > 0],
    ]} />
    <p class="muted">A monitoring system reads the same numbers at <code>/metrics</code>.</p>`;
}
