// A misspelt option is refused, not ignored: it would be a limit or a door left open. Of TLS the values are checked too, and what certificates hold.
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { createServer, type TLSSocket } from "node:tls";
import {
  attach,
  dial,
  type DialOptions,
  listen,
  Upgrader,
  WebSocket,
  WebSocketNetError,
  type WebSocketOptions,
  WebSocketStream,
  type WebSocketStreamOptions,
} from "../src/index.ts";
import { selfSigned } from "./certificate.ts";
import { accepting, ANY_PORT, echoAll, httpServer } from "./peers.ts";

const good = selfSigned("IP:127.0.0.1");
const other = selfSigned("DNS:client.example");
const cut = good.cert.slice(0, 200);
const garbled = good.cert.replace(/\n[^-]{20}/, "\n????????????????????");

/** Nobody is asked: nothing listens there (RFC 863). */
const NOWHERE = "wss://127.0.0.1:9";

const wrongTls: readonly [object, RegExp][] = [
  [{ verifypeer: () => undefined }, /tls has no option "verifypeer"; it has .*verifyPeer/],
  // Of node:tls, which it took until 0.1.
  [{ rejectUnauthorized: false }, /tls has no option "rejectUnauthorized"; it has .*dangerouslyAcceptAny/],
  [{ servername: "a" }, /tls has no option "servername"; it has .*serverName/],
  [{ dangerouslyAcceptTruncation: true }, /tls has no option "dangerouslyAcceptTruncation"/],
  [{ dangerouslyAcceptAnyCertificate: "no" }, /dangerouslyAcceptAnyCertificate is "no", and not a boolean/],
  [{ verifyPeer: "no" }, /verifyPeer is "no", and not a function/],
  [{ minVersion: "TLSv1" }, /minVersion "TLSv1" is not one of "TLSv1.2", "TLSv1.3"/],
  [{ maxVersion: "1.3" }, /maxVersion "1.3" is not one of/],
  [{ serverName: "a b" }, /serverName "a b" is not a host name/],
  [{ serverName: 7 }, /serverName 7 is not a host name/],
  [{ alpnProtocols: ["http/1.1", ""] }, /alpnProtocols: "" \(0 bytes\) is not a name of 1 to 255 bytes/],
  [
    { alpnProtocols: ["h2", "http/1.1"] },
    /tls\.alpnProtocols has "h2": a WebSocket begins with "http\/1\.1"/,
  ],
  [{ ca: 7 }, /ca is of type number, and not PEM/],
  [{ caFile: good.cert }, /caFile is PEM, and not the name of a file/],
  [{ cert: good.cert }, /there is a certificate without its key/],
  [{ key: good.key }, /there is a key without its certificate/],
];
/** Found out when it is parsed. */
const unusable: readonly [object, RegExp][] = [
  [{ ca: "" }, /^tls: ca .*empty/],
  [{ ca: cut }, /^tls: ca is cut: its block "CERTIFICATE" has no end/],
  [{ ca: Buffer.from(garbled) }, /^tls: ca cannot be used: its certificate cannot be read/],
  [{ crl: good.cert }, /^tls: crl holds no list of revoked certificates: only CERTIFICATE/],
  [{ cert: good.cert, key: other.key }, /^tls: key is not the private key of the certificate in cert/],
  [{ cert: good.cert, key: good.cert }, /^tls: key holds no private key: only CERTIFICATE/],
];

for (const [tls, message] of unusable) {
  test(`dial refuses ${message.source}, before anybody is asked`, async () => {
    for (const options of [{ tls }, { proxyTls: tls }]) {
      await assert.rejects(dial(NOWHERE, options), (error: WebSocketNetError) => {
        assert.ok(error instanceof WebSocketNetError);
        assert.equal(error.code, "tls");
        assert.match(error.message.replaceAll("proxyTls", "tls"), message);
        return true;
      });
    }
  });
}

for (const [tls, message] of wrongTls) {
  test(`dial refuses ${message.source}`, async () => {
    for (const options of [{ tls }, { proxyTls: tls }]) {
      const dialing = dial(NOWHERE, options);
      await assert.rejects(dialing, (error: WebSocketNetError) => {
        assert.ok(error instanceof WebSocketNetError);
        assert.equal(error.code, "invalid_argument");
        assert.match(error.message.replaceAll("proxyTls", "tls"), message);
        return true;
      });
    }
  });
}

test("dial refuses names that it does not know", async () => {
  for (const [name, value] of [
    ["handshakeTimeoutMS", 5],
    ["Tls", { ca: good.cert }],
    ["protocols", ["chat"]],
  ] as const) {
    const dialing = dial(NOWHERE, { [name]: value });
    const message = new RegExp(`has no option "${name}"; it has .*handshakeTimeoutMs`);
    await assert.rejects(dialing, { code: "invalid_argument", message });
  }
  for (const tls of [null, "yes", []]) {
    const dialing = dial(NOWHERE, { tls } as unknown as DialOptions);
    await assert.rejects(dialing, { code: "invalid_argument", message: /tls is .*, and not an object/ });
  }
});

test("the classes of browsers refuse them at once, since they do not tell why a connection failed", () => {
  const options = { perMessageDeflate: false };
  const refusal = { code: "invalid_argument", message: /has no option "perMessageDeflate"/ };
  for (const wrong of [options, { tls: { Ca: good.cert } }] as object[]) {
    assert.throws(() => new WebSocket(NOWHERE, wrong), { code: "invalid_argument" });
    assert.throws(() => new WebSocketStream(NOWHERE, wrong), { code: "invalid_argument" });
  }
  assert.throws(() => new WebSocket(NOWHERE, "chat", options as WebSocketOptions), refusal);
  assert.throws(() => new WebSocketStream(NOWHERE, options as WebSocketStreamOptions), refusal);
});

test("listen, attach and Upgrader refuse names that they do not know, before anybody is let in", async () => {
  await using http = await httpServer();
  for (const name of ["checkOrign", "authorise", "tsl", "maxConnectionPerAddress"]) {
    const wrong = { [name]: () => undefined };
    const refusal = {
      code: "invalid_argument",
      message: new RegExp(`has no option "${name}"; it has .*checkOrigin`),
    };
    await assert.rejects(listen(ANY_PORT, wrong), refusal);
    assert.throws(() => attach(http.server, wrong), refusal);
    assert.throws(() => new Upgrader(wrong), refusal);
  }
  // What only `listen` has: elsewhere it would do nothing.
  const onlyOfListen: readonly object[] = [{ tls: good }, { maxHalfOpenPerAddress: 1 }];
  for (const only of onlyOfListen) {
    assert.throws(() => attach(http.server, only), { code: "invalid_argument" });
    assert.throws(() => new Upgrader(only), { code: "invalid_argument" });
  }
});

test("what net takes is taken: bytes, versions, http/1.1, no name, and international ones", async () => {
  const tls = { ...good, ca: other.cert, clientCertificates: "require" as const };
  await using server = await accepting({ tls });
  void echoAll(server.listener);
  for (const serverName of [undefined, "127.0.0.1"]) {
    const conn = await dial(`wss://127.0.0.1:${server.port}`, {
      tls: {
        ca: Buffer.from(good.cert),
        cert: other.cert,
        key: other.key,
        minVersion: "TLSv1.3",
        alpnProtocols: ["http/1.1"],
        dangerouslyAcceptAnyCertificate: false,
        serverName,
      },
    });
    await conn.send("hola");
    assert.equal(await conn.receive(), "hola");
    await conn.close();
  }

  const names: string[] = [];
  const SNICallback = (name: string, done: (error: Error) => void): void => {
    names.push(name);
    done(new Error("nobody is let in"));
  };
  const listener = createServer({ ...good, SNICallback });
  listener.on("tlsClientError", (_error: Error, socket: TLSSocket) => socket.destroy());
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  const dialing = dial(`wss://127.0.0.1:${port}`, { tls: { serverName: "Bücher.example" } });
  await assert.rejects(dialing, { code: "connect_failed" });
  assert.deepEqual(names, ["xn--bcher-kva.example"]);
  listener.close();
});
