// `wss:` locks its door by the code of `listen("tls", …)`: options, files, alerts, and sockets in the middle
// of a handshake.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connect as connectTls } from "node:tls";
import type { NetError } from "@zocalo/net";
import { dial, listen, type ListenOptions } from "../src/index.ts";
import { setOwnUpgrades } from "../src/server/door.ts";
import { selfSigned } from "./certificate.ts";
import { echoAll } from "./peers.ts";

const first = selfSigned("IP:127.0.0.1");
const second = selfSigned("IP:127.0.0.1");
const client = selfSigned("DNS:client.example");
const stranger = selfSigned("DNS:stranger.example");
const expired = selfSigned("IP:127.0.0.1", -1);
const directory = mkdtempSync(join(tmpdir(), "zocalo-wss-"));
after(() => rmSync(directory, { recursive: true }));
/** Past what a test waits for. */
const NEVER_MS = 2 ** 31 - 1;

/**
 * A client in the middle of its handshake: it has said nothing, a part of its first message, or all of it and
 * not the rest.
 */
async function halfway(port: number, how: "silent" | "part" | "answered"): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  await once(socket, "connect");
  if (how === "part") socket.write(Buffer.from([22, 3, 1, 2, 0, 1]));
  if (how !== "answered") return socket;
  // The first message of a client whose second never comes.
  socket.write(await helloBytes());
  await once(socket, "data");
  socket.resume();
  return socket;
}

async function helloBytes(): Promise<Buffer> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const hello = connectTls({ port, host: "127.0.0.1" });
  hello.on("error", () => undefined);
  const [socket] = (await once(server, "connection")) as [Socket];
  const [bytes] = (await once(socket, "data")) as [Buffer];
  hello.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

for (const isDirect of [true, false]) {
  const way = isDirect ? "" : ", with all left to node:http";
  for (const ending of ["abort", "close", "drain"] as const) {
    test(`${ending} cuts sockets in the middle of a TLS handshake at once${way}`, async () => {
      setOwnUpgrades(isDirect);
      const listener = await listen("127.0.0.1:0", { tls: first, handshakeTimeoutMs: NEVER_MS });
      setOwnUpgrades(true);
      void echoAll(listener);
      const { port } = listener.addr;
      const sockets = await Promise.all(
        (["silent", "part", "answered"] as const).map((how) => halfway(port, how)),
      );
      const closed = Promise.all(sockets.map((socket) => once(socket, "close")));
      for (const socket of sockets) socket.resume();
      if (ending === "drain") await listener.drain(Date.now() + 60_000);
      else await listener[ending]();
      await closed;
    });
  }
}

test("files are read again for the next client, and bad ones are told and not used", async (t) => {
  const certFile = join(directory, "live.crt");
  const keyFile = join(directory, "live.key");
  const use = (cert: string, key: string): void => {
    for (const [file, text] of [
      [keyFile, key],
      [certFile, cert],
    ] as const) {
      writeFileSync(`${file}.new`, text);
      renameSync(`${file}.new`, file);
    }
  };
  use(first.cert, first.key);
  const told: NetError[] = [];
  const listener = await listen("127.0.0.1:0", {
    tls: { certFile, keyFile, reloadIntervalMs: 0, onReloadError: (error) => void told.push(error) },
  });
  t.after(() => listener.abort());
  void echoAll(listener);
  const { port } = listener.addr;
  const echoes = async (ca: string): Promise<void> => {
    const conn = await dial(`wss://127.0.0.1:${port}`, { tls: { ca } });
    await conn.send("hola");
    assert.equal(await conn.receive(), "hola");
    await conn.close();
  };
  await echoes(first.cert);
  use(second.cert, second.key);
  await echoes(second.cert);
  use("", second.key);
  await echoes(second.cert);
  assert.deepEqual(
    told.map(({ code, message }) => [code, message.includes(certFile)]),
    [["tls", true]],
  );
  use(first.cert, first.key);
  await echoes(first.cert);
});

for (const [tls, code, message] of [
  [
    { ...first, requestCert: true },
    "invalid_argument",
    /tls of a listener has no option "requestCert"; it has .*clientCertificates/,
  ],
  [{ ...first, clientCertificates: "required" }, "invalid_argument", /"required" is not one of "none"/],
  [{ ...first, minVersion: "TLSv1" }, "invalid_argument", /"TLSv1" is not one of/],
  [{ ...first, handshakeTimeoutMs: Number.NaN }, "invalid_argument", /handshakeTimeoutMs NaN/],
  [{}, "invalid_argument", /needs cert or certFile/],
  [{ ...first, ca: "" }, "tls", /ca holds no certificate/],
  [{ cert: first.cert, key: second.key }, "tls", /key is not the private key/],
] as const) {
  test(`listen refuses ${message.source}`, async () => {
    await assert.rejects(listen("127.0.0.1:0", { tls } as ListenOptions), {
      name: "NetError",
      code,
      message,
    });
  });
}

test("a handshake of TLS has the listener's time, also where `tls` names the option without a value", async (t) => {
  let told: (error: NetError) => void = () => undefined;
  const refused = new Promise<NetError>((resolve) => {
    told = resolve;
  });
  const listener = await listen("127.0.0.1:0", {
    tls: { ...first, handshakeTimeoutMs: undefined },
    handshakeTimeoutMs: 50,
    onRefuse: ({ error }) => told(error as NetError),
  });
  t.after(() => listener.abort());
  const silent = await halfway(listener.addr.port, "silent");
  assert.match((await refused).message, /not over within 50 ms/);
  silent.destroy();
});

test("a client's certificate that is refused is told to both sides, and an honest client is served", async (t) => {
  const refused: NetError[] = [];
  const listener = await listen("127.0.0.1:0", {
    tls: { ...first, ca: client.cert, clientCertificates: "require" },
    onRefuse({ error }) {
      refused.push(error as NetError);
      throw new Error("a handler that throws harms nobody");
    },
  });
  t.after(() => listener.abort());
  void echoAll(listener);
  const { port } = listener.addr;
  const url = `wss://127.0.0.1:${port}`;
  const { cert, key } = stranger;
  await assert.rejects(dial(url, { tls: { ca: first.cert, cert, key } }), {
    code: "connect_failed",
    message: /alert "unknown ca"/,
  });
  assert.match(refused[0]?.message ?? "", /the client's certificate is refused: self.signed certificate/);
  const conn = await dial(url, { tls: { ca: first.cert, cert: client.cert, key: client.key } });
  await conn.send("hola");
  assert.equal(await conn.receive(), "hola");
  await conn.close();
  assert.equal(refused.length, 1);
});

for (const [what, identity, trusted, alert] of [
  ["an unknown authority", first, second, "unknown ca"],
  ["another name", client, client, "bad certificate"],
  ["the past", expired, expired, "certificate expired"],
] as const) {
  test(`a server whose certificate is of ${what} is told so by the client's alert`, async (t) => {
    let told: (error: NetError) => void = () => undefined;
    const refused = new Promise<NetError>((resolve) => {
      told = resolve;
    });
    const listener = await listen("127.0.0.1:0", {
      tls: identity,
      onRefuse: ({ error }) => told(error as NetError),
    });
    t.after(() => listener.abort());
    await assert.rejects(dial(`wss://127.0.0.1:${listener.addr.port}`, { tls: { ca: trusted.cert } }), {
      code: "connect_failed",
    });
    assert.match((await refused).message, new RegExp(`the peer refused with the alert "${alert}"`));
  });
}
