// A server with one kind of door, for `idle-visitors.ts`. Prints its port as JSON. SIGUSR2 collects garbage.
import { createServer, type Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { lines, type Listener, listen, type MessageConn } from "@zocalo/net";
import { listen as listenForWebSockets } from "@zocalo/websocket";

const [kind = "", mode = "", certFile = "", keyFile = ""] = process.argv.slice(2);
const isRefusing = mode === "refusing";

const HOUR_MS = 3_600_000;
const BACKLOG = 4096;
/** As many as are measured wait at once, and none is cut while they are. */
const patience = { maxPending: 100_000, backlog: BACKLOG };
const halfLine = { messageTimeoutMs: HOUR_MS };
/** Without a limit an address of this machine is counted all the same: only at its limit it is let in. */
const perAddress = isRefusing ? { maxConnectionsPerAddress: 1, exemptAddresses: [] } : {};

/** Ports of a server that only counts whom it could serve. */
const doors: Record<string, () => Promise<number>> = {
  "node:net": () =>
    new Promise((resolve) => {
      const visitors = new Set<Socket>();
      const server = createServer({ noDelay: true }, (socket) => {
        socket.on("error", () => undefined);
        if (isRefusing) return void socket.destroy();
        visitors.add(socket);
        socket.on("close", () => visitors.delete(socket));
        // What was begun is kept, as whoever waits for its end has to.
        const begun: Buffer[] = [];
        socket.on("data", (bytes) => void begun.push(bytes));
      });
      server.listen(0, "127.0.0.1", BACKLOG, () => resolve((server.address() as { port: number }).port));
    }),
  "TCP, lines": async () =>
    serve(lines(await listen("tcp", "127.0.0.1:0", { ...patience, ...perAddress }), halfLine)),
  "TCP, lines, watched": async () => {
    const watched = { ...patience, ...perAddress, firstByteTimeoutMs: HOUR_MS };
    return serve(lines(await listen("tcp", "127.0.0.1:0", watched), halfLine));
  },
  "TLS, lines": async () => {
    const options = { ...patience, ...perAddress, certFile, keyFile, handshakeTimeoutMs: HOUR_MS };
    return serve(lines(await listen("tls", "127.0.0.1:0", options), halfLine));
  },
  WebSocket: async () => {
    const halfOpen = isRefusing ? { maxHalfOpenPerAddress: 1 } : {};
    const options = { handshakeTimeoutMs: HOUR_MS, ...perAddress, ...halfOpen };
    return serve(await listenForWebSockets("127.0.0.1:0", options));
  },
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
