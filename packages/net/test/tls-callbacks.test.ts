// What a TLS server decides by itself in a handshake: certificate by name, protocol, versions and suites.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, test, type TestContext } from "node:test";
import { TestCertificates } from "@zocalo/integrity";
import {
  type Conn,
  dial,
  type Listener,
  listen,
  type Refusal,
  type TlsDialOptions,
  type TlsIdentity,
  type TlsListenOptions,
} from "@zocalo/net";

const certificates = new TestCertificates();
const { ca } = certificates;
const local = certificates.issue("local", ["localhost", "127.0.0.1"]);
const one = certificates.issue("one", ["one.example"]);
const shop = certificates.issue("shop", ["shop.example"]);
after(() => certificates.remove());
const main = { cert: local.cert, key: local.key };

async function open(t: TestContext, options: Partial<TlsListenOptions>): Promise<Listener<Conn>> {
  const listener = await listen("tls", "127.0.0.1:0", { ...main, ...options });
  t.after(() => listener.abort());
  return listener;
}

/** What both sides are told of a connection. */
async function met(listener: Listener<Conn>, options: TlsDialOptions) {
  const [client, server] = await Promise.all([
    dial("tls", String(listener.addr), { ca: ca.cert, ...options }),
    listener.accept(),
  ]);
  const seen = { client: client.tls, server: server.tls };
  client.abort();
  server.abort();
  return seen;
}

/** What `openssl s_client` prints. */
async function sClient(listener: Listener<Conn>, ...args: string[]): Promise<string> {
  const where = ["s_client", "-connect", String(listener.addr), "-CAfile", ca.certFile];
  const child = spawn("openssl", [...where, ...args]);
  let said = "";
  child.stdout.on("data", (chunk) => (said += String(chunk)));
  child.stderr.on("data", (chunk) => (said += String(chunk)));
  child.stdin.end();
  await once(child, "close");
  return said;
}

test("a certificate is asked for by name, where the table has none, and parsed once", async (t) => {
  const asked: string[] = [];
  let reads = 0;
  const shopIdentity: TlsIdentity = {
    key: shop.key,
    get cert() {
      reads++;
      return shop.cert;
    },
  };
  const listener = await open(t, {
    serverNames: { "one.example": one },
    async identityFor(name) {
      asked.push(name);
      await Promise.resolve();
      return name === "shop.example" ? shopIdentity : undefined;
    },
  });
  const cn = async (serverName: string) =>
    (await met(listener, { serverName })).client?.peerCertificate?.subject.CN;
  assert.equal(await cn("one.example"), "one");
  assert.equal(await cn("shop.example"), "shop");
  const once = reads;
  assert.equal(await cn("SHOP.example"), "shop");
  assert.ok(reads - once <= 4, "checked again, and not parsed"); // Each check reads it.
  assert.equal(await cn("localhost"), "local");
  assert.deepEqual(asked, ["shop.example", "shop.example", "localhost"]);
  assert.match(await sClient(listener, "-servername", "shop.example"), /subject=CN ?= ?shop/);
});

for (const [what, identityFor] of [
  ["throws", () => Promise.reject(new Error("the database is away"))],
  ["gives no pair", () => ({ cert: one.cert })],
  ["gives another key", () => ({ cert: one.cert, key: shop.key })],
  ["gives another option", () => ({ ...one, crt: 1 }) as TlsIdentity],
] as [string, NonNullable<TlsListenOptions["identityFor"]>][]) {
  test(`an identityFor that ${what} ends that handshake alone`, async (t) => {
    const refusals: Refusal[] = [];
    const listener = await open(t, { identityFor, onRefuse: (refusal) => refusals.push(refusal) });
    const to = String(listener.addr);
    await assert.rejects(async () => {
      const conn = await dial("tls", to, { ca: ca.cert, serverName: "odd.example" });
      await conn.read();
    });
    await assert.doesNotReject(met(listener, {})); // A client that asks for no name.
    assert.deepEqual(
      refusals.map(({ reason }) => reason),
      ["handshake"],
    );
    assert.match(String(refusals[0]?.error), /database is away|identityFor|private key/);
  });
}

test("a protocol is chosen among those that a client offers, and a client may be refused", async (t) => {
  const offers: unknown[] = [];
  const listener = await open(t, {
    chooseAlpn: (offer) => {
      offers.push(offer);
      return offer.protocols.find((name) => name.startsWith("chat/"));
    },
  });
  const seen = await met(listener, { serverName: "localhost", alpnProtocols: ["mail", "chat/2", "chat/1"] });
  assert.deepEqual([seen.client?.alpnProtocol, seen.server?.alpnProtocol], ["chat/2", "chat/2"]);
  assert.deepEqual(offers, [{ serverName: "localhost", protocols: ["mail", "chat/2", "chat/1"] }]);
  const none = await met(listener, {});
  assert.equal(none.client?.alpnProtocol, undefined);
  assert.equal(offers.length, 1);
  await assert.rejects(dial("tls", String(listener.addr), { ca: ca.cert, alpnProtocols: ["mail"] }), {
    code: "tls",
    message: /no application protocol/i,
  });
  assert.match(await sClient(listener, "-alpn", "mail,chat/1"), /ALPN protocol: chat\/1/);
});

test("a chooseAlpn that throws, or gives what nobody offered, refuses the client and warns", async (t) => {
  for (const chooseAlpn of [
    () => "other",
    () => {
      throw new Error("no choice");
    },
  ]) {
    const listener = await open(t, { chooseAlpn });
    const warned = once(process, "warning");
    const to = String(listener.addr);
    await assert.rejects(dial("tls", to, { ca: ca.cert, alpnProtocols: ["mail"] }), { code: "tls" });
    assert.match(String((await warned)[0]), /no choice|chooseAlpn gave "other"/);
  }
});

test("no version newer than maxVersion is spoken, on either side", async (t) => {
  const old = await open(t, { maxVersion: "TLSv1.2" });
  assert.equal((await met(old, {})).server?.version, "TLSv1.2");
  assert.match(await sClient(old, "-tls1_3"), /alert protocol version/);
  const recent = await open(t, {});
  assert.equal((await met(recent, {})).server?.version, "TLSv1.3");
  assert.equal((await met(recent, { maxVersion: "TLSv1.2" })).server?.version, "TLSv1.2");
  await assert.rejects(dial("tls", String(old.addr), { ca: ca.cert, minVersion: "TLSv1.3" }), {
    code: "tls",
  });
});

test("suites that are named are spoken and no others, on either side and under every name", async (t) => {
  const suite = "TLS_CHACHA20_POLY1305_SHA256";
  const listener = await open(t, { ciphers: suite, serverNames: { "one.example": one } });
  for (const serverName of ["localhost", "one.example"]) {
    assert.equal((await met(listener, { serverName })).client?.cipher, suite);
  }
  assert.match(await sClient(listener, "-ciphersuites", "TLS_AES_128_GCM_SHA256"), /alert handshake failure/);
  const any = await open(t, {});
  assert.equal((await met(any, { ciphers: suite })).server?.cipher, suite);
  await assert.rejects(
    dial("tls", String(listener.addr), { ca: ca.cert, ciphers: "TLS_AES_128_GCM_SHA256" }),
    {
      code: "tls",
    },
  );
});

test("a listener's log of keys has the lines that openssl s_client writes", async (t) => {
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    const keys: string[] = [];
    const listener = await open(t, { maxVersion, dangerouslyLogKeys: (line) => keys.push(line) });
    const file = join(certificates.directory, `keys-${maxVersion}`);
    await sClient(listener, "-keylogfile", file);
    const theirs = readFileSync(file, "utf8").split("\n");
    assert.deepEqual(keys.toSorted(), theirs.filter((line) => /^[A-Z]/.test(line)).toSorted());
    assert.ok(keys.length > 0);
  }
});

test("wrong versions, suites and callbacks are refused with what is wrong", async () => {
  for (const [wrong, message] of [
    [{ maxVersion: "TLSv1.1" }, /maxVersion "TLSv1\.1" is not one of "TLSv1\.2", "TLSv1\.3"/],
    [{ minVersion: "TLSv1.3", maxVersion: "TLSv1.2" }, /maxVersion "TLSv1\.2" is older than minVersion/],
    [{ ciphers: "ROT13" }, /ciphers "ROT13" names none that OpenSSL has/],
    [{ ciphers: ["A"] }, /ciphers is an array, and not a string/],
  ] as [object, RegExp][]) {
    const refusal = { code: "invalid_argument", message };
    await assert.rejects(listen("tls", "127.0.0.1:0", { ...main, ...wrong }), refusal);
    await assert.rejects(dial("tls", "127.0.0.1:9", wrong), refusal);
  }
  for (const [wrong, message] of [
    [{ identityFor: {} }, /identityFor is \{\}, and not a function/],
    [{ chooseAlpn: "h2" }, /chooseAlpn is "h2", and not a function/],
    [{ chooseAlpn: () => "h2", alpnProtocols: ["h2"] }, /chooseAlpn takes the place of alpnProtocols/],
  ] as [object, RegExp][]) {
    const refusal = { code: "invalid_argument", message };
    await assert.rejects(listen("tls", "127.0.0.1:0", { ...main, ...wrong }), refusal);
  }
});
