// A hub, or what one writes instead, for `fan-out.ts`, `subscribers.ts`, `publish.ts`, `come-back.ts` and
// `idle-session.ts`: `hub-server.ts CONTENDER [OPTIONS as JSON] [--timer]`. Prints its port as JSON.
// SIGUSR2 collects garbage.
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { durable, Hub, MemoryEngine } from "@zocalo/hub";
import { lines, listen as listenTcp } from "@zocalo/net";
import { listen as listenWebSocket } from "@zocalo/websocket";
import { Server as SocketIo } from "socket.io";
import { type WebSocket, WebSocketServer } from "ws";
import { channelName, type HubServerOptions, LAST } from "./hub-load.ts";
import { quantile } from "./measure.ts";

const [contender = "", given = "{}"] = process.argv.slice(2);
const { directory, behind = 0, channels = 1 } = JSON.parse(given) as HubServerOptions;

const BACKLOG = 4096;
/** Nobody is held back: it is measured how fast it goes. */
const UNLIMITED = {
  commandsPerSecond: 1_000_000_000,
  commandBurst: 1_000_000_000,
  sessionsPerAddress: 100_000,
  subscriptionsPerAddress: 1_000_000,
};
const TEXT = "x".repeat(198);

/** What is said of a server that runs. */
interface Ready {
  readonly port: number;
  /** Of its channels, by their number. */
  readonly epochs?: readonly string[];
}

async function hub(transport: "websocket" | "tcp"): Promise<Ready> {
  const engine = directory === undefined ? new MemoryEngine() : await durable(directory);
  const square = new Hub({
    engine,
    namespaces: { plaza: { subscribe: "anyone", publish: "anyone" } },
    limits: UNLIMITED,
  });
  const epochs: string[] = [];
  for (let channel = 0; channel < channels && behind > 0; channel++) {
    const publish = (text: string) => square.publish(channelName(channel), text);
    await Promise.all(Array.from({ length: behind - 1 }, () => publish(TEXT)));
    epochs.push((await publish(`${LAST}${TEXT.slice(LAST.length)}`)).epoch);
  }
  // With a listener of net's, since a crowd that comes back at once is more than the default backlog takes.
  const below = await listenTcp("tcp", "127.0.0.1:0", { backlog: BACKLOG, maxPending: BACKLOG });
  const listener = transport === "tcp" ? lines(below) : await listenWebSocket(below);
  void square.serve(listener);
  return { port: below.addr.port, epochs };
}

/** Connections that are answered, and nothing else: what a session of the hub stands on. */
async function bareWebSockets(): Promise<Ready> {
  const listener = await listenWebSocket("127.0.0.1:0");
  void (async () => {
    for await (const conn of listener) conn.serve({ message: (message) => void conn.trySend(message) });
  })();
  return { port: listener.addr.port };
}

interface Message {
  readonly type: string;
  readonly channel: string;
  readonly data?: string;
}

/**
 * What one writes with ws: everything to everybody, and what was missed out of a list; without epochs,
 * retention or a limit on what a slow reader costs.
 */
async function bareWs(): Promise<Ready> {
  const http = createServer();
  const server = new WebSocketServer({ server: http });
  const told = new Map<string, { readonly log: string[]; readonly subscribers: Set<WebSocket> }>();
  const of = (channel: string) => {
    const known = told.get(channel) ?? { log: [], subscribers: new Set() };
    told.set(channel, known);
    return known;
  };
  const publish = (channel: string, data: string): void => {
    const { log, subscribers } = of(channel);
    const text = JSON.stringify(publicationOf(channel, log.length + 1, data));
    if (log.length < behind) log.push(text);
    for (const client of subscribers) client.send(text);
  };
  for (let channel = 0; channel < channels; channel++) {
    for (let left = behind; left > 0; left--) {
      publish(channelName(channel), left === 1 ? `${LAST}${TEXT.slice(LAST.length)}` : TEXT);
    }
  }
  server.on("connection", (socket) => {
    socket.on("error", () => undefined);
    socket.on("message", (text: Buffer) => {
      const { type, channel, data = "" } = JSON.parse(text.toString()) as Message;
      if (type === "publish") publish(channel, data);
      if (type !== "subscribe") return;
      const { log, subscribers } = of(channel);
      subscribers.add(socket);
      socket.once("close", () => subscribers.delete(socket));
      socket.send('{"type":"subscribed"}');
      for (const missed of log) socket.send(missed);
    });
  });
  http.listen(0, "127.0.0.1", BACKLOG);
  await once(http, "listening");
  return { port: (http.address() as AddressInfo).port };
}

async function socketIo(): Promise<Ready> {
  const http = createServer();
  // Connections are opened by raw clients, which answer no pings.
  const io = new SocketIo(http, { transports: ["websocket"], pingInterval: 3_600_000 });
  let offset = 0;
  io.on("connection", (socket) => {
    socket.on("subscribe", (channel: string) => {
      void socket.join(channel);
      socket.emit("subscribed");
    });
    socket.on("publish", (channel: string, data: string) => {
      io.to(channel).emit("publication", publicationOf(channel, ++offset, data));
    });
  });
  http.listen(0, "127.0.0.1", BACKLOG);
  await once(http, "listening");
  return { port: (http.address() as AddressInfo).port };
}

function publicationOf(channel: string, offset: number, data: string) {
  return { type: "publication", channel, offset, at: Date.now(), user: "guest", data };
}

/** Who connects is told how late a timer of a millisecond came since the last one asked. */
async function timerPort(): Promise<number> {
  let late: number[] = [];
  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    late.push(now - last - 1);
    last = now;
  }, 1);
  const server = createTcpServer((socket) => {
    socket.on("error", () => undefined);
    socket.end(JSON.stringify({ lateMs: quantile(late, 0.99) }));
    late = [];
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

const kinds: Record<string, () => Promise<Ready>> = {
  hub: () => hub("websocket"),
  "hub over TCP": () => hub("tcp"),
  "bare WebSocket": bareWebSockets,
  ws: bareWs,
  "Socket.IO": socketIo,
};
const start = kinds[contender];
if (start === undefined) throw new Error(`no such server: ${contender}`);
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
process.on("SIGUSR2", collect);
process.on("SIGTERM", () => process.exit(0));
const isTimed = process.argv.includes("--timer");
console.log(JSON.stringify({ ...(await start()), ...(isTimed ? { timerPort: await timerPort() } : {}) }));
