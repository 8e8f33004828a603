// New datapoints as they are stored: one WebSocket for all subscriptions, opened again when it breaks.

const RETRY_MS = [500, 2000, 10000, 30000];

/** @type {Map<string, Set<(points: import("./api.js").Datapoint[]) => void>>} */
const listeners = new Map();
let socket = null;
let retries = 0;

const send = (command) => socket?.readyState === WebSocket.OPEN && socket.send(JSON.stringify(command));

function connect() {
  const scheme = window.location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${window.location.host}/api/v1/websocket`);
  socket.onopen = () => {
    retries = 0;
    for (const stream of listeners.keys())
      send({cmd: "subscribe", arg: stream});
  };
  socket.onmessage = ({data}) => {
    const message = JSON.parse(data);
    for (const listener of listeners.get(message.stream) ?? [])
      listener(message.data);
  };
  socket.onclose = () => {
    socket = null;
    if (listeners.size > 0)
      setTimeout(() => socket || connect(), RETRY_MS[Math.min(retries++, RETRY_MS.length - 1)]);
  };
}

/** Calls the listener with the datapoints of each later insert. Returns what ends that.
 * @param {string} stream user/device/stream */
export function subscribe(stream, listener) {
  if (!listeners.has(stream)) {
    listeners.set(stream, new Set());
    if (socket)
      send({cmd: "subscribe", arg: stream});
    else
      connect();
  }
  listeners.get(stream).add(listener);
  return () => {
    listeners.get(stream)?.delete(listener);
    if (listeners.get(stream)?.size === 0) {
      listeners.delete(stream);
      send({cmd: "unsubscribe", arg: stream});
    }
    if (listeners.size === 0)
      socket?.close();
  };
}
