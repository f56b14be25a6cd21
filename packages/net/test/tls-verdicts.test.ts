// What decides about a certificate, and what is said of it afterwards.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { runInNewContext } from "node:vm";
import { dial, type Refusal, TlsSessions } from "@zocalo/net";
import { ana, ca, certificates, open } from "./tls-identities.ts";

test("verifyPeer that promises refuses, on either side: its verdict would come too late", async (t) => {
  const later = (async () => {
    throw new Error("too late");
  }) as () => void;
  const refused = /has to decide at once/;
  const plain = await open(t);
  const options = { ca: ca.cert, verifyPeer: later };
  await assert.rejects(dial("tls", String(plain.addr), options), { code: "tls", message: refused });
  let resolve: (refusal: Refusal) => void = () => undefined;
  const refusal = new Promise<Refusal>((settle) => (resolve = settle));
  const asking = await open(t, {
    clientCertificates: "require",
    ca: ca.cert,
    verifyPeer: later,
    onRefuse: (each) => resolve(each),
  });
  const conn = dial("tls", String(asking.addr), { ca: ca.cert, cert: ana.cert, key: ana.key });
  assert.match((await refusal).error?.message ?? "", refused);
  await conn.then(
    (each) => each.abort(),
    () => undefined,
  );
});

// As Node's `checkServerIdentity` refuses, a mistake for `throw`, and a promise that is no instance of ours.
for (const [what, verdict, message] of [
  ["an error", new Error("pin"), /refused: pin$/],
  ["false", false, /refused: verifyPeer gave false/],
  ["a promise of another realm", runInNewContext("Promise.resolve()"), /refused: verifyPeer gave a promise/],
] as const) {
  test(`verifyPeer that gives ${what} refuses`, async (t) => {
    const listener = await open(t);
    const options = { ca: ca.cert, verifyPeer: () => verdict };
    await assert.rejects(dial("tls", String(listener.addr), options), { code: "tls", message });
  });
}

for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
  test(`a certificate for another name is not authorized in a session that is resumed either (${maxVersion})`, async (t) => {
    const listener = await open(t, { maxVersion });
    const sessions = new TlsSessions({ reuse: true });
    const seen: unknown[] = [];
    for (let dials = 0; dials < 2; dials++) {
      const [client, server] = await Promise.all([
        dial("tls", String(listener.addr), {
          ca: ca.cert,
          serverName: "other.example",
          dangerouslyAcceptAnyCertificate: true,
          sessions,
        }),
        listener.accept(),
      ]);
      await server.write(Buffer.from("hola"));
      await client.readFull(4);
      seen.push([client.tls?.isResumed, client.tls?.isAuthorized]);
      await Promise.all([client.close(), server.close()]);
    }
    assert.deepEqual(seen, [
      [false, false],
      [true, false],
    ]);
  });
}

test("a certificate that OpenSSL will not use for a client is a NetError, and leaves no connection", async () => {
  const base = join(certificates.directory, "small");
  const [certFile, keyFile] = [`${base}.crt`, `${base}.key`];
  const made = ["-keyout", keyFile, "-out", certFile, "-subj", "/CN=small"];
  execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:512", "-nodes", "-days", "2", ...made], {
    stdio: "ignore",
  });
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const left = once(server, "connection").then(async ([socket]: Socket[]) =>
    once(socket?.resume() as Socket, "close"),
  );
  const dialed = dial("tls", `localhost:${port}`, { ca: ca.cert, certFile, keyFile });
  await assert.rejects(dialed, { name: "NetError", code: "tls", message: /key too small/ });
  await left;
  server.close();
});
