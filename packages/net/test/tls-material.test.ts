// What `ca`, `cert`, `key` and `crl` hold is parsed when it is given and when it is reloaded.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { constants, mkdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { open as openFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  type Conn,
  dial,
  type Listener,
  listen,
  NetError,
  startTls,
  type TlsListenOptions,
  type WaitOptions,
} from "@zocalo/net";
import { TestCertificates, type TestIdentity } from "@zocalo/integrity";

const certificates = new TestCertificates();
after(() => certificates.remove());
const { ca, directory } = certificates;
const server = certificates.issue("server", ["localhost", "127.0.0.1"]);
const other = certificates.issue("other", ["localhost", "127.0.0.1"]);
const client = certificates.issue("client", ["client.example"]);
const cut = server.cert.slice(0, 300);

async function failure(attempt: Promise<unknown>): Promise<NetError> {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof NetError, `${String(error)} is a NetError`);
  return error;
}

async function greet(listener: Listener<Conn>, identity: Partial<TestIdentity> = {}): Promise<string> {
  const { cert, key } = identity;
  const dialing = dial("tls", String(listener.addr), { ca: ca.cert, cert, key });
  const conn = await listener.accept();
  const dialed = await dialing;
  await conn.write(Buffer.from("hola"));
  assert.equal(String(await dialed.readFull(4)), "hola");
  const name = String(dialed.tls?.peerCertificate?.subject.CN);
  dialed.abort();
  conn.abort();
  return name;
}

/** As many reads of the same file as it takes for one that began before to be over. */
async function turns(): Promise<void> {
  for (let round = 0; round < 20; round++) await readFile(server.certFile);
}

for (const [what, options, message] of [
  ["an empty certificate", { cert: "", key: server.key }, /TLS: cert holds no certificate: it is empty/],
  ["a cut certificate", { cert: cut, key: server.key }, /cert is cut: its block "CERTIFICATE" has no end/],
  [
    "garbage for a certificate",
    { cert: "hello\n", key: server.key },
    /cert holds no certificate: it is not PEM/,
  ],
  [
    "a key for a certificate",
    { cert: server.key, key: server.key },
    /cert holds no certificate: only PRIVATE KEY/,
  ],
  [
    "a certificate of garbage",
    { cert: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", key: server.key },
    /cert cannot be used: its certificate cannot be read/,
  ],
  ["an empty key", { cert: server.cert, key: " \n" }, /key holds no private key: it is empty/],
  [
    "a certificate for a key",
    { cert: server.cert, key: server.cert },
    /key holds no private key: only CERTIFICATE/,
  ],
  [
    "the key of another",
    { cert: server.cert, key: other.key },
    /key is not the private key of the certificate in cert/,
  ],
  ["an empty authority", { ...server, ca: "" }, /ca holds no certificate: it is empty/],
  ["garbage for an authority", { ...server, ca: Buffer.from("hello") }, /ca holds no certificate/],
  ["a cut bundle", { ...server, ca: `${ca.cert}${cut}` }, /ca is cut/],
  ["an empty list of revoked ones", { ...server, crl: "" }, /crl holds no list of revoked certificates/],
  ["a certificate for a list", { ...server, crl: ca.cert }, /crl holds no list .*: only CERTIFICATE/],
] satisfies [string, TlsListenOptions, RegExp][]) {
  test(`${what} is refused, by a listener and by a dial`, async () => {
    const { cert, key, ca: authority, crl } = options as TlsListenOptions;
    const ofListen = await failure(listen("tls", "127.0.0.1:0", options));
    assert.equal(ofListen.code, "tls");
    assert.match(ofListen.message, message);
    const ofDial = await failure(dial("tls", "127.0.0.1:1", { cert, key, ca: authority, crl }));
    assert.deepEqual([ofDial.op, ofDial.code], ["dial", "tls"]);
    assert.match(ofDial.message, message);
  });
}

test("the file is named that cannot be used", async () => {
  const file = join(directory, "empty.pem");
  writeFileSync(file, "");
  const names = { "b.example": { certFile: other.certFile, keyFile: file } };
  for (const options of [
    { certFile: file, keyFile: server.keyFile },
    { certFile: server.certFile, keyFile: file },
    { certFile: server.certFile, keyFile: server.keyFile, caFile: file },
    { certFile: server.certFile, keyFile: server.keyFile, crlFile: file },
    { certFile: server.certFile, keyFile: server.keyFile, serverNames: names },
  ]) {
    const error = await failure(listen("tls", "127.0.0.1:0", options));
    assert.ok(error.message.includes(file), error.message);
  }
});

test("a directory in the place of a file is an argument that is wrong, and is named", async () => {
  const { certFile, keyFile } = server;
  for (const options of [
    { certFile: directory, keyFile },
    { certFile, keyFile: directory },
    { certFile, keyFile, caFile: directory },
    { certFile, keyFile, crlFile: directory },
  ]) {
    for (const begin of [
      () => listen("tls", "127.0.0.1:0", options),
      () => dial("tls", "127.0.0.1:1", options),
    ]) {
      const { code, message } = await failure(begin());
      assert.equal(code, "invalid_argument");
      assert.ok(message.endsWith(`: is a directory, and not a file: ${directory}`), message);
    }
  }
});

test("a link that leads to itself is a file that is not there, and is named", async (t) => {
  if (process.platform === "win32") return t.skip("making links is a privilege there");
  const caFile = join(directory, "loop.pem");
  symlinkSync(caFile, caFile);
  const { code, message } = await failure(dial("tls", "127.0.0.1:1", { caFile }));
  assert.equal(code, "not_found");
  assert.match(message, /: too many symbolic links: .*loop\.pem$/);
});

test("a socket in the place of a file is an argument that is wrong, too", async (t) => {
  if (process.platform === "win32") return t.skip("sockets are no files there");
  const caFile = join(directory, "ca.sock");
  const listener = await listen("unix", caFile);
  t.after(() => listener.abort());
  const { code, message } = await failure(dial("tls", "127.0.0.1:1", { caFile }));
  assert.equal(code, "invalid_argument");
  assert.match(message, /: no file that can be read: .*ca\.sock$/);
});

test("an encrypted key needs its passphrase", async () => {
  const key = certificates.encryptedKey(server, "secret");
  const listener = await listen("tls", "127.0.0.1:0", { cert: server.cert, key, passphrase: "secret" });
  assert.equal(await greet(listener), "server");
  await listener.close();
  const missing = await failure(listen("tls", "127.0.0.1:0", { cert: server.cert, key }));
  assert.match(missing.message, /key holds an encrypted private key, and there is no passphrase/);
  const wrong = await failure(
    listen("tls", "127.0.0.1:0", { cert: server.cert, key, passphrase: "wrong-one" }),
  );
  assert.deepEqual([wrong.code, wrong.message.includes("wrong-one")], ["tls", false]);
});

test("a reload of what cannot be used keeps the old, tells file and reason once, and goes on", async (t) => {
  const caFile = join(directory, "clients.pem");
  const replace = (text: string): void => {
    writeFileSync(`${caFile}.new`, text);
    renameSync(`${caFile}.new`, caFile);
  };
  replace(ca.cert);
  const told: NetError[] = [];
  const listener = await listen("tls", "127.0.0.1:0", {
    certFile: server.certFile,
    keyFile: server.keyFile,
    caFile,
    clientCertificates: "require",
    reloadIntervalMs: 0,
    onReloadError(error) {
      told.push(error);
      throw new Error("a handler that throws harms nobody");
    },
  });
  t.after(() => listener.abort());
  const warnings: string[] = [];
  const onWarning = ({ message }: Error): void => void warnings.push(message);
  process.on("warning", onWarning);
  t.after(() => process.off("warning", onWarning));
  for (const bad of ["", "hello\n", cut]) {
    replace(bad);
    assert.equal(await greet(listener, client), "server");
    assert.equal(await greet(listener, client), "server");
    assert.equal(told.length, 1);
    assert.equal(told[0]?.code, "tls");
    assert.ok(told[0]?.message.includes(caFile), told[0]?.message);
    replace(ca.cert);
    assert.equal(await greet(listener, client), "server");
    assert.equal(told.length, 1);
    told.length = 0;
  }
  assert.ok(warnings.includes("a handler that throws harms nobody"));
});

test("a valid certificate is not replaced by one that has expired; at the start an expired one is taken", async (t) => {
  const certFile = join(directory, "aging.crt");
  const keyFile = join(directory, "aging.key");
  const use = (identity: TestIdentity): void => {
    writeFileSync(keyFile, identity.key);
    writeFileSync(certFile, identity.cert);
  };
  use(server);
  const told: string[] = [];
  const options = {
    certFile,
    keyFile,
    reloadIntervalMs: 0,
    onReloadError: (e: NetError) => void told.push(e.message),
  };
  const listener = await listen("tls", "127.0.0.1:0", options);
  t.after(() => listener.abort());
  const expired = certificates.issue("expired", ["127.0.0.1"], -1);
  use(expired);
  assert.equal(await greet(listener), "server");
  assert.equal(told.length, 1);
  assert.match(told[0] ?? "", /aging\.crt has expired on .*, and the certificate in use has not/);
  use(other);
  assert.equal(await greet(listener), "other");
  await (await listen("tls", "127.0.0.1:0", expired)).close();
});

test("a certificate that is revoked is refused, another of the same authority is not", async (t) => {
  const revoked = certificates.issue("revoked", ["127.0.0.1"]);
  const crl = certificates.revoke(revoked);
  const clients = await listen("tls", "127.0.0.1:0", {
    ...server,
    ca: ca.cert,
    crl,
    clientCertificates: "require",
  });
  t.after(() => clients.abort());
  assert.equal(await greet(clients, client), "server");
  const dialed = await dial("tls", String(clients.addr), {
    ca: ca.cert,
    cert: revoked.cert,
    key: revoked.key,
  });
  await assert.rejects(dialed.read(), { code: "tls", message: /certificate revoked/ });
  const revokedServer = await listen("tls", "127.0.0.1:0", revoked);
  t.after(() => revokedServer.abort());
  await assert.rejects(dial("tls", String(revokedServer.addr), { ca: ca.cert, crl }), {
    code: "tls",
    message: /revoked/,
  });
});

test("a certificate of before and a key of after are read again, and not refused", async (t) => {
  const certFile = join(directory, "swapped.crt");
  const keyFile = join(directory, "swapped.fifo");
  execFileSync("mkfifo", [keyFile]);
  writeFileSync(certFile, server.cert);
  const listening = listen("tls", "127.0.0.1:0", { certFile, keyFile });
  // This opens when the key is about to be read; then the certificate has been, or soon is, and is replaced.
  const first = await openFile(keyFile, "w");
  await turns();
  writeFileSync(`${certFile}.new`, other.cert);
  renameSync(`${certFile}.new`, certFile);
  await first.writeFile(other.key);
  await first.close();
  let isOver = false;
  const writing = (async () => {
    // A reader that has what it wants may close before all is written.
    while (!isOver) await writeFile(keyFile, other.key).catch(() => undefined);
  })();
  let listener: Listener<Conn>;
  try {
    listener = await listening;
  } finally {
    isOver = true;
    // Lets the last one go that waits for a reader.
    const reader = await openFile(keyFile, constants.O_RDONLY | constants.O_NONBLOCK);
    await writing;
    await reader.close();
  }
  t.after(() => listener.abort());
  assert.equal(await greet(listener), "other");
});

test("a deadline and a signal end the wait for a file that nobody writes", async (t) => {
  const caFile = join(directory, "silent.fifo");
  execFileSync("mkfifo", [caFile]);
  const listener = await listen("tcp", "127.0.0.1:0");
  t.after(() => listener.abort());
  const address = String(listener.addr);
  const proxied = { proxy: `https://${address}`, proxyTls: { caFile } };
  const plain = await dial("tcp", address);
  t.after(() => plain.abort());
  const dials: readonly [string, (limits: WaitOptions & { deadline?: number }) => Promise<Conn>][] = [
    ["tls", (limits) => dial("tls", address, { caFile, ...limits })],
    ["proxyTls", (limits) => dial("tcp", address, { ...proxied, ...limits })],
    ["startTls", ({ signal }) => startTls(plain, "client", { serverName: "localhost", caFile, signal })],
  ];
  for (const [what, attempt] of dials) {
    const controller = new AbortController();
    const canceled = assert.rejects(attempt({ signal: controller.signal }), { code: "canceled" }, what);
    // This opens when the file is about to be read.
    const held = await openFile(caFile, "w");
    controller.abort();
    await canceled;
    await held.close();
    if (what === "startTls") continue;
    await assert.rejects(attempt({ deadline: Date.now() + 20 }), { code: "timeout" }, what);
    await (await openFile(caFile, "w")).close();
  }
});

test("a directory that is swapped by its link, as Kubernetes does it, is never seen half, under load", async (t) => {
  const mount = join(directory, "mount");
  mkdirSync(mount);
  const publish = (version: number, { cert, key }: TestIdentity): void => {
    const name = `..data_${version}`;
    mkdirSync(join(mount, name));
    writeFileSync(join(mount, name, "tls.crt"), cert);
    writeFileSync(join(mount, name, "tls.key"), key);
    symlinkSync(name, join(mount, "..data_tmp"));
    renameSync(join(mount, "..data_tmp"), join(mount, "..data"));
  };
  publish(0, server);
  for (const file of ["tls.crt", "tls.key"]) symlinkSync(join("..data", file), join(mount, file));
  const told: string[] = [];
  const listener = await listen("tls", "127.0.0.1:0", {
    certFile: join(mount, "tls.crt"),
    keyFile: join(mount, "tls.key"),
    reloadIntervalMs: 0,
    onReloadError: ({ message }) => void told.push(message),
  });
  t.after(() => listener.abort());
  void (async () => {
    for await (const conn of listener) conn.serve({ data: (bytes) => conn.write(bytes) });
  })();
  const seen = new Set<string>();
  let isOver = false;
  const load = async (): Promise<void> => {
    while (!isOver) {
      const conn = await dial("tls", String(listener.addr), { ca: ca.cert });
      seen.add(String(conn.tls?.peerCertificate?.subject.CN));
      await conn.write(Buffer.from("hola"));
      assert.equal(String(await conn.readFull(4)), "hola");
      conn.abort();
    }
  };
  const clients = Array.from({ length: 4 }, load);
  for (let version = 1; version <= 30; version++) {
    publish(version, version % 2 === 0 ? server : other);
    const conn = await dial("tls", String(listener.addr), { ca: ca.cert });
    conn.abort();
  }
  isOver = true;
  await Promise.all(clients);
  publish(31, other);
  const last = await dial("tls", String(listener.addr), { ca: ca.cert });
  assert.equal(last.tls?.peerCertificate?.subject.CN, "other");
  last.abort();
  assert.deepEqual([...seen].toSorted(), ["other", "server"]);
  assert.deepEqual(told, []);
});
