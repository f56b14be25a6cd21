// Every option of listeners, dials, datagram sockets and framings is checked by its name and its kind, and
// the message shows the value and what is allowed.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  delimited,
  dial,
  framed,
  lengthPrefixed,
  lines,
  listen,
  listenPacket,
  peers,
  pipe,
} from "@zocalo/net";

const directory = mkdtempSync(join(tmpdir(), "zocalo-options-"));
after(() => rmSync(directory, { recursive: true }));
const path = join(directory, "s");

const wrongForAll: [object, RegExp][] = [
  [{ noDelay: "false" }, /noDelay is "false", and not a boolean/],
  [{ keepAlive: 1 }, /keepAlive is 1, and not a boolean/],
  [{ keepAliveIdle: 1 }, /has no option "keepAliveIdle"; it has .*keepAliveIdleMs/],
  [{ signal: {} }, /signal \{\} is not an AbortSignal/],
];
const wrongForListeners: [object, RegExp][] = [
  ...wrongForAll,
  [{ onRefuse: "log" }, /onRefuse is "log", and not a function/],
  [{ exemptAddresses: "10.0.0.1" }, /exemptAddresses "10.0.0.1" is not a list of addresses/],
  [{ exemptAddress: [] }, /has no option "exemptAddress"; it has .*exemptAddresses/],
  [{ maxConnectionPerAddress: 1 }, /has no option "maxConnectionPerAddress"/],
];
const numbers = ["maxConnections", "maxPending", "backlog"] as const;

for (const [wrong, message] of [
  ...wrongForListeners,
  [{ modee: 0o600 }, /a listener on a Unix socket has no option "modee"; it has .*mode/],
  [{ replaceStale: "yes" }, /replaceStale is "yes", and not a boolean/],
  [{ unlinkOnClose: 1 }, /unlinkOnClose is 1, and not a boolean/],
  [{ mode: "0600" }, /mode/],
  [{ ipv6Only: true }, /has no option "ipv6Only"/],
] as [object, RegExp][]) {
  test(`listen("unix") refuses ${JSON.stringify(wrong)}, and makes no file`, async () => {
    await assert.rejects(listen("unix", path, wrong), { code: "invalid_argument", message });
    assert.deepEqual(readdirSync(directory), []);
  });
}

for (const [wrong, message] of [
  ...wrongForListeners,
  [{ reusePort: "yes" }, /reusePort is "yes", and not a boolean/],
  [{ proxyProtocol: { trusted: "10.0.0.1" } }, /proxyProtocol.trusted "10.0.0.1" is not a list of addresses/],
  [{ proxyProtocol: { trust: [] } }, /proxyProtocol has no option "trust"/],
  [{ proxyProtocol: true }, /proxyProtocol is of type boolean, and not an object/],
  [{ mode: 0o600 }, /a TCP listener has no option "mode"/],
] as [object, RegExp][]) {
  test(`listen("tcp") refuses ${JSON.stringify(wrong)}`, async () => {
    await assert.rejects(listen("tcp", "127.0.0.1:0", wrong), { code: "invalid_argument", message });
  });
}

for (const network of ["tcp", "unix"] as const) {
  for (const [wrong, message] of [
    ...wrongForAll,
    [{ deadlineMs: 5 }, /has no option "deadlineMs"; it has .*deadline/],
    ...(network === "tcp" ? [[{ resolver: "8.8.8.8" }, /resolver is "8.8.8.8", and not a function/]] : []),
  ] as [object, RegExp][]) {
    test(`dial("${network}") refuses ${JSON.stringify(wrong)}`, async () => {
      const dialed = network === "tcp" ? dial("tcp", "127.0.0.1:1", wrong) : dial("unix", path, wrong);
      await assert.rejects(dialed, { code: "invalid_argument", message });
    });
  }
}

for (const name of numbers) {
  test(`listen refuses a symbol as ${name}, and shows it`, async () => {
    const message = new RegExp(`${name} Symbol\\(many\\) is not a whole number of at least 1`);
    const wrong: object = { [name]: Symbol("many") };
    await assert.rejects(listen("tcp", "127.0.0.1:0", wrong), { code: "invalid_argument", message });
  });
}

for (const [wrong, message] of [
  [{ reuseAddress: true }, /has no option "reuseAddress"; it has .*reuseAddr/],
  [{ noDelay: true }, /has no option "noDelay"/],
  [{ reuseAddr: "no" }, /reuseAddr is "no", and not a boolean/],
  [{ ipv6Only: 1 }, /ipv6Only is 1, and not a boolean/],
  [{ signal: {} }, /signal \{\} is not an AbortSignal/],
] as [object, RegExp][]) {
  test(`listenPacket and dial("udp") refuse ${JSON.stringify(wrong)}`, async () => {
    const refusal = { code: "invalid_argument", message };
    await assert.rejects(listenPacket("udp", "127.0.0.1:0", wrong), refusal);
    await assert.rejects(dial("udp", "127.0.0.1:9", wrong), refusal);
  });
}

test("what only a dial of datagrams has is checked, and a socket does not have it", async () => {
  const toPeer = (options: object) => dial("udp", "127.0.0.1:9", options);
  await assert.rejects(toPeer({ resolver: "8.8.8.8" }), /resolver is "8\.8\.8\.8", and not a function/);
  await assert.rejects(toPeer({ localAddress: 80 }), /localAddress is of type number, and not a string/);
  const options: object = { localAddress: ":0" };
  await assert.rejects(listenPacket("udp", "127.0.0.1:0", options), /has no option "localAddress"/);
});

for (const [wrong, message] of [
  [{ maxPeer: 1 }, /peers has no option "maxPeer"; it has .*maxPeers/],
  [{ verifyLoopback: "yes" }, /verifyLoopback is "yes", and not a boolean/],
  [{ newlines: 1 }, /newlines is 1, and not a boolean/],
  [{ messages: "bytes" }, /messages "bytes" is not one of "text", "binary"/],
  [{ exemptAddresses: "10.0.0.1" }, /exemptAddresses "10.0.0.1" is not a list of addresses, such as \["10/],
] as [object, RegExp][]) {
  test(`peers refuses ${JSON.stringify(wrong)}, and leaves the socket to the caller`, async () => {
    const packets = await listenPacket("udp", "127.0.0.1:0");
    assert.throws(() => peers(packets, wrong), { code: "invalid_argument", message });
    await packets.send(Buffer.from("hola"), packets.localAddr);
    assert.equal(String((await packets.receive()).bytes), "hola");
    await packets.close();
  });
}

test("framings refuse names that are not known, and messages that are neither text nor bytes", () => {
  const [conn] = pipe();
  const framings: Readonly<Record<string, (options: object) => unknown>> = {
    lines: (options) => lines(conn, options),
    framed: (options) => framed(conn, {} as never, options),
    delimited: (options) => delimited(conn, "\0", options),
    lengthPrefixed: (options) => lengthPrefixed(conn, "u16", options),
  };
  for (const [name, frame] of Object.entries(framings)) {
    const message = /has no option "maxMessageByte"; it has .*maxMessageBytes/;
    assert.throws(() => frame({ maxMessageByte: 1 }), { code: "invalid_argument", message }, name);
    const isTyped = name === "delimited" || name === "lengthPrefixed";
    const aboutMessages = isTyped ? /messages "txt" is not one of "text", "binary"/ : /no option "messages"/;
    assert.throws(
      () => frame({ messages: "txt" }),
      { code: "invalid_argument", message: aboutMessages },
      name,
    );
  }
});

test("options that are undefined are left out", async () => {
  const none = { noDelay: undefined, signal: undefined, onRefuse: undefined, exemptAddresses: undefined };
  const listener = await listen("unix", path, { ...none, mode: undefined, replaceStale: undefined });
  await listener.close();
});
