// A server with one kind of door, for `idle-visitors.ts`. Prints its port as JSON. SIGUSR2 collects garbage.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { lines, type Listener, listen, type MessageConn } from "@zocalo/net";
import { listen as listenForWebSockets } from "@zocalo/websocket";

const HOUR_MS = 3_600_000;
/** As many as are measured wait at once, and none is cut while they are. */
const patience = { maxPending: 100_000, backlog: 4096 };

const [kind = "", certFile = "", keyFile = ""] = process.argv.slice(2);

/** Ports of a server that only counts whom it could serve. */
const doors: Record<string, () => Promise<number>> = {
  "TCP, lines": async () =>
    serve(lines(await listen("tcp", "127.0.0.1:0", patience), { messageTimeoutMs: HOUR_MS })),
  "TCP, lines, watched": async () => {
    const watched = { ...patience, firstByteTimeoutMs: HOUR_MS };
    return serve(lines(await listen("tcp", "127.0.0.1:0", watched), { messageTimeoutMs: HOUR_MS }));
  },
  "TLS, lines": async () => {
    const options = { ...patience, certFile, keyFile, handshakeTimeoutMs: HOUR_MS };
    return serve(lines(await listen("tls", "127.0.0.1:0", options), { messageTimeoutMs: HOUR_MS }));
  },
  "TCP, refused": async () => {
    const options = { ...patience, maxConnectionsPerAddress: 1, exemptAddresses: [] };
    return serve(lines(await listen("tcp", "127.0.0.1:0", options)));
  },
  WebSocket: async () => serve(await listenForWebSockets("127.0.0.1:0", { handshakeTimeoutMs: HOUR_MS })),
};

function serve(listener: Listener<MessageConn>): number {
  void (async () => {
    for await (const conn of listener) conn.serve({ message: (message) => void conn.trySend(message) });
  })();
  return Number(String(listener.addr).split(":")[1]);
}

const open = doors[kind];
if (!open) throw new Error(`no kind ${kind}, there are ${Object.keys(doors).join("; ")}`);
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
process.on("SIGUSR2", () => collect());
process.on("SIGTERM", () => process.exit(0));
console.log(JSON.stringify({ port: await open() }));
