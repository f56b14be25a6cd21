import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { endianness } from "node:os";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { keysOf, readRows, unacknowledgedBytes } from "./unacknowledged.ts";

const ipv4 = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     
   0: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1664 1 0000000052fe7071 100 0 0 10 0                      
   1: 0100007F:1F90 0100007F:C350 01 0027AC40:00000000 01:00000014 00000000     0        0 1701 2 00000000c94d0d5b 20 4 30 10 -1                     
1024: 0100007F:C350 0100007F:1F90 01 00000000:0005B3A0 00:00000000 00000000     0        0 1702 1 00000000c94d0d5c 20 4 30 10 -1                     
`;

const ipv6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:854C 00000000000000000000000001000000:9C8D 01 000000FF:00000000 03:000009CD 00000000     0        0 0 3 000000007e90a4f9
   1: 0000000000000000FFFF00000100007F:1F91 0000000000000000FFFF00000100007F:C351 01 00000100:00000000 01:00000014 00000000     0        0 0 3 000000007e90a4fa
   2: B80D0120000000000000000001000000:0016 B80D01200000000000000000EFBEADDE:D431 01 00000002:00000000 01:00000014 00000000     0        0 0 3 000000007e90a4fb
`;

/** What the tables say of a connection, if the text comes in pieces of so many characters. */
function lookedUp(
  text: string,
  local: [string, number],
  remote: [string, number],
  size: number,
): number | undefined {
  const [localAddress, localPort] = local;
  const [remoteAddress, remotePort] = remote;
  const keys = keysOf({ localAddress, localPort, remoteAddress, remotePort }) ?? [];
  const found = new Map<string, number | undefined>(keys.map((key) => [key, undefined]));
  let rest = "";
  for (let at = 0; at < text.length; at += size) rest = readRows(rest + text.slice(at, at + size), found);
  return [...found.values()].find((bytes) => bytes !== undefined);
}

// The fixtures are those of a little-endian machine.
const options = { skip: endianness() !== "LE" };

for (const size of [1, 7, 150, 100_000]) {
  test(`a row is found by both ends, in pieces of ${size} characters`, options, () => {
    const local: [string, number] = ["127.0.0.1", 8080];
    const remote: [string, number] = ["127.0.0.1", 50_000];
    assert.equal(lookedUp(ipv4, local, remote, size), 2_600_000);
    assert.equal(lookedUp(ipv4, remote, local, size), 0);
    assert.equal(lookedUp(ipv4, local, ["127.0.0.1", 50_001], size), undefined);
    assert.equal(lookedUp(ipv4, ["127.0.0.2", 8080], remote, size), undefined);
  });

  test(`a row of IPv6 too, in pieces of ${size} characters`, options, () => {
    assert.equal(lookedUp(ipv6, ["::1", 34_124], ["::1", 40_077], size), 255);
    assert.equal(lookedUp(ipv6, ["2001:db8::0:1", 22], ["2001:db8::dead:beef%eth0", 0xd431], size), 2);
  });

  test(
    `a connection of IPv4 to a socket of both versions stands among those of IPv6, ${size}`,
    options,
    () => {
      assert.equal(lookedUp(ipv6, ["127.0.0.1", 8081], ["127.0.0.1", 50_001], size), 256);
      assert.equal(lookedUp(ipv6, ["::ffff:127.0.0.1", 8081], ["::ffff:7f00:1", 50_001], size), 256);
    },
  );
}

test("a socket that is not connected, or has no address, has no row", async () => {
  assert.equal(keysOf({}), undefined);
  assert.equal(
    keysOf({ localAddress: "/run/a.sock", localPort: 1, remoteAddress: "", remotePort: 1 }),
    undefined,
  );
  assert.equal(await unacknowledgedBytes({}), undefined);
  const nobody = { localAddress: "192.0.2.1", localPort: 1, remoteAddress: "192.0.2.2", remotePort: 1 };
  assert.equal(await unacknowledgedBytes(nobody), undefined);
});

const onLinux = { skip: process.platform !== "linux" };

for (const [host, name] of [
  ["127.0.0.1", "IPv4"],
  ["::1", "IPv6"],
  ["::", "IPv4 on a socket of both versions"],
] as const) {
  test(
    `a peer that does not read leaves bytes unacknowledged, one that reads on does not: ${name}`,
    onLinux,
    async (t) => {
      const server = createServer({ pauseOnConnect: true });
      server.listen(0, host);
      await once(server, "listening");
      const { port } = server.address() as AddressInfo;
      const accepted = once(server, "connection");
      const writer = connect({ port, host: host === "::" ? "127.0.0.1" : host });
      const [[reader]] = (await Promise.all([accepted, once(writer, "connect")])) as unknown as [[Socket]];
      t.after(() => {
        writer.destroy();
        reader.destroy();
        server.close();
      });
      const sockets = host === "::" ? [reader, writer] : [writer, reader];
      const [sending, receiving] = sockets as [Socket, Socket];
      assert.equal(await unacknowledgedBytes(sending), 0);
      receiving.pause();
      sending.write(new Uint8Array(30_000_000));
      // Until the kernels' buffers are full.
      let before = -1;
      for (
        let bytes = 0;
        bytes !== before || bytes === 0;
        bytes = (await unacknowledgedBytes(sending)) ?? -1
      ) {
        before = bytes;
        for (let turns = 0; turns < 20; turns++) await turn();
      }
      assert.ok(before > 100_000, `${before}`);
      receiving.resume();
      while ((await unacknowledgedBytes(sending)) !== 0) await turn();
      sending.destroy();
      receiving.destroy();
      await Promise.all([once(sending, "close"), once(receiving, "close")]);
      assert.equal(await unacknowledgedBytes(sending), undefined);
      server.close();
    },
  );
}

test(
  "all who ask at about the same time share one look, and those who ask meanwhile the next",
  onLinux,
  async (t) => {
    const opened = t.mock.method(fs, "open");
    const { syncBuiltinESMExports } = await import("node:module");
    syncBuiltinESMExports();
    const end = (port: number) => ({
      localAddress: "192.0.2.1",
      localPort: port,
      remoteAddress: "192.0.2.2",
      remotePort: 1,
    });
    const first = Array.from({ length: 10_000 }, (_, port) => unacknowledgedBytes(end(port)));
    while (opened.mock.callCount() === 0) await turn();
    const second = Array.from({ length: 10_000 }, (_, port) => unacknowledgedBytes(end(port)));
    await Promise.all([...first, ...second]);
    const looks = opened.mock.calls.filter((call) => call.arguments[0] === "/proc/self/net/tcp").length;
    assert.equal(looks, 2);
    opened.mock.restore();
    syncBuiltinESMExports();
  },
);
