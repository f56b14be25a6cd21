// `dial` takes what `dial` of `@zocalo/net` takes, and each of it does here what it does there.
import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { type AddressInfo, createServer, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { dial as dialNet, NetError, type NetTrace, pipe, TlsSessions } from "@zocalo/net";
import { dial, type DialOptions, WebSocketNetError, type WebSocketTlsOptions } from "../src/index.ts";
import { inspect } from "node:util";
import { selfSigned } from "./certificate.ts";
import { accepting, type Accepting, echoAll } from "./peers.ts";

const identity = selfSigned("DNS:localhost,IP:127.0.0.1");
const ca = identity.cert;

/** The names that a dial has, as it tells whoever misspells one. */
async function namesOf(dialing: Promise<unknown>): Promise<string[]> {
  const error = await dialing.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  assert.ok(error instanceof NetError);
  const [, names = ""] = / has no option "misspelt"; it has (.*)$/.exec(error.reason) ?? [];
  const all = names.split(", ").map((name) => name.replace(/^and /, ""));
  assert.ok(all.length > 4, error.reason);
  return all;
}

/** What of `dial("tls", …)` the options under `tls` do not have, and why. */
const NOT_FOR_WEBSOCKETS: Readonly<Record<string, string>> = {
  dangerouslyAcceptTruncation: "a message and the end of a WebSocket say themselves that they are whole",
};

test("every option of net's dial is one of this dial, or of its tls and proxyTls, or is named as excluded", async () => {
  const misspelt: object = { misspelt: 1 };
  const own = await namesOf(dial("ws://127.0.0.1:9", misspelt));
  for (const network of ["tcp", "unix"] as const) {
    const names = await namesOf(dialNet(network, "127.0.0.1:9", misspelt));
    assert.deepEqual(
      names.filter((name) => !own.includes(name)),
      [],
      network,
    );
  }
  const tcp = await namesOf(dialNet("tcp", "127.0.0.1:9", misspelt));
  const secure = await namesOf(dialNet("tls", "127.0.0.1:9", misspelt));
  const ofTls = secure.filter((name) => !tcp.includes(name) && NOT_FOR_WEBSOCKETS[name] === undefined);
  for (const option of ["tls", "proxyTls"]) {
    const names = await namesOf(dial("wss://127.0.0.1:9", { [option]: misspelt }));
    assert.deepEqual(names.sort(), ofTls.sort(), option);
  }
  for (const name of Object.keys(NOT_FOR_WEBSOCKETS)) {
    const wrong: object = { tls: { [name]: true } };
    await assert.rejects(dial("wss://127.0.0.1:9", wrong), {
      code: "invalid_argument",
      message: new RegExp(`tls has no option "${name}"`),
    });
  }
});

test("what is wrong of proxy and localAddress has the code here that it has in net's dial", async () => {
  const codeOf = (dialing: Promise<unknown>): Promise<unknown> =>
    dialing.then(
      () => "none",
      (error: NetError) => error.code,
    );
  for (const [option, values] of [
    ["proxy", ["", "nonsense", "socks4://127.0.0.1:80", "http://127.0.0.1/path", 80, new Map()]],
    ["localAddress", ["", "nonsense", "127.0.0.1", "127.0.0.1:99999", "localhost:0", "[::1:0", 80]],
  ] as const) {
    for (const value of values) {
      const wrong: object = { [option]: value };
      const inNet = await codeOf(dialNet("tcp", "127.0.0.1:9", wrong));
      assert.match(String(inNet), /^invalid_a(?:rgument|ddress)$/);
      assert.equal(await codeOf(dial("ws://127.0.0.1:9", wrong)), inNet, `${option}: ${inspect(value)}`);
    }
  }
});

/** The timer of the client's end, as Linux lists it: which ("02" is keep-alive's, "00" none), and when. */
async function timerOf(options: DialOptions): Promise<readonly [kind: string, seconds: number]> {
  await using server = await accepting();
  const [conn, peer] = await Promise.all([dial(server.url, options), server.listener.accept()]);
  const hex = (port: number): string => `0100007F:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const local = hex(Number(String(peer.peer.addr).split(":")[1]));
  const line = new RegExp(`${local} ${hex(server.port)} 01 \\S+ (\\d\\d):(\\S+)`);
  const [, kind = "", at = "0"] = line.exec(readFileSync("/proc/net/tcp", "utf8")) ?? [];
  conn.abort();
  return [kind, Number.parseInt(at, 16) / 100];
}

test("keepAlive and keepAliveIdleMs are the system's; without them pings alone ask", async (t) => {
  if (process.platform !== "linux") return t.skip("only Linux lists the timers of its connections");
  assert.equal((await timerOf({}))[0], "00");
  assert.equal((await timerOf({ keepAlive: false, keepAliveIdleMs: 2_000 }))[0], "00");
  const [kind, seconds] = await timerOf({ keepAlive: true });
  assert.equal(kind, "02");
  assert.ok(seconds <= 15, String(seconds));
  const [, longer] = await timerOf({ keepAlive: true, keepAliveIdleMs: 3_600_000 });
  assert.ok(longer > 15 && longer <= 3_600, String(longer));
});

test("noDelay is what the system is told", async (t) => {
  for (const [noDelay, expected] of [
    [undefined, true],
    [true, true],
    [false, false],
  ] as const) {
    await using server = await accepting();
    const connected = t.mock.method(Socket.prototype, "connect");
    const conn = await dial(server.url, { noDelay });
    // Node has put the options and the callback into one list.
    const lists = connected.mock.calls.map((call) => call.arguments[0] as unknown as [object]);
    connected.mock.restore();
    conn.abort();
    const [ours = {}] = lists.find(([options]) => Reflect.get(options, "port") === server.port) ?? [];
    assert.equal(Reflect.get(ours, "noDelay"), expected);
  }
});

/** A server that says nothing. */
async function silent(t: TestContext): Promise<number> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket.on("error", () => undefined)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

for (const [what, url] of [
  ["an upgrade", "ws://127.0.0.1"],
  ["a TLS handshake", "wss://127.0.0.1"],
] as const) {
  test(`deadline ends ${what} that hangs, as a Date and as a number`, async (t) => {
    const to = `${url}:${await silent(t)}`;
    for (const form of [(at: number) => new Date(at), Number]) {
      const deadline = form(Date.now() + 60);
      const dialing = dial(to, { deadline, handshakeTimeoutMs: Number.POSITIVE_INFINITY });
      await assert.rejects(dialing, { code: "timeout", message: /before the deadline$/ });
    }
  });
}

test("deadline ends a resolver that hangs, and one that has passed lets nobody be asked", async () => {
  const hangs = { resolver: () => new Promise<never>(() => undefined), deadline: Date.now() + 20 };
  await assert.rejects(dial("ws://server.example", hangs), { code: "timeout", message: /the deadline$/ });
  let asked = 0;
  const resolver = async () => {
    asked++;
    return ["127.0.0.1"];
  };
  for (const deadline of [0, Date.now()]) {
    const dialing = dial("ws://server.example", { resolver, deadline });
    await assert.rejects(dialing, { code: "timeout", message: /^dialing .* before the deadline$/ });
  }
  assert.equal(asked, 0);
});

test("of deadline and handshakeTimeoutMs the earlier one ends the dial", async (t) => {
  const url = `ws://127.0.0.1:${await silent(t)}`;
  const options = { deadline: Date.now() + 3_600_000, handshakeTimeoutMs: 20 };
  await assert.rejects(dial(url, options), { code: "timeout", message: /within 20 ms$/ });
});

for (const url of ["ws://localhost", "wss://localhost"]) {
  test(`a conn is closed where the deadline has passed: ${url}`, async () => {
    const [conn, peer] = pipe();
    await assert.rejects(dial(url, { conn, deadline: 0, tls: { ca } }), { code: "timeout" });
    assert.equal(await peer.read(), null);
  });
}

test("deadline and signal end the wait for a file that nobody writes, and close a conn", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "zocalo-fifo-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const caFile = join(directory, "ca.fifo");
  execFileSync("mkfifo", [caFile]);
  const late = /^the files of tls and proxyTls were not read before the deadline$/;
  for (const name of ["tls", "proxyTls"]) {
    const [conn, peer] = pipe();
    const how = { conn, [name]: { caFile } };
    const dialing = dial("wss://localhost", { ...how, deadline: Date.now() + 20 });
    await assert.rejects(dialing, { code: "timeout", message: late });
    assert.equal(await peer.read(), null);
    // This opens when the file is about to be read.
    await (await open(caFile, "w")).close();
    const signal = AbortSignal.abort();
    const canceled = dial("wss://localhost", { [name]: { caFile: "/nowhere" }, signal });
    await assert.rejects(canceled, { code: "canceled" });
  }
});

for (const scheme of ["ws", "http", "socks5"] as const) {
  test(`the cause of a connection that breaks is a NetError: ${scheme}`, async (t) => {
    const server = createServer((socket) => {
      socket.on("error", () => undefined).once("data", () => socket.resetAndDestroy());
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => server.close());
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const proxy = `${scheme}://${address}`;
    const dialing = scheme === "ws" ? dial(`ws://${address}`) : dial("ws://x.example", { proxy });
    const error = await dialing.catch((cause: unknown) => cause);
    assert.ok(error instanceof WebSocketNetError);
    assert.equal(error.code, "connect_failed");
    assert.ok(error.cause instanceof NetError, String(error.cause));
    assert.equal(error.cause.code, "reset");
  });
}

test("a peer that resets after a handshake that failed harms nobody, by way of a conn", async () => {
  const [conn, peer] = pipe();
  const said = peer.write(Buffer.from("no TLS, and long enough to tell"));
  const dialing = dial("wss://localhost", { conn, tls: { ca } });
  await assert.rejects(dialing, { code: "connect_failed", message: /wrong version number/ });
  peer.abort();
  await Promise.allSettled([said, conn.close()]);
  for (let turns = 0; turns < 5; turns++) await turn();
});

test("deadline null is none", async () => {
  await using server = await accepting();
  (await dial(server.url, { deadline: null })).abort();
});

for (const scheme of ["http", "socks5"] as const) {
  test(`proxyTimeoutMs ends the wait for a ${scheme}: proxy that is silent`, async (t) => {
    const options = { proxy: `${scheme}://127.0.0.1:${await silent(t)}`, proxyTimeoutMs: 1 };
    const message = /^proxy 127\.0\.0\.1:\d+ did not answer CONNECT server\.example:80 within 1 ms$/;
    const error = await dial("ws://server.example", options).catch((cause: unknown) => cause);
    assert.ok(error instanceof WebSocketNetError);
    assert.equal(error.code, "timeout");
    assert.match(error.message, message);
  });
}

/** An echo on `wss:`. */
async function secured(): Promise<Accepting & { readonly secureUrl: string }> {
  const server = await accepting({ tls: identity });
  void echoAll(server.listener);
  return { ...server, secureUrl: `wss://127.0.0.1:${server.port}` };
}

async function echoes(url: string, tls: WebSocketTlsOptions): Promise<void> {
  const conn = await dial(url, { tls });
  await conn.send("hola");
  assert.equal(await conn.receive(), "hola");
  await conn.close();
}

test("caFile is read, and one that is not there or no file is named before anybody is asked", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "zocalo-ca-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const caFile = join(directory, "ca.pem");
  const missing = dial("wss://127.0.0.1:9", { tls: { caFile } });
  await assert.rejects(missing, { code: "not_found", message: /^tls: .*ca\.pem/ });
  const noFile = dial("wss://127.0.0.1:9", { tls: { caFile: directory } });
  await assert.rejects(noFile, {
    code: "invalid_argument",
    message: `tls: is a directory, and not a file: ${directory}`,
  });
  writeFileSync(caFile, ca);
  await using server = await secured();
  await echoes(server.secureUrl, { caFile });
});

test("verifyPeer refuses a certificate that is valid, and cannot allow one that is not", async () => {
  await using server = await secured();
  const seen: string[] = [];
  const verifyPeer: WebSocketTlsOptions["verifyPeer"] = ({ subject }) => void seen.push(String(subject.CN));
  await echoes(server.secureUrl, { ca, verifyPeer });
  assert.deepEqual(seen, ["test"]);
  const pinned = (): never => {
    throw new Error("not the one that is pinned");
  };
  await assert.rejects(dial(server.secureUrl, { tls: { ca, verifyPeer: pinned } }), {
    code: "connect_failed",
    message: /not the one that is pinned/,
  });
  await assert.rejects(dial(server.secureUrl, { tls: { verifyPeer } }), { code: "connect_failed" });
  const named = { ca, verifyPeer, serverName: "other.example" };
  await assert.rejects(dial(server.secureUrl, { tls: named }), { code: "connect_failed" });
});

test("sessions are resumed at the second dial, versions are kept to, keys are told", async (t) => {
  await using server = await secured();
  const agreed: (readonly [string, boolean])[] = [];
  const onEnd = (message: unknown): void => {
    const { role, version, isResumed } = message as NetTrace["zocalo:net:tls:end"];
    if (role === "client") agreed.push([version, isResumed]);
  };
  subscribe("zocalo:net:tls:end", onEnd);
  t.after(() => unsubscribe("zocalo:net:tls:end", onEnd));
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    const sessions = new TlsSessions();
    let lines = 0;
    const dangerouslyLogKeys = (): void => void lines++;
    const tls = { ca, sessions, minVersion: version, maxVersion: version, dangerouslyLogKeys };
    await echoes(server.secureUrl, tls);
    await echoes(server.secureUrl, tls);
    assert.ok(lines > 0);
  }
  assert.deepEqual(agreed, [
    ["TLSv1.2", false],
    ["TLSv1.2", true],
    ["TLSv1.3", false],
    ["TLSv1.3", true],
  ]);
});

test("tls.handshakeTimeoutMs ends the handshake alone", async (t) => {
  const tls = { handshakeTimeoutMs: 1 };
  await assert.rejects(dial(`wss://127.0.0.1:${await silent(t)}`, { tls }), {
    code: "timeout",
    message: /^the TLS handshake with 127\.0\.0\.1:\d+ was not over within 1 ms$/,
  });
});
