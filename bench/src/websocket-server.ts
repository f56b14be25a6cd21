// A server of one kind, for `websocket.ts`: echo on /echo, broadcast on /all; the kinds for upgrades only
// echo, on any path. Prints its port as JSON.
import { createServer as createHttpServer } from "node:http";
import { once } from "node:events";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Listener } from "@zocalo/net";
import { attach, Group, listen, type ListenOptions, type WebSocketConn } from "@zocalo/websocket";
import { type WebSocket, WebSocketServer } from "ws";

/** Each gives the port that it listens on. */
const kinds: Record<string, () => Promise<number>> = {
  zocalo: () => portOf(zocalo(echoByHandler)),
  "zocalo-iterated": () => portOf(zocalo(echoByIteration)),
  "zocalo-upgrades": () => zocaloAlone(),
  "zocalo-authorized": () => zocaloAlone({ authorize: () => undefined }),
  ws: () => portOf(wsServer()),
  "ws-upgrades": () => portOf(wsAlone()),
  net: () => portOf(netServer()),
};

/** As it is used where WebSockets are all there is. */
async function zocaloAlone(options?: ListenOptions): Promise<number> {
  const listener = await listen("127.0.0.1:0", options);
  void each(listener, echoByHandler);
  return listener.addr.port;
}

function wsAlone(): WebSocketServer {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  server.on("connection", (ws) => {
    ws.on("error", () => undefined);
    ws.on("message", (data: Buffer, binary: boolean) => ws.send(data, { binary }));
  });
  return server;
}

async function portOf(server: Server | WebSocketServer): Promise<number> {
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

function zocalo(echo: (conn: WebSocketConn) => void): Server {
  const server = createHttpServer();
  server.listen(0, "127.0.0.1", 2048, () => {
    const maxMessageBytes = 16 * 1024 * 1024;
    void each(attach(server, { path: "/echo", maxMessageBytes, sendLimitBytes: 64 * 1024 * 1024 }), echo);
    const compression = { level: 1, thresholdBytes: 0 };
    void each(attach(server, { path: "/deflate", compression }), echo);
    // What each package does by default when a client offers what browsers offer; and with the context kept.
    void each(attach(server, { path: "/default-takeover", compression: true }), echo);
    const kept = { ...compression, contextTakeover: true };
    void each(attach(server, { path: "/takeover", compression: kept }), echo);
    for (const options of [{ path: "/all" }, { path: "/all-deflate", compression }]) {
      const all = new Group();
      void each(attach(server, options), (conn) => {
        all.add(conn);
        conn.serve({
          message: (message) => void all.broadcast(message),
          close: () => void all.delete(conn),
        });
      });
    }
  });
  return server;
}

async function each(listener: Listener<WebSocketConn>, handle: (conn: WebSocketConn) => void): Promise<void> {
  for await (const conn of listener) handle(conn);
}

function echoByHandler(conn: WebSocketConn): void {
  conn.serve({
    message(message) {
      conn.trySend(message);
    },
  });
}

function echoByIteration(conn: WebSocketConn): void {
  const loop = async (): Promise<void> => {
    for await (const message of conn) await conn.send(message);
  };
  loop().catch(() => undefined);
}

function wsServer(): Server {
  const server = createHttpServer();
  const options = { noServer: true, maxPayload: 16 * 1024 * 1024 } as const;
  const perMessageDeflate = {
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
    threshold: 0,
    zlibDeflateOptions: { level: 1 },
  };
  const plain = { ...options, perMessageDeflate: false } as const;
  const deflating = { ...options, perMessageDeflate } as const;
  const servers: Record<string, { server: WebSocketServer; isEcho: boolean }> = {
    "/echo": { server: new WebSocketServer({ ...plain, clientTracking: false }), isEcho: true },
    "/default-takeover": {
      server: new WebSocketServer({ ...options, perMessageDeflate: true, clientTracking: false }),
      isEcho: true,
    },
    "/takeover": {
      server: new WebSocketServer({
        ...options,
        perMessageDeflate: { threshold: 0, zlibDeflateOptions: { level: 1 } },
        clientTracking: false,
      }),
      isEcho: true,
    },
    "/all": { server: new WebSocketServer(plain), isEcho: false },
    "/deflate": { server: new WebSocketServer({ ...deflating, clientTracking: false }), isEcho: true },
    "/all-deflate": { server: new WebSocketServer(deflating), isEcho: false },
  };
  server.on("upgrade", (request, socket, head) => {
    const found = servers[request.url ?? ""];
    if (found === undefined) return void socket.destroy();
    found.server.handleUpgrade(request, socket, head, (ws) => {
      ws.on("error", () => undefined);
      if (found.isEcho) ws.on("message", echoMessage);
      else ws.on("message", (data: Buffer, binary: boolean) => sendToAll(found.server, data, binary));
    });
  });
  function echoMessage(this: WebSocket, data: Buffer, binary: boolean): void {
    this.send(data, { binary });
  }
  function sendToAll(all: WebSocketServer, data: Buffer, binary: boolean): void {
    for (const client of all.clients) client.send(data, { binary });
  }
  server.listen(0, "127.0.0.1", 2048);
  return server;
}

function netServer(): Server {
  const server = createTcpServer({ noDelay: true }, (socket) => {
    socket.on("data", (chunk) => socket.write(chunk));
    socket.on("error", () => undefined);
  });
  server.listen(0, "127.0.0.1", 2048);
  return server;
}

const kind = process.argv[2] ?? "";
const start = kinds[kind];
if (start === undefined) throw new Error(`no such server: ${kind}`);
console.log(JSON.stringify({ port: await start() }));
// Memory is asked for after a collection.
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
process.on("SIGUSR2", collect);
process.on("SIGINT", () => process.exit(0));
