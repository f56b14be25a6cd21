// Every option of every entry point is given what people give by mistake: it is refused by a NetError, or is
// one of the few values that are legal after all.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { inspect } from "node:util";
import {
  endlessRefused,
  type IsLegal,
  LEGAL,
  LEGAL_TLS,
  oddValuesTaken,
  TestCertificates,
} from "@zocalo/integrity";
import {
  type Conn,
  delimited,
  dial,
  framed,
  lengthPrefixed,
  lines,
  listen,
  listenPacket,
  listenPipe,
  peers,
  pipe,
  startTls,
  TlsSessions,
} from "@zocalo/net";

const certificates = new TestCertificates();
const { cert, key } = certificates.issue("localhost", ["localhost"]);
const directory = mkdtempSync(join(tmpdir(), "zocalo-odd-"));
after(() => {
  certificates.remove();
  rmSync(directory, { recursive: true });
});

const socket = {
  noDelay: LEGAL.boolean,
  keepAlive: LEGAL.boolean,
  keepAliveIdleMs: (value) => typeof value === "number" && value >= 1_000 && value < 2 ** 31,
  closeTimeoutMs: LEGAL.time,
  signal: LEGAL.nothing,
} satisfies Record<string, IsLegal>;
const listener = {
  ...socket,
  backlog: LEGAL.whole,
  maxPending: LEGAL.limit,
  maxConnections: LEGAL.limit,
  maxConnectionsPerAddress: LEGAL.limit,
  maxHalfOpenPerAddress: LEGAL.limit,
  maxHandshakesPerAddress: LEGAL.limit,
  exemptAddresses: LEGAL.list,
  firstByteTimeoutMs: LEGAL.time,
  onRefuse: LEGAL.function,
} satisfies Record<string, IsLegal>;
const tcpListener = {
  ...listener,
  reusePort: LEGAL.boolean,
  ipv6Only: LEGAL.boolean,
  proxyProtocol: LEGAL.nothing,
};
const unixListener = {
  ...listener,
  mode: (value: unknown) => value === 0,
  replaceStale: LEGAL.boolean,
  unlinkOnClose: LEGAL.boolean,
};
const secure = { ...LEGAL_TLS, dangerouslyAcceptTruncation: LEGAL.boolean };
const secureServer = {
  ...secure,
  serverNames: LEGAL.object,
  identityFor: LEGAL.function,
  chooseAlpn: LEGAL.function,
  ticketKeys: LEGAL.nothing,
  clientCertificates: LEGAL.nothing,
  reloadIntervalMs: LEGAL.delay,
  onReloadError: LEGAL.function,
};
const tlsListener = { ...tcpListener, ...secureServer };
const dialer = {
  ...socket,
  deadline: (value: unknown) => value === null || (typeof value === "number" && !Number.isNaN(value)),
};
const tcpDialer = {
  ...dialer,
  localAddress: LEGAL.nothing,
  resolver: LEGAL.function,
  attemptDelayMs: LEGAL.delay,
  proxy: LEGAL.nothing,
  proxyTls: LEGAL.object,
  proxyTimeoutMs: LEGAL.time,
};
const secureClient = {
  ...secure,
  sessions: LEGAL.nothing,
  serverName: (value: unknown) => value === "odd" || value === "1",
  dangerouslyAcceptAnyCertificate: LEGAL.boolean,
};
const tlsDialer = { ...tcpDialer, ...secureClient };
const packets = {
  receiveLimitDatagrams: LEGAL.limit,
  receiveLimitBytes: LEGAL.limit,
  sendLimitBytes: LEGAL.limit,
  readBufferBytes: LEGAL.nothing,
  writeBufferBytes: LEGAL.nothing,
  reuseAddr: LEGAL.boolean,
  ipv6Only: LEGAL.boolean,
  signal: LEGAL.nothing,
};
const framing = {
  maxMessageBytes: LEGAL.limit,
  receiveHighWaterBytes: LEGAL.limit,
  receiveHighWaterMessages: LEGAL.limit,
  sendHighWaterBytes: LEGAL.limit,
  sendLimitBytes: LEGAL.limit,
  writeTimeoutMs: LEGAL.time,
  messageTimeoutMs: LEGAL.time,
  closeTimeoutMs: LEGAL.time,
} satisfies Record<string, IsLegal>;
const peerListener = {
  idleTimeoutMs: LEGAL.time,
  maxPeers: LEGAL.limit,
  maxPeersPerAddress: LEGAL.limit,
  maxUnverifiedPeers: LEGAL.limit,
  maxMessageBytes: LEGAL.limit,
  maxSendBytes: LEGAL.limit,
  receiveLimitBytes: LEGAL.limit,
  receiveLimitMessages: LEGAL.limit,
  closeTimeoutMs: LEGAL.time,
  maxPending: LEGAL.limit,
  exemptAddresses: LEGAL.list,
  verifyLoopback: LEGAL.boolean,
  messages: LEGAL.nothing,
  newlines: LEGAL.boolean,
  clock: LEGAL.nothing,
} satisfies Record<string, IsLegal>;

/** Of what names a file or an address: text that names none is refused in the words of that. */
const CODES = ["invalid_argument", "invalid_address", "not_found", "tls"];
/** Nobody listens there (RFC 863); what is refused is refused before that is found out. */
const NOWHERE = "127.0.0.1:9";
/** Nobody else has it: what is taken belongs to a framing. */
const conn = (): Conn => pipe()[0];

/** A connection whose peer says nothing: what is not refused meets a timeout there. */
async function toSilence(use: (silent: Conn) => Promise<unknown>): Promise<void> {
  const silence = await listen("tcp", "127.0.0.1:0");
  const silent = await dial("tcp", String(silence.addr));
  try {
    await use(silent);
  } finally {
    silent.abort();
    await silence.abort();
  }
}

const table: readonly [string, Readonly<Record<string, IsLegal>>, (options: object) => unknown][] = [
  ["listen tcp", tcpListener, async (options) => (await listen("tcp", "127.0.0.1:0", options)).close()],
  [
    "listen unix",
    unixListener,
    async (options) => (await listen("unix", join(directory, "s"), options)).close(),
  ],
  [
    "listen tls",
    tlsListener,
    async (options) => (await listen("tls", "127.0.0.1:0", { cert, key, ...options })).close(),
  ],
  ["dial tcp", tcpDialer, (options) => dial("tcp", NOWHERE, options)],
  ["dial unix", dialer, (options) => dial("unix", join(directory, "none"), options)],
  ["dial tls", tlsDialer, (options) => dial("tls", NOWHERE, options)],
  ["listenPacket", packets, async (options) => (await listenPacket("udp4", "127.0.0.1:0", options)).close()],
  [
    "dial udp",
    { ...packets, deadline: dialer.deadline, localAddress: LEGAL.nothing, resolver: LEGAL.function },
    async (options) => (await dial("udp4", NOWHERE, options)).close(),
  ],
  ["lines", framing, (options) => lines(conn(), options)],
  ["framed", framing, (options) => framed(conn(), {} as never, options)],
  ["delimited", { ...framing, messages: LEGAL.nothing }, (options) => delimited(conn(), "\0", options)],
  [
    "lengthPrefixed",
    { ...framing, messages: LEGAL.nothing },
    (options) => lengthPrefixed(conn(), "u16", options),
  ],
];
for (const [name, legal, call] of table) {
  test(`${name} takes no odd value as any of its options`, async () => {
    assert.deepEqual(await oddValuesTaken(call, legal, CODES), []);
    // What was refused holds no port.
    assert.deepEqual(
      process.getActiveResourcesInfo().filter((name) => /ServerWrap|UDPWRAP/.test(name)),
      [],
    );
  });
}
for (const [name, legal, call] of table) {
  test(`${name} takes Infinity as each of its limits and times`, async () => {
    assert.deepEqual(await endlessRefused(call, legal), []);
  });
}

const starts: typeof table = [
  [
    "startTls of a client",
    { ...secureClient, signal: LEGAL.nothing },
    (options) =>
      toSilence((silent) =>
        startTls(silent, "client", { serverName: "odd", handshakeTimeoutMs: 1, ...options }),
      ),
  ],
  [
    "startTls of a server",
    {
      ...secureServer,
      signal: LEGAL.nothing,
      goAhead: (value) => typeof value === "string" || value instanceof Uint8Array,
    },
    (options) =>
      toSilence((silent) => startTls(silent, "server", { cert, key, handshakeTimeoutMs: 1, ...options })),
  ],
];
for (const [name, legal, call] of starts) {
  test(`${name} takes no odd value as any of its options`, async () => {
    assert.deepEqual(await oddValuesTaken(call, legal, CODES), []);
  });
}

test("peers takes no odd value as any of its options", async () => {
  const socketOfPeers = await listenPacket("udp", "127.0.0.1:0");
  const call = (options: object): unknown => peers(socketOfPeers, options);
  assert.deepEqual(await oddValuesTaken(call, peerListener), []);
  await socketOfPeers.close();
  const afresh = async (options: object): Promise<void> => {
    await peers(await listenPacket("udp", "127.0.0.1:0"), options).close();
  };
  assert.deepEqual(await endlessRefused(afresh, peerListener), []);
});

test("what no framing and no network is called is refused, whatever it is", async () => {
  for (const odd of [1, 1n, null, undefined, Symbol("odd"), {}, () => "tcp"]) {
    const wrong = odd as never;
    const refused = { name: "NetError", code: "invalid_argument" };
    assert.throws(() => delimited(conn(), wrong), refused, `delimited ${inspect(odd)}`);
    assert.throws(() => lengthPrefixed(conn(), wrong), refused, `lengthPrefixed ${inspect(odd)}`);
    await assert.rejects(dial(wrong, NOWHERE), refused, `dial ${inspect(odd)}`);
    await assert.rejects(listen(wrong, NOWHERE), refused, `listen ${inspect(odd)}`);
    await assert.rejects(listenPacket(wrong, NOWHERE), refused, `listenPacket ${inspect(odd)}`);
  }
});

test("a pipe, a listener in memory and TLS sessions have limits of the same kind", async () => {
  for (const [call, legal] of [
    [(options: object) => pipe(options), { closeTimeoutMs: LEGAL.time }],
    [(options: object) => listenPipe(options), { maxPending: LEGAL.limit, maxConnections: LEGAL.limit }],
    [(options: object) => new TlsSessions(options), { maxSessions: LEGAL.limit, reuse: LEGAL.boolean }],
  ] as const) {
    assert.deepEqual(await oddValuesTaken(call, legal), []);
    assert.deepEqual(await endlessRefused(call, legal), []);
  }
});

test("a time of Infinity never ends", async () => {
  const forever = Number.POSITIVE_INFINITY;
  const listener = await listen("tls", "127.0.0.1:0", {
    cert,
    key,
    handshakeTimeoutMs: forever,
    firstByteTimeoutMs: forever,
    closeTimeoutMs: forever,
    proxyProtocol: { trusted: ["127.0.0.1"], timeoutMs: forever },
  });
  const raw = await dial("tcp", String(listener.addr), { closeTimeoutMs: forever, attemptDelayMs: forever });
  await raw.write(Buffer.from("PROXY TCP4 192.0.2.1 192.0.2.2 1000 2000\r\n"));
  const client = startTls(raw, "client", {
    serverName: "localhost",
    ca: certificates.ca.cert,
    handshakeTimeoutMs: forever,
  });
  const times = { closeTimeoutMs: forever, messageTimeoutMs: forever, writeTimeoutMs: forever };
  const [near, far] = [lines(await client, times), lines(await listener.accept(), times)];
  await near.send("hola");
  assert.equal(await far.receive(), "hola");
  const packets = await listenPacket("udp4", "127.0.0.1:0");
  const speakers = peers(packets, { idleTimeoutMs: forever, closeTimeoutMs: forever });
  const caller = await dial("udp4", String(packets.localAddr));
  await caller.send(Buffer.from("hola"));
  const speaker = await speakers.accept();
  assert.equal(await speaker.receive(), "hola");
  assert.equal(speaker.idleTimeoutMs, undefined);
  const closed = [near, far, speaker, caller].map((conn) => conn.close());
  await Promise.all([...closed, listener.close(), speakers.close()]);
});

test("limits that options inherit count", async () => {
  const inherited = Object.create({ maxMessageBytes: 3 }) as object;
  for (const frame of [
    (end: Conn) => delimited(end, "\n", inherited),
    (end: Conn) => lengthPrefixed(end, "u16", inherited),
  ]) {
    const [near, far] = pipe();
    await near.write(Buffer.from("\0\u0005hola\n"));
    await assert.rejects(frame(far).receive(), { code: "too_large" });
    near.abort();
  }
});

test("PEM as the name of a file is refused without being shown", async () => {
  const keyFile = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
  await assert.rejects(listen("tls", "127.0.0.1:0", { cert, keyFile }), (error: Error) => {
    assert.match(error.message, /keyFile is PEM, and not the name of a file: PEM belongs in key/);
    return !inspect(error).includes("c2VjcmV0");
  });
});

test("a signal of another make than Node's is one", async () => {
  const { signal } = new AbortController();
  const foreign: object = {
    get aborted() {
      return signal.aborted;
    },
    addEventListener: signal.addEventListener.bind(signal),
    removeEventListener: signal.removeEventListener.bind(signal),
  };
  await (await listen("tcp", "127.0.0.1:0", { signal: foreign as AbortSignal })).close();
});

test("null in the place of options is refused, wherever they may be left out", async () => {
  const nothing = null as unknown as undefined;
  const refused = { name: "NetError", code: "invalid_argument" };
  const path = join(directory, "null.sock");
  await assert.rejects(listen("tcp", "127.0.0.1:0", nothing), refused);
  await assert.rejects(listen("unix", path, nothing), refused);
  await assert.rejects(dial("tcp", "127.0.0.1:1", nothing), refused);
  await assert.rejects(dial("unix", path, nothing), refused);
  await assert.rejects(dial("tls", "127.0.0.1:1", nothing), refused);
  await assert.rejects(dial("udp", "127.0.0.1:1", nothing), refused);
  await assert.rejects(listenPacket("udp", "127.0.0.1:0", nothing), refused);
  assert.throws(() => pipe(nothing), refused);
  assert.throws(() => lines(pipe()[0], nothing), refused);
});
