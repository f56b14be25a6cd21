// The PROXY protocol, section by section: https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Conn, dial, listen, type Listener, type Refusal } from "@zocalo/net";

const PAYLOAD = "\0\r\nhello";

/** A version 2 header; `claimed` is its length field where that is not the length of the body. */
function v2(versionAndCommand: number, family: number, body: Uint8Array, claimed = body.length): Buffer {
  const head = Buffer.from("0d0a0d0a000d0a515549540a00000000", "hex");
  head.writeUInt8(versionAndCommand, 12);
  head.writeUInt8(family, 13);
  head.writeUInt16BE(claimed, 14);
  return Buffer.concat([head, body]);
}

const line = (text: string): Buffer => Buffer.from(`${text}\r\n`, "latin1");

/** 203.0.113.7:4242 to 192.0.2.1:443. */
const tcp4 = Buffer.from("cb007107c0000201109201bb", "hex");
/** [2001:db8::7]:4242 to [2001:db8::1]:443. */
const tcp6 = Buffer.from("20010db800000000000000000000000720010db8000000000000000000000001109201bb", "hex");
const unix = Buffer.alloc(216, "/run/a.sock\0");

/** Headers that are followed, with what `remoteAddr` is then; `undefined` is the connection's own. */
const taken: [name: string, header: Buffer, remoteAddr: string | undefined][] = [
  // §2.1
  ["v1, TCP over IPv4", line("PROXY TCP4 203.0.113.7 192.0.2.1 4242 443"), "203.0.113.7:4242"],
  ["v1, TCP over IPv6", line("PROXY TCP6 2001:db8::7 2001:db8::1 4242 443"), "[2001:db8::7]:4242"],
  [
    "v1, the longest IPv6",
    line(`PROXY TCP6 ${"ffff:".repeat(7)}ffff ${"ffff:".repeat(7)}ffff 65535 65535`),
    `[${"ffff:".repeat(7)}ffff]:65535`,
  ],
  ["v1, UNKNOWN in its short form", line("PROXY UNKNOWN"), undefined],
  ["v1, UNKNOWN with addresses, to be ignored", line("PROXY UNKNOWN ffff::1 x 1 2"), undefined],
  ["v1, UNKNOWN with 107 bytes", line(`PROXY UNKNOWN ${"x".repeat(91)}`), undefined],
  // §2.2, the command
  ["v2, LOCAL without addresses", v2(0x20, 0x00, Buffer.alloc(0)), undefined],
  ["v2, LOCAL with an address block, to be skipped", v2(0x20, 0x11, tcp4), undefined],
  ["v2, LOCAL with a family that does not exist, to be ignored", v2(0x20, 0xff, Buffer.alloc(30)), undefined],
  // §2.2, the families and protocols
  ["v2, TCP over IPv4", v2(0x21, 0x11, tcp4), "203.0.113.7:4242"],
  ["v2, TCP over IPv6", v2(0x21, 0x21, tcp6), "[2001:db8::7]:4242"],
  ["v2, unspecified", v2(0x21, 0x00, Buffer.alloc(0)), undefined],
  ["v2, unspecified with bytes, to be skipped", v2(0x21, 0x00, tcp4), undefined],
  ["v2, datagrams over IPv4", v2(0x21, 0x12, tcp4), undefined],
  ["v2, datagrams over IPv6", v2(0x21, 0x22, tcp6), undefined],
  ["v2, Unix stream", v2(0x21, 0x31, unix), undefined],
  ["v2, Unix datagrams", v2(0x21, 0x32, unix), undefined],
  ["v2, a family with an unspecified protocol", v2(0x21, 0x10, tcp4), undefined],
  ["v2, a protocol of an unspecified family", v2(0x21, 0x01, tcp4), undefined],
  [
    "v2, Unix with less than its addresses: skipped by its length",
    v2(0x21, 0x31, Buffer.alloc(3)),
    undefined,
  ],
  // §2.2, the length; §2.2.1 to §2.2.7, what may follow the addresses
  [
    "v2, extensions after the addresses",
    v2(0x21, 0x11, Buffer.concat([tcp4, Buffer.from("0400020000", "hex")])),
    "203.0.113.7:4242",
  ],
  [
    "v2, an extension that claims too much",
    v2(0x21, 0x11, Buffer.concat([tcp4, Buffer.from("01ffff00", "hex")])),
    "203.0.113.7:4242",
  ],
  ["v2, as long as is taken", v2(0x21, 0x31, Buffer.alloc(4080)), undefined],
];

/** What the specification says to refuse, and what is too long. */
const refused: [name: string, header: Buffer][] = [
  ["no header", line("GET / HTTP/1.1")],
  ["v1, two spaces", line("PROXY  TCP4 1.2.3.4 5.6.7.8 80 443")],
  ["v1, a line feed alone", Buffer.from(`PROXY TCP4 1.2.3.4 5.6.7.8 80 443\n${"x".repeat(80)}`)],
  ["v1, 108 bytes", line(`PROXY UNKNOWN ${"x".repeat(92)}`)],
  ["v1, a port too large", line("PROXY TCP4 1.2.3.4 5.6.7.8 65536 443")],
  ["v1, a leading zero in a port", line("PROXY TCP4 1.2.3.4 5.6.7.8 080 443")],
  ["v1, a leading zero in an address", line("PROXY TCP4 01.2.3.4 5.6.7.8 80 443")],
  ["v1, addresses of the other family", line("PROXY TCP4 ::1 ::1 80 443")],
  ["v1, an address with a zone", line("PROXY TCP6 fe80::1%lo ::1 80 443")],
  ["v1, a family that does not exist", line("PROXY UDP4 1.2.3.4 5.6.7.8 80 443")],
  ["v2, version 1", v2(0x11, 0x11, tcp4)],
  ["v2, version 3", v2(0x31, 0x11, tcp4)],
  ["v2, a command that does not exist", v2(0x22, 0x11, tcp4)],
  ["v2, a family that does not exist", v2(0x21, 0x41, tcp4)],
  ["v2, a protocol that does not exist", v2(0x21, 0x13, tcp4)],
  ["v2, an unspecified family with a protocol that does not exist", v2(0x21, 0x0f, tcp4)],
  ["v2, less than its addresses", v2(0x21, 0x11, tcp4.subarray(1))],
  ["v2, IPv6 with the addresses of IPv4", v2(0x21, 0x21, tcp4)],
  ["v2, longer than is taken", v2(0x21, 0x31, unix, 4081)],
  ["v2, the longest length", v2(0x20, 0x00, tcp4, 65_535)],
];

/** How the bytes are sent. */
const deliveries: Record<string, (conn: Conn, bytes: Buffer) => Promise<void>> = {
  whole: (conn, bytes) => conn.write(bytes),
  async bytewise(conn, bytes) {
    for (const byte of bytes) await conn.write(Uint8Array.of(byte));
  },
};

let listener: Listener<Conn>;
let onRefuse: (refusal: Refusal) => void = () => undefined;

before(async () => {
  // Nothing here waits for the timeout: it is longer than any machine takes.
  const proxyProtocol = { trusted: ["127.0.0.1"], timeoutMs: 120_000 };
  listener = await listen("tcp", "127.0.0.1:0", { proxyProtocol, onRefuse: (refusal) => onRefuse(refusal) });
});
after(() => listener.abort());

for (const [way, deliver] of Object.entries(deliveries)) {
  for (const [name, header, remoteAddr] of taken) {
    test(`${name}: ${remoteAddr ?? "the connection's own addresses"} (${way})`, async () => {
      const client = await dial("tcp", String(listener.addr), { noDelay: true });
      const [conn] = await Promise.all([
        listener.accept(),
        deliver(client, Buffer.concat([header, Buffer.from(PAYLOAD)])),
      ]);
      assert.equal(String(conn.remoteAddr), remoteAddr ?? String(client.localAddr));
      if (remoteAddr === undefined) assert.equal(String(conn.localAddr), String(client.remoteAddr));
      assert.equal(String(await conn.readFull(PAYLOAD.length)), PAYLOAD);
      await client.closeWrite();
      assert.equal(await conn.read(), null);
      client.abort();
      conn.abort();
    });
  }

  for (const [name, header] of refused) {
    test(`${name}: refused (${way})`, async () => {
      const told = new Promise<Refusal>((resolve) => {
        onRefuse = resolve;
      });
      const client = await dial("tcp", String(listener.addr), { noDelay: true });
      // The rest of what is refused may find the connection gone.
      const [refusal] = await Promise.all([told, deliver(client, header).catch(() => undefined)]);
      assert.deepEqual([refusal.reason, refusal.error?.code], ["handshake", "bad_frame"]);
      client.abort();
    });
  }
}
