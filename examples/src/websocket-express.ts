// Pages by Express, and a WebSocket chat beside them on the same port.
//
//   npx tsx --conditions=zocalo-source examples/src/websocket-express.ts [PORT]
//   Open http://localhost:8081/ in two windows.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { attach, Group } from "@zocalo/websocket";
import express from "express";

const GRACE_MS = 2_000;
const PAGE = `<!doctype html>
<title>Chat</title>
<form><input autofocus autocomplete="off"></form>
<script type="module">
  const socket = new WebSocket("/chat");
  // As text, never as HTML: others wrote it.
  socket.onmessage = ({ data }) => document.body.append(data, document.createElement("br"));
  document.forms[0].onsubmit = (event) => {
    event.preventDefault();
    const [input] = event.target;
    socket.send(input.value);
    input.value = "";
  };
</script>
`;

const everybody = new Group({ onMissed: (conn) => void conn.close(1013, "too slow") });

const app = express();
app.disable("x-powered-by");
app.get("/", (_request, response) => void response.type("html").send(PAGE));
app.get("/status", (_request, response) => void response.json({ members: everybody.size }));

const server = createServer(app).listen(Number(process.argv[2] ?? 8081), "127.0.0.1");
await once(server, "listening");
// Express answers requests, `attach` answers upgrades: for other paths with 404, for pages of other sites
// with 403.
const listener = attach(server, { path: "/chat", maxMessageBytes: 10_000 });
console.log(`listening on 127.0.0.1:${(server.address() as AddressInfo).port}`);

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void end());

for await (const conn of listener) {
  everybody.add(conn);
  conn.serve({
    message: (message) => void everybody.broadcast(message),
    close: () => void everybody.delete(conn), // After a reset, too.
  });
}

/**
 * New requests are refused, WebSockets are told 1001 "going away", and pages that are being sent are
 * finished.
 */
async function end(): Promise<void> {
  server.close();
  server.closeIdleConnections();
  await listener.drain(Date.now() + GRACE_MS);
  server.closeAllConnections();
}
