// What takes inputs and sends snapshots, for `cast.ts`: `cast-server.ts CONTENDER FORM in|out`. Prints its
// port as JSON. With `out` each who has said something is sent 1,000 bytes of its own 30 times a second.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Hub } from "@zocalo/hub";
import { listen } from "@zocalo/websocket";
import { Server as SocketIo } from "socket.io";
import { type WebSocket, WebSocketServer } from "ws";

const [contender = "", form = "", direction = ""] = process.argv.slice(2);
const TICK_MS = 1_000 / 30;
const isOut = direction === "out";
const snapshot = Buffer.alloc(1_000, 1);
const INPUT = "input";
let ticks = 0;

/** Something of its own for each in each tick. */
function next(number: number): Buffer | string {
  snapshot.writeUInt32BE(ticks, 0);
  snapshot.writeUInt32BE(number, 4);
  return form === "bytes" ? snapshot : snapshot.toString("base64", 0, 750);
}

function eachTick(send: () => void): void {
  if (!isOut) return;
  setInterval(() => {
    ticks++;
    send();
  }, TICK_MS);
}

async function hub(): Promise<number> {
  const square = new Hub({
    namespaces: {},
    limits: { commandsPerSecond: 1_000_000, commandBurst: 1_000_000 },
  });
  const sessions = new Set<string>();
  square.onCast(INPUT, ({ session }) => void (isOut && sessions.add(session)));
  eachTick(() => {
    let number = 0;
    for (const session of sessions)
      square.send({ session }, "snapshot", next(number++), { volatile: true, key: "snapshot" });
  });
  const listener = await listen("127.0.0.1:0", { subprotocols: ["zocalo.binary"] });
  void square.serve(listener);
  return listener.addr.port;
}

async function socketIo(): Promise<number> {
  const http = createServer();
  // Connections are opened by raw clients, which answer no pings.
  const io = new SocketIo(http, { transports: ["websocket"], pingInterval: 3_600_000 });
  const sockets = new Set<Parameters<Parameters<typeof io.on>[1]>[0]>();
  io.on("connection", (socket) => {
    socket.on(INPUT, () => void (isOut && sockets.add(socket)));
  });
  eachTick(() => {
    let number = 0;
    for (const socket of sockets) socket.volatile.emit("snapshot", copied(next(number++)));
  });
  http.listen(0, "127.0.0.1", 4_096);
  await once(http, "listening");
  return (http.address() as AddressInfo).port;
}

/** What one writes with ws: a word before the bytes, or JSON, and nothing for who is behind. */
async function ws(): Promise<number> {
  const server = new WebSocketServer({
    host: "127.0.0.1",
    port: 0,
    perMessageDeflate: false,
    backlog: 4_096,
  });
  const sockets = new Set<WebSocket>();
  const word = Buffer.from("snapshot");
  server.on("connection", (socket) => {
    socket.on("message", (data: Buffer, isBinary) => {
      const isInput = isBinary
        ? data.toString("latin1", 0, INPUT.length) === INPUT
        : (JSON.parse(data.toString()) as { type: string }).type === INPUT;
      if (isInput && isOut) sockets.add(socket);
    });
  });
  eachTick(() => {
    let number = 0;
    for (const socket of sockets) {
      const data = next(number++);
      if (socket.bufferedAmount > 0) continue;
      // It may keep what it is given, so each needs memory of its own.
      if (typeof data === "string") socket.send(JSON.stringify({ type: "snapshot", data }));
      else socket.send(Buffer.concat([word, data]));
    }
  });
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** It keeps what it is given until the turn is over, so each needs memory of its own. */
function copied(data: Buffer | string): Buffer | string {
  return typeof data === "string" ? data : Buffer.from(data);
}

process.on("SIGTERM", () => process.exit(0));
const contenders: Readonly<Record<string, () => Promise<number>>> = { hub, ws, "Socket.IO": socketIo };
const serve = contenders[contender];
if (serve === undefined) throw new Error(`there is no ${contender}`);
console.log(JSON.stringify({ port: await serve() }));
