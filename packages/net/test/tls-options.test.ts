// Every TLS option's name and value is checked, and the message shows the value and what is allowed.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { dial, listen, type TlsDialOptions, type TlsListenOptions } from "@zocalo/net";
import { TestCertificates } from "@zocalo/integrity";

const certificates = new TestCertificates();
after(() => certificates.remove());
const { cert, key } = certificates.issue("local", ["127.0.0.1"]);
const identity = { cert, key };
const longest = "a".repeat(255);

const wrongForBoth: [object, RegExp][] = [
  [{ minVersion: "TLSv1" }, /minVersion "TLSv1" is not one of "TLSv1.2", "TLSv1.3"/],
  [{ minVersoin: "TLSv1.3" }, /has no option "minVersoin"; it has .*minVersion/],
  [{ rejectUnauthorized: true }, /has no option "rejectUnauthorized"/],
  [
    { handshakeTimeoutMs: Number.NaN },
    /handshakeTimeoutMs NaN is not a number of milliseconds above 0, nor Infinity/,
  ],
  [{ handshakeTimeoutMs: 0 }, /handshakeTimeoutMs 0/],
  [{ handshakeTimeoutMs: "10" }, /handshakeTimeoutMs "10" is not a number of/],
  [{ closeTimeoutMs: Number.NaN }, /closeTimeoutMs NaN/],
  [{ alpnProtocols: [""] }, /alpnProtocols: "" \(0 bytes\) is not a name of 1 to 255 bytes/],
  [{ alpnProtocols: [`${longest}a`] }, /\(256 bytes\) is not a name of 1 to 255 bytes/],
  [{ alpnProtocols: [`${"a".repeat(254)}ñ`] }, /\(256 bytes\)/],
  [{ alpnProtocols: "h2" }, /alpnProtocols "h2" is not a list of names/],
  [{ alpnProtocols: Array.from({ length: 256 }, () => longest) }, /alpnProtocols of 65536 bytes/],
  [{ ca: 7 }, /ca is of type number, and not PEM/],
  [{ caFile: "" }, /caFile "" is not the name of a file/],
  [{ passphrase: 7 }, /passphrase is of type number, and not a string/],
  [{ noDelay: "false" }, /noDelay is "false", and not a boolean/],
  [{ keepAlive: 1 }, /keepAlive is 1, and not a boolean/],
  [{ signal: {} }, /signal \{\} is not an AbortSignal/],
  [{ dangerouslyAcceptTruncation: "no" }, /dangerouslyAcceptTruncation is "no", and not a boolean/],
];

for (const [wrong, message] of [
  ...wrongForBoth,
  [
    { clientCertificates: "required" },
    /clientCertificates "required" is not one of "none", "request", "require"/,
  ],
  [{ clientCertificate: "require" }, /has no option "clientCertificate"; it has .*clientCertificates/],
  [{ clientCertificates: true }, /clientCertificates true is not one of/],
  [{ reloadIntervalMs: Number.NaN }, /reloadIntervalMs NaN/],
  [{ reloadIntervalMs: -1 }, /reloadIntervalMs -1/],
  [{ onReloadError: "log" }, /onReloadError is "log", and not a function/],
  [{ key: undefined }, /a TLS listener needs cert or certFile, and key or keyFile/],
  [{ serverNames: { "b.example": {} } }, /serverNames\["b.example"\] needs cert or certFile/],
  [{ serverNames: { "b.example": { cert } } }, /serverNames\["b.example"\] needs cert or certFile, and key/],
  [
    { serverNames: { "b.example": { ...identity, kee: 1 } } },
    /serverNames\["b.example"\] has no option "kee"/,
  ],
  [{ serverNames: { "b.example": cert } }, /serverNames\["b.example"\] is of type string, and not an object/],
  [{ serverNames: new Map([["b.example", identity]]) }, /serverNames is a Map, and not an object/],
  [
    { serverNames: { "b.example": identity, "B.example.": identity } },
    /serverNames\["B.example."\] is the same name as "b.example"/,
  ],
  [{ onRefuse: "log" }, /onRefuse is "log", and not a function/],
  [{ ipv6Only: "no" }, /ipv6Only is "no", and not a boolean/],
  [{ exemptAddresses: "10.0.0.1" }, /exemptAddresses "10.0.0.1" is not a list of addresses/],
  [{ proxyProtocol: { trusted: ["10.0.0.1"], timeoutMS: 1 } }, /proxyProtocol has no option "timeoutMS"/],
  [{ proxyProtocol: {} }, /proxyProtocol.trusted undefined is not a list of addresses/],
  [{ serverNames: { "a.*.example": identity } }, /"\*" stands for a whole first label only/],
  [{ serverNames: { "a b": identity } }, /the name "a b" is not a host name/],
] satisfies [object, RegExp][]) {
  test(`a listener refuses ${message.source}`, async () => {
    const options = { ...identity, ...wrong } as TlsListenOptions;
    await assert.rejects(listen("tls", "127.0.0.1:0", options), {
      name: "NetError",
      code: "invalid_argument",
      message,
    });
  });
}

for (const [wrong, message] of [
  ...wrongForBoth,
  [{ servername: "a.example" }, /has no option "servername"; it has .*serverName/],
  [{ serverName: "a b" }, /serverName "a b" is not a host name/],
  [{ serverName: "" }, /serverName "" is not a host name/],
  [{ serverName: 7 }, /serverName 7 is not a host name/],
  [{ cert }, /there is a certificate without its key/],
  [{ key }, /there is a key without its certificate/],
  [
    { dangerouslyAcceptAnyCertificate: "false" },
    /dangerouslyAcceptAnyCertificate is "false", and not a boolean/,
  ],
] satisfies [object, RegExp][]) {
  test(`a dial refuses ${message.source}`, async () => {
    await assert.rejects(dial("tls", "127.0.0.1:1", wrong as TlsDialOptions), {
      name: "NetError",
      code: "invalid_argument",
      message,
    });
  });
}

test("what is just allowed is taken: the longest name of a protocol, no protocols, undefined", async () => {
  const listener = await listen("tls", "127.0.0.1:0", {
    ...identity,
    alpnProtocols: [longest],
    minVersion: undefined,
  });
  const dialing = dial("tls", String(listener.addr), {
    ca: certificates.ca.cert,
    alpnProtocols: [longest],
    handshakeTimeoutMs: 2 ** 31 - 1,
  });
  const conn = await listener.accept();
  assert.equal((await dialing).tls?.alpnProtocol, longest);
  (await dialing).abort();
  conn.abort();
  await listener.close();
  const without = await listen("tls", "127.0.0.1:0", { ...identity, alpnProtocols: [] });
  const plain = dial("tls", String(without.addr), { ca: certificates.ca.cert, alpnProtocols: [] });
  (await without.accept()).abort();
  assert.equal((await plain).tls?.alpnProtocol, undefined);
  (await plain).abort();
  await without.close();
});
