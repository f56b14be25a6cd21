// Every option of every entry point is given what people give by mistake: it is refused by a typed error, or
// is one of the few values that are legal after all.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import { inspect } from "node:util";
import { endlessRefused, type IsLegal, LEGAL, LEGAL_TLS, oddValuesTaken } from "@zocalo/integrity";
import { attach, dial, listen, Upgrader, WebSocketNetError } from "../src/index.ts";
import { selfSigned } from "./certificate.ts";
import { ANY_PORT } from "./peers.ts";

const conn = {
  maxMessageBytes: LEGAL.limit,
  maxFrameBytes: LEGAL.limit,
  maxFragments: LEGAL.limit,
  messages: LEGAL.nothing,
  receiveHighWaterBytes: LEGAL.limit,
  receiveHighWaterMessages: LEGAL.limit,
  sendHighWaterBytes: LEGAL.limit,
  sendLimitBytes: LEGAL.limit,
  controlBacklogBytes: LEGAL.limit,
  pingIntervalMs: LEGAL.time,
  pongTimeoutMs: LEGAL.time,
  writeTimeoutMs: LEGAL.time,
  messageTimeoutMs: LEGAL.time,
  closeTimeoutMs: LEGAL.time,
} satisfies Record<string, IsLegal>;
const upgrader = {
  ...conn,
  allowedHosts: LEGAL.list,
  checkOrigin: LEGAL.function,
  authorize: LEGAL.function,
  subprotocols: LEGAL.listOrFunction,
  headers: LEGAL.objectOrFunction,
  compression: LEGAL.objectOrBoolean,
  handshakeTimeoutMs: LEGAL.time,
  maxConnectionsPerAddress: LEGAL.limit,
  exemptAddresses: LEGAL.list,
} satisfies Record<string, IsLegal>;
const attached = {
  ...upgrader,
  path: LEGAL.nothing,
  maxPending: LEGAL.limit,
  maxConnections: LEGAL.limit,
  onRefuse: LEGAL.function,
};
const listener = {
  ...attached,
  maxHalfOpenPerAddress: LEGAL.limit,
  maxHandshakesPerAddress: LEGAL.limit,
  tls: LEGAL.nothing,
  readUpgrades: LEGAL.nothing,
};
const dialer = {
  ...conn,
  headers: LEGAL.object,
  subprotocols: LEGAL.list,
  compression: LEGAL.objectOrBoolean,
  handshakeTimeoutMs: LEGAL.time,
  maxRedirects: LEGAL.limitFrom0,
  proxy: LEGAL.nothing,
  proxyTls: LEGAL.object,
  proxyTimeoutMs: LEGAL.time,
  noDelay: LEGAL.boolean,
  keepAlive: LEGAL.boolean,
  keepAliveIdleMs: LEGAL.nothing,
  deadline: (value: unknown) => value === null || (typeof value === "number" && !Number.isNaN(value)),
  conn: LEGAL.nothing,
  resolver: LEGAL.function,
  localAddress: LEGAL.nothing,
  attemptDelayMs: LEGAL.delay,
  signal: LEGAL.nothing,
  tls: LEGAL.object,
} satisfies Record<string, IsLegal>;
const compression = {
  thresholdBytes: LEGAL.limitFrom0,
  level: LEGAL.nothing,
  memLevel: LEGAL.nothing,
  contextTakeover: LEGAL.boolean,
  serverMaxWindowBits: LEGAL.nothing,
  clientMaxWindowBits: LEGAL.nothing,
} satisfies Record<string, IsLegal>;
const { cert, key } = selfSigned("IP:127.0.0.1");
const secure = {
  ...LEGAL_TLS,
  serverNames: LEGAL.object,
  identityFor: LEGAL.function,
  chooseAlpn: LEGAL.function,
  ticketKeys: LEGAL.nothing,
  clientCertificates: LEGAL.nothing,
  reloadIntervalMs: LEGAL.delay,
  onReloadError: LEGAL.function,
} satisfies Record<string, IsLegal>;

const secureDial = {
  ...LEGAL_TLS,
  sessions: LEGAL.nothing,
  serverName: (value: unknown) => value === "odd" || value === "1",
  dangerouslyAcceptAnyCertificate: LEGAL.boolean,
} satisfies Record<string, IsLegal>;

/** Of what names a file, a URL or an address: text that names none is refused in the words of that. */
const CODES = ["invalid_argument", "invalid_address", "invalid_address", "not_found", "tls"];
/** Nobody listens there (RFC 863); what is refused is refused before that is found out. */
const NOWHERE = "ws://127.0.0.1:9";

const table: readonly [string, Readonly<Record<string, IsLegal>>, (options: object) => unknown][] = [
  ["listen", listener, async (options) => (await listen(ANY_PORT, options)).close()],
  [
    "tls of listen",
    secure,
    async (options) => (await listen(ANY_PORT, { tls: { cert, key, ...options } })).close(),
  ],
  ["Upgrader", upgrader, (options) => new Upgrader(options)],
  ["compression", compression, (options) => new Upgrader({ compression: options })],
  ["dial", dialer, (options) => dial(NOWHERE, options)],
  ["tls of dial", secureDial, (tls) => dial(NOWHERE, { tls })],
  ["proxyTls of dial", secureDial, (proxyTls) => dial(NOWHERE, { proxyTls })],
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

test("attach takes no odd value as any of its options", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening"); // Else each call is refused for that.
  assert.deepEqual(await oddValuesTaken((options) => attach(server, options).close(), attached), []);
  assert.deepEqual(await endlessRefused((options) => attach(server, options).close(), attached), []);
  assert.equal(server.listenerCount("upgrade"), 0, "a refused listener left something behind");
  await new Promise((resolve) => server.close(resolve));
});

test("dial refuses what is wrong by an error of its own package, as it promises", async () => {
  for (const wrong of [
    { compression: "yes" },
    { compression: { levle: 1 } },
    { signal: 1 },
    { headers: 1 },
  ]) {
    await assert.rejects(
      dial(NOWHERE, wrong as object),
      (error) => error instanceof WebSocketNetError && error.code === "invalid_argument",
    );
  }
});

test("a port is not taken by a listener with a wrong option", async () => {
  const first = await listen(ANY_PORT);
  const address = String(first.addr);
  await first.close();
  for (const wrong of [
    { path: "ws" },
    { onRefuse: 1 },
    { subprotocols: "chat" },
    { maxPending: 0 },
    { maxConnections: 0.5 },
    { pingIntervalMs: 0 },
  ] as object[]) {
    await assert.rejects(listen(address, wrong), { code: "invalid_argument" });
    await (await listen(address)).close();
  }
});

test("a time of Infinity never ends", async () => {
  const forever = Number.POSITIVE_INFINITY;
  const times = {
    handshakeTimeoutMs: forever,
    pingIntervalMs: forever,
    pongTimeoutMs: forever,
    writeTimeoutMs: forever,
    messageTimeoutMs: forever,
    closeTimeoutMs: forever,
  };
  const listener = await listen(ANY_PORT, { ...times, authorize: () => Promise.resolve() });
  for (const given of [times, { ...times, pongTimeoutMs: 1_000 }]) {
    const client = await dial(`ws://${String(listener.addr)}`, given);
    const server = await listener.accept();
    await client.send("hola");
    assert.equal(await server.receive(), "hola");
    await Promise.all([client.close(), server.close()]);
  }
  await listener.close();
});

test("headers in a Map or Headers, which would not be found, are refused", async () => {
  for (const headers of [new Map([["Authorization", "secret"]]), new Headers({ Authorization: "secret" })]) {
    const given = { headers: headers as never };
    assert.throws(() => new Upgrader(given), {
      code: "invalid_argument",
      message: /headers is a \w+, and not/,
    });
    await assert.rejects(dial(NOWHERE, given), {
      code: "invalid_argument",
      message: /headers is a \w+, and not/,
    });
  }
});

test("a URL that is none shows no password, in its cause either", async () => {
  for (const [url, proxy] of [
    ["ws://ana:secret@host:99999", undefined],
    [NOWHERE, "http://ana:secret@host:99999"],
  ] as const) {
    await assert.rejects(dial(url, { proxy }), (error: Error) => !inspect(error).includes("secret"));
  }
});

test("what may be a token in the wrong place is refused without being shown", async () => {
  const secret = "Bearer 8b1a9953c4611296a827abf8c47804d7";
  for (const options of [
    { subprotocols: [secret] },
    { headers: { [secret]: "" } },
    { headers: { A: `${secret}\n` } },
  ]) {
    await assert.rejects(dial(NOWHERE, options), (error: Error) => {
      assert.match(error.message, /U\+00(?:20|0A) at index \d+/);
      assert.doesNotMatch(inspect(error), /8b1a/);
      return true;
    });
  }
});

test("a URL that cannot be made a text is refused as no URL", async () => {
  const wordless = Object.create({
    toString() {
      throw new Error("no words");
    },
  }) as URL;
  for (const url of [wordless, Object.create(null) as URL]) {
    await assert.rejects(dial(url), { code: "invalid_address", name: "NetError" });
    await assert.rejects(dial(NOWHERE, { proxy: url }), { code: "invalid_argument", name: "NetError" });
  }
});

test("null in the place of options is refused, wherever they may be left out", async () => {
  const nothing = null as unknown as undefined;
  const refused = { name: "NetError", code: "invalid_argument" };
  await assert.rejects(listen("127.0.0.1:0", nothing), refused);
  await assert.rejects(dial("ws://127.0.0.1:1", nothing), refused);
  assert.throws(() => attach(createServer(), nothing), refused);
});
