// No promise that a WebSocket, its listener or a WebSocketStream gives ends the process when it rejects and
// nobody waits for it.
//
// Each call that gives one is made and forgotten, and then its connection breaks. That the tables have them
// all is checked against the objects themselves.
import type { Socket } from "node:net";
import { type Call, DISPOSE, ITERATE, testForgotten } from "@zocalo/integrity";
import { attach, dial, listen, type WebSocketConn, WebSocketStream } from "../src/index.ts";
import { ANY_PORT, httpServer, rawServer, upgradeAnswer } from "./peers.ts";

/** More than two systems take of a peer that does not read. */
const TEXT = "x".repeat(16_000_000);

const roomy = { sendLimitBytes: 100_000_000, maxMessageBytes: 100_000_000 };

const connCalls: Readonly<Record<string, Call<WebSocketConn>>> = {
  receive: (conn, options) => conn.receive(options),
  send: (conn, options) => conn.send(TEXT, options),
  flush(conn, options) {
    conn.trySend(TEXT);
    return conn.flush(options);
  },
  close(conn) {
    conn.trySend(TEXT);
    return conn.close();
  },
  [DISPOSE](conn) {
    conn.trySend(TEXT);
    return conn[Symbol.asyncDispose]();
  },
  receiveStream: (conn, options) => conn.receiveStream(options),
  sendStream: (conn, options) => conn.sendStream(endless(), options),
  ping: (conn) => conn.ping(),
  closeWithoutCode(conn) {
    conn.trySend(TEXT);
    return conn.closeWithoutCode();
  },
};

async function* endless(): AsyncGenerator<string> {
  await Promise.resolve();
  for (;;) yield TEXT;
}

for (const messages of ["whole", "stream"] as const) {
  for (const side of ["server", "client"] as const) {
    testForgotten(`a WebSocket at the ${side}, messages: ${messages}`, {
      async make() {
        const options = { ...roomy, messages };
        const listener = await listen(ANY_PORT, options);
        const [client, server] = await Promise.all([
          dial(`ws://${String(listener.addr)}`, options),
          listener.accept(),
        ]);
        const [here, there] = side === "server" ? [server, client] : [client, server];
        const tidy = async (): Promise<void> => {
          there.abort();
          await listener.abort();
        };
        return { object: here, broken: () => there.abort(), aborted: () => here.abort(), tidy };
      },
      calls: connCalls,
      others: [ITERATE, "abort", "ref", "serve", "trySend", "unref"],
    });
  }
}

for (const state of ["connecting", "connected"] as const) {
  testForgotten(`a WebSocketStream that is ${state}`, {
    async make() {
      let peer: Socket | undefined;
      let told: () => void = () => undefined;
      const asked = new Promise<void>((resolve) => (told = resolve));
      const server = await rawServer((head, socket) => {
        peer = socket;
        if (state === "connected") socket.write(upgradeAnswer(head));
        told();
      });
      const stream = new WebSocketStream(`ws://127.0.0.1:${server.port}`, { closeTimeoutMs: 1 });
      await asked;
      if (state === "connected") await stream.opened;
      return {
        object: stream,
        broken: () => void peer?.resetAndDestroy(),
        aborted: () => stream.close(),
        tidy: () => server[Symbol.asyncDispose](),
      };
    },
    calls: { opened: (stream) => stream.opened, closed: (stream) => stream.closed },
    others: ["close"],
    neverReject: state === "connected" ? ["opened"] : [],
  });
}

for (const isAttached of [false, true]) {
  testForgotten(isAttached ? "a listener that is attached" : "a listener of its own", {
    async make() {
      const http = isAttached ? await httpServer() : undefined;
      const listener = http === undefined ? await listen(ANY_PORT) : attach(http.server);
      // One connection is open, so that there is something to wait for.
      const [client] = await Promise.all([dial(`ws://${String(listener.addr)}`), listener.accept()]);
      return {
        object: listener,
        aborted: () => void listener.abort(),
        async tidy() {
          client.abort();
          await listener.abort();
          await http?.[Symbol.asyncDispose]();
        },
      };
    },
    calls: {
      accept: (listener, options) => listener.accept(options),
      drain: (listener, options) => listener.drain(null, options),
      close: (listener) => listener.close(),
      abort: (listener) => listener.abort(),
      [DISPOSE]: (listener) => listener[Symbol.asyncDispose](),
    },
    others: [ITERATE, "take", "acceptFrom", "ref", "refused", "unref"],
    neverReject: ["close", "abort", DISPOSE],
  });
}
