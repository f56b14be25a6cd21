// Foreign peers (openssl, python, node:tls) in combinations of version, name, protocol and client
// certificate.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { join } from "node:path";
import { after, test, type TestContext } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { promisify } from "node:util";
import {
  dial,
  type IpAddr,
  listen,
  type Refusal,
  type StreamListener,
  type TlsListenOptions,
} from "@zocalo/net";
import { TestCertificates } from "@zocalo/integrity";

const certificates = new TestCertificates();
after(() => certificates.remove());
const { ca } = certificates;
const main = certificates.issue("main", ["localhost", "127.0.0.1"]);
const named = certificates.issue("named", ["b.example", "xn--bcher-kva.example"]);
const client = certificates.issue("client", ["client.example"], 2, "clientAuth");
const run = promisify(execFile);

const options = {
  ...main,
  ca: ca.cert,
  serverNames: { "b.example": named, "Bücher.example": named },
  alpnProtocols: ["hola/2", "hola/1"],
} satisfies TlsListenOptions;

async function open(t: TestContext, more: Partial<TlsListenOptions>): Promise<StreamListener<IpAddr>> {
  const listener = await listen("tls", "127.0.0.1:0", { ...options, ...more });
  t.after(() => listener.abort());
  return listener;
}

/** Accepts one, says what it is told of it, and closes. */
async function report(listener: StreamListener<IpAddr>): Promise<unknown> {
  const conn = await listener.accept();
  const { tls } = conn;
  const peer = tls?.peerCertificate?.subject.CN ?? "nobody";
  const told = [tls?.version, tls?.serverName ?? "-", tls?.alpnProtocol ?? "-", peer, tls?.isAuthorized];
  await conn.write(Buffer.from(told.join(" ")));
  await conn.close();
  return told;
}

interface Asked {
  readonly version: "TLSv1.2" | "TLSv1.3";
  readonly name: string | undefined;
  readonly protocol: string | undefined;
  readonly hasCertificate: boolean;
}

const combinations: Asked[] = (["TLSv1.2", "TLSv1.3"] as const).flatMap((version) =>
  [undefined, "b.example"].flatMap((name) =>
    [undefined, "hola/1"].flatMap((protocol) =>
      [false, true].map((hasCertificate) => ({ version, name, protocol, hasCertificate })),
    ),
  ),
);

function expected({ version, name, protocol, hasCertificate }: Asked): unknown[] {
  return [version, name ?? "-", protocol ?? "-", hasCertificate ? "client" : "nobody", hasCertificate];
}

const PYTHON = `
import json, socket, ssl, sys
port, ca, asked = int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
for each in asked:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca)
    version = ssl.TLSVersion.TLSv1_2 if each["version"] == "TLSv1.2" else ssl.TLSVersion.TLSv1_3
    context.minimum_version = context.maximum_version = version
    if each.get("protocol"): context.set_alpn_protocols([each["protocol"]])
    if each["hasCertificate"]: context.load_cert_chain(sys.argv[4], sys.argv[5])
    name = each.get("name")
    context.check_hostname = name is not None
    plain = socket.create_connection(("127.0.0.1", port))
    with context.wrap_socket(plain, server_hostname=name) as secured:
        said = b""
        while True:
            portion = secured.recv(1000)
            if not portion: break
            said += portion
        print(said.decode(), flush=True)
`;

test("python is told apart in every combination, and each end is a clean one", async (t) => {
  const listener = await open(t, { clientCertificates: "request" });
  const { port } = listener.addr;
  const args = [String(port), ca.certFile, JSON.stringify(combinations), client.certFile, client.keyFile];
  const said = run("python3", ["-c", PYTHON, ...args]);
  for (const asked of combinations) assert.deepEqual(await report(listener), expected(asked));
  const lines = (await said).stdout.trim().split("\n");
  assert.deepEqual(
    lines,
    combinations.map((asked) => expected(asked).join(" ")),
  );
});

test("openssl is told apart in every combination", async (t) => {
  const listener = await open(t, { clientCertificates: "request" });
  for (const asked of combinations) {
    const args = [
      "s_client",
      "-quiet",
      "-verify_return_error",
      "-CAfile",
      ca.certFile,
      "-connect",
      String(listener.addr),
    ];
    args.push(asked.version === "TLSv1.2" ? "-tls1_2" : "-tls1_3");
    args.push(...(asked.name === undefined ? ["-noservername"] : ["-servername", asked.name]));
    if (asked.protocol !== undefined) args.push("-alpn", asked.protocol);
    if (asked.hasCertificate) args.push("-cert", client.certFile, "-key", client.keyFile);
    const child = spawn("openssl", args, { stdio: ["pipe", "pipe", "ignore"] });
    let said = "";
    child.stdout.on("data", (bytes) => (said += String(bytes)));
    assert.deepEqual(await report(listener), expected(asked));
    await once(child, "close");
    assert.equal(said, expected(asked).join(" "));
  }
});

test("node:tls is told apart in every combination", async (t) => {
  const listener = await open(t, { clientCertificates: "request" });
  const { port } = listener.addr;
  for (const { version, name, protocol, hasCertificate } of combinations) {
    const socket = connect({
      port,
      host: "127.0.0.1",
      ca: ca.cert,
      maxVersion: version,
      ...(name === undefined ? {} : { servername: name }),
      ...(protocol === undefined ? {} : { ALPNProtocols: [protocol] }),
      ...(hasCertificate ? { cert: client.cert, key: client.key } : {}),
    });
    const asked = { version, name, protocol, hasCertificate };
    const told = report(listener);
    const said: Buffer[] = [];
    socket.on("data", (bytes: Buffer) => said.push(bytes));
    await once(socket, "end");
    assert.deepEqual(await told, expected(asked));
    assert.equal(String(Buffer.concat(said)), expected(asked).join(" "));
    socket.destroy();
  }
});

test("openssl's server: a dial agrees with it on version, protocol, client certificate and keys, unless verifyPeer refuses it", async () => {
  for (const [version, flag] of [
    ["TLSv1.2", "-tls1_2"],
    ["TLSv1.3", "-tls1_3"],
  ] as const) {
    const files = ["-cert", main.certFile, "-key", main.keyFile, "-CAfile", ca.certFile];
    const keysFile = join(certificates.directory, `keys${flag}`);
    const child = spawn("openssl", [
      ...["s_server", "-accept", "127.0.0.1:0", "-naccept", "2", "-Verify", "1", "-verify_return_error"],
      ...[flag, "-alpn", "hola/1", "-rev", "-keylogfile", keysFile, ...files],
    ]);
    let said = "";
    const port = new Promise<string>((resolve) => {
      child.stdout.on("data", (bytes) => {
        said += String(bytes);
        const [, found] = /ACCEPT 127\.0\.0\.1:(\d+)/.exec(said) ?? [];
        if (found !== undefined) resolve(found);
      });
    });
    const { cert, key } = client;
    const identity = { ca: ca.cert, cert, key };
    const address = `127.0.0.1:${await port}`;
    const refused = dial("tls", address, {
      ...identity,
      verifyPeer: ({ subject }) => {
        throw new Error(`${String(subject.CN)} is not pinned`);
      },
    });
    await assert.rejects(refused, { code: "tls", message: /main is not pinned/ });
    const keys: string[] = [];
    const conn = await dial("tls", address, {
      ...identity,
      alpnProtocols: ["hola/2", "hola/1"],
      verifyPeer: ({ subject }) => assert.equal(subject.CN, "main"),
      dangerouslyLogKeys: (line) => keys.push(line),
    });
    assert.deepEqual([conn.tls?.version, conn.tls?.alpnProtocol], [version, "hola/1"]);
    await conn.write(Buffer.from("hola\n"));
    assert.equal(String(await conn.readFull(5)), "aloh\n");
    await conn.close();
    child.kill();
    await once(child, "close");
    const theirs = new Set(readFileSync(keysFile, "utf8").split("\n"));
    assert.ok(keys.length > 0 && keys.every((line) => theirs.has(line)), keys.join("\n"));
  }
});

test("garbage on the port is refused, and an honest client beside it is served", async (t) => {
  const refusals: Refusal[] = [];
  let told: (() => void) | undefined;
  const listener = await open(t, {
    onRefuse(refusal) {
      refusals.push(refusal);
      told?.();
    },
  });
  const { port } = listener.addr;
  const hello = "16030100a5010000a10303";
  for (const bytes of [
    Buffer.from("GET / HTTP/1.1\r\n\r\n"),
    Buffer.from(`${hello}${"ff".repeat(159)}`, "hex"),
    Buffer.from("1603010005010000010000", "hex"),
    Buffer.alloc(70_000, 22),
    Buffer.from(`80460103010000${"00".repeat(65)}`, "hex"),
  ]) {
    const refused = new Promise<void>((resolve) => {
      told = resolve;
    });
    const socket = connectTcp(port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write(bytes);
    await refused;
    assert.equal(refusals.at(-1)?.error?.code, "tls");
    socket.destroy();
    const dialing = dial("tls", String(listener.addr), { ca: ca.cert });
    (await listener.accept()).abort();
    (await dialing).abort();
  }
});

async function resumed(
  listener: StreamListener<IpAddr>,
  maxVersion: "TLSv1.2" | "TLSv1.3",
): Promise<unknown[]> {
  const { port } = listener.addr;
  let session: Buffer | undefined;
  const seen: unknown[] = [];
  for (let round = 0; round < 2; round++) {
    const socket: TLSSocket = connect({
      ...{ port, host: "127.0.0.1", servername: "b.example", ca: ca.cert, maxVersion },
      ...(session === undefined ? {} : { session }),
    });
    socket.on("session", (given: Buffer) => {
      session = given;
    });
    socket.resume();
    const told = report(listener);
    await once(socket, "end");
    seen.push([((await told) as unknown[])[1], socket.isSessionReused()]);
    socket.destroy();
  }
  return seen;
}

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`${version}: the name is known also of a session that is resumed`, async (t) => {
    const listener = await open(t, {});
    assert.deepEqual(await resumed(listener, version), [
      ["b.example", false],
      ["b.example", true],
    ]);
  });
}

test("international names are asked for as A-labels, and found as they are written", async (t) => {
  const listener = await open(t, {});
  for (const serverName of ["bücher.example", "BÜCHER.example.", "xn--bcher-kva.example"]) {
    const dialing = dial("tls", String(listener.addr), { ca: ca.cert, serverName });
    const server = await listener.accept();
    const dialed = await dialing;
    assert.equal(server.tls?.serverName, "xn--bcher-kva.example");
    assert.equal(dialed.tls?.serverName, "xn--bcher-kva.example");
    assert.equal(dialed.tls?.peerCertificate?.subject.CN, "named");
    server.abort();
    dialed.abort();
  }
  const { port } = listener.addr;
  const resolver = (): Promise<string[]> => Promise.resolve(["127.0.0.1"]);
  const dialing = dial("tls", `bücher.example:${port}`, { ca: ca.cert, resolver });
  (await listener.accept()).abort();
  assert.equal((await dialing).tls?.serverName, "xn--bcher-kva.example");
  (await dialing).abort();
});

test("a server that never answers the handshake is given up after its time, without a deadline", async (t) => {
  const silent = await listen("tcp", "127.0.0.1:0");
  t.after(() => silent.abort());
  await assert.rejects(dial("tls", String(silent.addr), { handshakeTimeoutMs: 50 }), {
    code: "timeout",
    op: "dial",
    message: /the TLS handshake was not over within 50 ms/,
  });
});

for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
  for (const isSilent of [true, false]) {
    const how = isSilent ? "resets" : "says something and resets";
    test(`${version}: a client that ${how} right behind its handshake holds no place in it`, async (t) => {
      const handshakeTimeoutMs = Number.POSITIVE_INFINITY;
      const limits = { maxHandshakesPerAddress: 1, maxConnectionsPerAddress: 1, exemptAddresses: [] };
      const listener = await open(t, { handshakeTimeoutMs, ...limits });
      const below = connectTcp(listener.addr.port, "127.0.0.1");
      await once(below, "connect");
      const socket = connect({ socket: below, ca: ca.cert, servername: "localhost", maxVersion: version });
      socket.on("error", () => undefined);
      await once(socket, "secureConnect");
      // Of TLS 1.3 the server has not read the end yet.
      if (isSilent) below.resetAndDestroy();
      else socket.write("hola", () => below.resetAndDestroy());
      await once(below, "close");
      for (;;) {
        const { accepted, refused, open: held } = listener.totals();
        if (accepted + refused === 1 && held === accepted) break;
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (listener.totals().accepted === 1) {
        const conn = await listener.accept();
        await assert.rejects(async () => {
          for await (const bytes of conn) assert.equal(String(bytes), "hola");
        });
        await conn.close().catch(() => undefined);
      }
      const conn = await dial("tls", String(listener.addr), { ca: ca.cert });
      assert.equal(conn.tls?.version, "TLSv1.3");
      conn.abort();
    });
  }
}
