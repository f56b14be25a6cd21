// No promise that a connection or a listener gives ends the process when it rejects and nobody waits for it.
//
// Each call that gives one is made and forgotten, and then its connection breaks. That the tables have them
// all is checked against the objects themselves.
import { Duplex } from "node:stream";
import { ReadableStream, WritableStream } from "node:stream/web";
import { after } from "node:test";
import { type Call, DISPOSE, ITERATE, type Subject, testForgotten } from "@zocalo/integrity";
import {
  type Conn,
  type DatagramConn,
  delimited,
  dial,
  fromNodeStream,
  fromWebStreams,
  ipAddr,
  lengthPrefixed,
  lines,
  listen,
  type Listener,
  listenPacket,
  type MessageConn,
  type PacketConn,
  peers,
} from "@zocalo/net";
import { crowd } from "./crowded-handle.ts";
import { Pairs } from "./pairs.ts";

/** More than two systems take of a peer that does not read. */
const PAYLOAD = Buffer.alloc(16_000_000, "x");
const TEXT = PAYLOAD.toString();
/** Nobody listens there (RFC 863), and nothing is sent there: it waits. */
const DISCARD = ipAddr("udp", "127.0.0.1", 9);

const pairs = new Pairs();
after(() => pairs.dispose());

// --- streams

const connCalls: Readonly<Record<string, Call<Conn>>> = {
  read: (conn, options) => conn.read(options),
  readFull: (conn, options) => conn.readFull(10, options),
  write: (conn, options) => conn.write(PAYLOAD, options),
  writev: (conn, options) => conn.writev([PAYLOAD, PAYLOAD], options),
  closeWrite(conn, options) {
    void conn.write(PAYLOAD);
    return conn.closeWrite(options);
  },
  close(conn, options) {
    void conn.write(PAYLOAD);
    return conn.close(options);
  },
  [DISPOSE](conn) {
    void conn.write(PAYLOAD);
    return conn[Symbol.asyncDispose]();
  },
};
const deadlines = ["setDeadline", "setReadDeadline", "setWriteDeadline"];
const connOthers = [
  ...deadlines,
  ITERATE,
  "abort",
  "closeRead",
  "ref",
  "serve",
  "setKeepAlive",
  "setNoDelay",
  "unref",
  // For `startTls`.
  "handOver",
  "holdStill",
  // For its end.
  "abortWith",
  "leave",
  // For who makes another of it.
  "over",
  // For its transport.
  "failureSite",
  "onBytes",
  "onClose",
  "onData",
  "onDataTimeout",
  "onEnd",
  "onFinish",
  "onWriteFailed",
  "onWritten",
];

for (const network of ["tcp", "unix", "tls", "pipe", "nodeStream"] as const) {
  const isThere = network !== "unix" || process.platform !== "win32";
  if (!isThere) continue;
  testForgotten(`a connection over ${network}`, {
    async make() {
      const pair = await pairs[network]();
      const { a, b } = pair;
      return { object: a, broken: () => b.abort(), aborted: () => a.abort(), tidy: () => tidied(b, pair) };
    },
    calls: connCalls,
    others: connOthers,
  });
}

async function tidied(other: { abort(): void }, rest: { tidy(): Promise<void> }): Promise<void> {
  other.abort();
  await rest.tidy();
}

testForgotten("a connection over a stream that takes nothing", {
  make() {
    const stream = new Duplex({ read: () => undefined, write: () => undefined });
    const conn = fromNodeStream(stream);
    const broken = (): void => void stream.destroy(new Error("broken"));
    return Promise.resolve({ object: conn, broken, aborted: () => conn.abort() });
  },
  calls: connCalls,
  others: connOthers,
});

testForgotten("a connection over Web Streams", {
  make() {
    const { promise: never, reject } = deferred();
    const readable = new ReadableStream<Uint8Array>({ pull: () => never });
    const writable = new WritableStream<Uint8Array>({ write: () => never });
    const conn = fromWebStreams({ readable, writable });
    const broken = (): void => reject(new Error("broken"));
    return Promise.resolve({ object: conn, broken, aborted: () => conn.abort() });
  },
  calls: connCalls,
  others: connOthers,
});

function deferred(): { promise: Promise<void>; reject: (reason: Error) => void } {
  let reject: (reason: Error) => void = () => undefined;
  const promise = new Promise<void>((_, rejectIt) => (reject = rejectIt));
  promise.catch(() => undefined); // Of the test alone.
  return { promise, reject };
}

// --- message connections

const messageConnCalls: Readonly<Record<string, Call<MessageConn>>> = {
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
};

const roomy = { sendLimitBytes: 100_000_000 };
for (const [name, frame] of Object.entries({
  lines: (conn: Conn) => lines(conn, roomy),
  delimited: (conn: Conn) => delimited(conn, "\0", roomy),
  lengthPrefixed: (conn: Conn) => lengthPrefixed(conn, "u32", roomy),
})) {
  testForgotten(`messages by ${name}`, {
    async make() {
      const pair = await pairs.tcp();
      const { a, b } = pair;
      const conn = frame(a);
      return {
        object: conn,
        broken: () => b.abort(),
        aborted: () => conn.abort(),
        tidy: () => tidied(b, pair),
      };
    },
    calls: messageConnCalls,
    others: [
      ITERATE,
      "abort",
      "ref",
      "serve",
      "trySend",
      "unref",
      // For its stream, its inbox and its send buffer.
      "closeOnce",
      "drained",
      "ended",
      "ending",
      "fail",
      "failed",
      "finish",
      "messageTimedOut",
      "pause",
      "resume",
      "route",
      "site",
      "unacknowledgedBytes",
      "write",
      "writeProgress",
      "writeTimedOut",
    ],
  });
}

// --- datagrams

/** A socket whose datagrams wait until it is over. */
function crowded<T extends PacketConn | DatagramConn>(packets: T): Subject<T> {
  const waiting = crowd(packets);
  return {
    object: packets,
    aborted() {
      void packets.close();
      waiting.release(waiting.waiting, ECANCELED);
    },
    tidy: () => packets.close(),
  };
}

/** As libuv says it of what waits in a socket that is closed. */
const ECANCELED = -125;
const WORD = Buffer.from("hola");
const udpOthers = [...deadlines, ITERATE, "ref", "serve", "trySend", "trySendBatch", "unref"];
const udpInternals = ["kept", "mustBeOpen", "received", "sendOne", "site", "trySendOne"];

testForgotten<PacketConn>("a datagram socket", {
  make: async () => crowded(await listenPacket("udp4", "127.0.0.1:0")),
  calls: {
    receive: (packets, options) => packets.receive(options),
    send: (packets, options) => packets.send(WORD, DISCARD, options),
    sendBatch: (packets, options) => packets.sendBatch([{ bytes: WORD, addr: DISCARD }], options),
    flush(packets, options) {
      packets.trySend(WORD, DISCARD);
      return packets.flush(options);
    },
    close: (packets) => packets.close(),
    [DISPOSE]: (packets) => packets[Symbol.asyncDispose](),
  },
  others: [
    ...udpOthers,
    ...udpInternals,
    "join",
    "leave",
    "setBroadcast",
    "setMulticastInterface",
    "setMulticastLoopback",
    "setMulticastTtl",
    "setTtl",
  ],
  neverReject: ["close", DISPOSE],
});

testForgotten<DatagramConn>("a connected datagram socket", {
  make: async () => crowded(await dial("udp", String(DISCARD))),
  calls: {
    receive: (conn, options) => conn.receive(options),
    send: (conn, options) => conn.send(WORD, options),
    sendBatch: (conn, options) => conn.sendBatch([WORD], options),
    flush(conn, options) {
      conn.trySend(WORD);
      return conn.flush(options);
    },
    close: (conn) => conn.close(),
    [DISPOSE]: (conn) => conn[Symbol.asyncDispose](),
  },
  others: [...udpOthers, ...udpInternals],
  neverReject: ["close", DISPOSE],
});

testForgotten<MessageConn>("a peer of a datagram socket", {
  async make() {
    const packets = await listenPacket("udp4", "127.0.0.1:0");
    const listener = peers(packets);
    const client = await dial("udp", String(packets.localAddr));
    await client.send(WORD);
    const conn = await listener.accept();
    await conn.receive();
    const waiting = crowd(packets);
    return {
      object: conn,
      broken() {
        void packets.close();
        waiting.release(waiting.waiting, ECANCELED);
      },
      aborted() {
        conn.abort();
        waiting.release(); // The socket is not the peer's: what waits there leaves.
      },
      tidy: () => Promise.all([client.close(), listener.abort()]),
    };
  },
  calls: {
    receive: (conn, options) => conn.receive(options),
    send: (conn, options) => conn.send("hola", options),
    flush(conn, options) {
      conn.trySend("hola");
      return conn.flush(options);
    },
    close(conn) {
      conn.trySend("hola");
      return conn.close();
    },
    [DISPOSE](conn) {
      conn.trySend("hola");
      return conn[Symbol.asyncDispose]();
    },
  },
  others: [
    ITERATE,
    "abort",
    "ref",
    "serve",
    "trySend",
    "unref",
    // For its socket and its inbox.
    "closeOnce",
    "end",
    "fail",
    "finish",
    "pause",
    "resume",
    "route",
    "site",
    "take",
    "verify",
  ],
});

// --- listeners

type AnyListener = Listener<Conn | MessageConn>;

const listenerCalls: Readonly<Record<string, Call<AnyListener>>> = {
  accept: (listener, options) => listener.accept(options),
  drain: (listener, options) => listener.drain(null, options),
  close: (listener) => listener.close(),
  abort: (listener) => listener.abort(),
  [DISPOSE]: (listener) => listener[Symbol.asyncDispose](),
};
const neverReject = ["close", "abort", DISPOSE];
const holding = ["ref", "unref"];
const queueCounts = ["admitted", "ended", "forEachHeld", "forEachOpen", "isFullFor", "leaving", "offer"];
const queueOthers = [ITERATE, ...queueCounts, "fail", "takeEach"];
const socketListenerOthers = [...queueOthers, ...holding, "over", "refused", "stopped", "totals"];

/** With one connection that is open, so that there is something to wait for. */
async function occupied(
  listener: AnyListener,
  dialing: Promise<{ abort(): void }>,
): Promise<Subject<AnyListener>> {
  const [client] = await Promise.all([dialing, listener.accept()]);
  const aborted = (): void => void listener.abort();
  return { object: listener, aborted, tidy: () => tidied(client, { tidy: () => listener.abort() }) };
}

testForgotten("a listener", {
  async make() {
    const listener = await listen("tcp", "127.0.0.1:0");
    return occupied(listener, dial("tcp", String(listener.addr)));
  },
  calls: listenerCalls,
  others: socketListenerOthers,
  neverReject,
});

testForgotten("a listener of messages", {
  async make() {
    const listener = lines(await listen("tcp", "127.0.0.1:0"));
    return occupied(listener, dial("tcp", String(listener.addr)));
  },
  calls: listenerCalls,
  others: [ITERATE, ...holding],
  neverReject,
});

testForgotten("a listener of datagram peers", {
  async make() {
    const listener = peers(await listenPacket("udp4", "127.0.0.1:0"));
    const client = await dial("udp", String(listener.addr));
    await client.send(WORD);
    return occupied(listener, Promise.resolve({ abort: () => void client.close() }));
  },
  calls: listenerCalls,
  others: [
    ITERATE,
    ...holding,
    // For its peers.
    "closing",
    "cookieFor",
    "countDropped",
    "ended",
    "flush",
    "flushInTime",
    "transmit",
    "verify",
  ],
  neverReject,
});
