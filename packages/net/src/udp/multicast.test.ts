import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { test } from "node:test";
import { BoundPacketConn } from "./bound-packet-conn.ts";
import { NetError } from "../contracts/error.ts";
import { defaultPacketLimits, listenPacket } from "./listen-packet.ts";
import type { PacketConn } from "../contracts/packet-conn.ts";

const isLinux = process.platform === "linux";
const isCode = (code: string) => (error: unknown) => error instanceof NetError && error.code === code;

/** The loopback interface, whatever this machine calls it. */
const [loopback = "lo"] = Object.entries(networkInterfaces())
  .filter(([, addresses = []]) => addresses.some(({ address }) => address === "127.0.0.1"))
  .map(([name]) => name);

async function next(packets: PacketConn): Promise<string> {
  return Buffer.from((await packets.receive()).bytes).toString();
}

test("a member of a group receives what is sent to it, until it leaves", async () => {
  const group = "239.81.7.1";
  const member = await listenPacket("udp4", ":0", { reuseAddr: true });
  const sender = await listenPacket("udp4", "127.0.0.1:0");
  const { port } = member.localAddr;
  member.join(group, { interface: loopback });
  sender.setMulticastInterface(loopback);
  sender.setMulticastTtl(0);
  sender.setMulticastLoopback(true);
  await sender.send(Buffer.from("to the group"), `${group}:${port}`);
  assert.equal(await next(member), "to the group");

  member.leave(group, { interface: "127.0.0.1" });
  await sender.send(Buffer.from("after leaving"), `${group}:${port}`);
  await sender.send(Buffer.from("to it alone"), `127.0.0.1:${port}`);
  assert.equal(await next(member), "to it alone");
  assert.throws(() => member.leave(group, { interface: loopback }), isCode("address_not_available"));
  await Promise.all([member.close(), sender.close()]);
});

test("a dual-stack socket joins IPv4 groups too", async () => {
  const group = "239.81.7.2";
  const member = await listenPacket("udp", ":0");
  const sender = await listenPacket("udp4", "127.0.0.1:0");
  member.join(group, { interface: "127.0.0.1" });
  sender.setMulticastInterface("127.0.0.1");
  await sender.send(Buffer.from("four"), `${group}:${member.localAddr.port}`);
  assert.equal(await next(member), "four");
  await Promise.all([member.close(), sender.close()]);
});

test("loopback and its likes reach the socket", async (t) => {
  // The loopback interface hears itself whatever is set, and there may be no other: so the call is looked at.
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const packets = new BoundPacketConn(socket, "udp4", defaultPacketLimits);
  const loopbackSet = t.mock.method(socket, "setMulticastLoopback");
  packets.setMulticastLoopback(false);
  packets.setMulticastLoopback(true);
  assert.deepEqual(
    loopbackSet.mock.calls.map((call) => call.arguments),
    [[false], [true]],
  );
  await packets.close();
});

test("a source-specific member receives from that source only", async () => {
  const group = "232.81.7.3";
  const member = await listenPacket("udp4", ":0");
  const { port } = member.localAddr;
  const options = { interface: loopback, source: "127.0.0.2" };
  member.join(group, options);
  const wrong = await listenPacket("udp4", "127.0.0.3:0");
  const right = await listenPacket("udp4", "127.0.0.2:0");
  for (const sender of [wrong, right]) sender.setMulticastInterface(loopback);
  await wrong.send(Buffer.from("wrong"), `${group}:${port}`);
  await right.send(Buffer.from("right"), `${group}:${port}`);
  assert.equal(await next(member), "right");
  member.leave(group, options);
  await Promise.all([member.close(), wrong.close(), right.close()]);
});

test("IPv6 groups are joined by the interface's name or address, and once", async () => {
  const group = "ff02::8107";
  const member = await listenPacket("udp6", ":0");
  member.join(group, { interface: loopback });
  assert.throws(() => member.join(group, { interface: "::1" }), isCode("address_in_use"));
  member.leave(group, { interface: "::1" });
  assert.throws(() => member.leave(group, { interface: loopback }), isCode("address_not_available"));
  member.setMulticastInterface(`::%${loopback}`);
  assert.throws(() => member.join(group, { interface: "fe80::1%no-such0" }), isCode("address_not_available"));
  assert.throws(() => member.setMulticastInterface("::%no-such0"), isCode("address_not_available"));
  await member.close();
});

/**
 * The interfaces on which somebody of this machine is a member of an IPv6 group; `text` is the group without
 * its colons.
 */
function joinedOn(text: string): string[] {
  const lines = readFileSync("/proc/net/igmp6", "utf8").split("\n");
  return lines.filter((line) => line.includes(text)).map((line) => line.trim().split(/\s+/)[1] ?? "");
}

test("an interface is found by its index and by a zone, and no other is taken", {
  skip: !isLinux,
}, async () => {
  const index = readFileSync(`/sys/class/net/${loopback}/ifindex`, "utf8").trim();
  const six = await listenPacket("udp6", ":0");
  const sixes = [`::%${loopback}`, `fe80::1%${loopback}`, `::%${index}`, `fe80::1%${index}`, index, "0:0::1"];
  for (const name of sixes) {
    six.join("ff02::8108", { interface: name });
    assert.deepEqual(joinedOn("ff020000000000000000000000008108"), [loopback], name);
    six.leave("ff02::8108", { interface: name });
    assert.deepEqual(joinedOn("ff020000000000000000000000008108"), [], name);
    six.setMulticastInterface(name);
  }
  const group = "239.81.7.4";
  const four = await listenPacket("udp4", ":0", { reuseAddr: true });
  const sender = await listenPacket("udp4", "127.0.0.1:0");
  for (const name of [`::%${loopback}`, `::%${index}`, index]) {
    four.join(group, { interface: name });
    sender.setMulticastInterface(name);
    await sender.send(Buffer.from(name), `${group}:${four.localAddr.port}`);
    assert.equal(await next(four), name);
    four.leave(group, { interface: name });
  }
  await Promise.all([six.close(), four.close(), sender.close()]);
});

test("an interface that does not exist is refused, whatever it is called by", async () => {
  const six = await listenPacket("udp6", ":0");
  const four = await listenPacket("udp4", ":0");
  const nowhere = ["no-such0", "987654", "0", "-1", "", "::%no-such0", "::%987654", "::%0", "fe80::1%987654"];
  for (const name of [...nowhere, "::", "2001:db8::dead"]) {
    const options = { interface: name };
    assert.throws(() => six.join("ff02::8109", options), isCode("address_not_available"), name);
    assert.throws(() => six.setMulticastInterface(name), isCode("address_not_available"), name);
    assert.throws(
      () => six.join("ff32::8109", { ...options, source: "2001:db8::1" }),
      isCode("address_not_available"),
      name,
    );
  }
  for (const name of [...nowhere, "192.0.2.99"]) {
    const options = { interface: name };
    assert.throws(() => four.join("239.81.7.5", options), isCode("address_not_available"), name);
    assert.throws(() => four.setMulticastInterface(name), isCode("address_not_available"), name);
  }
  await Promise.all([six.close(), four.close()]);
});

test("broadcast must be allowed first", async () => {
  const receiver = await listenPacket("udp4", ":0");
  const sender = await listenPacket("udp4", "127.0.0.1:0");
  const address = `127.255.255.255:${receiver.localAddr.port}`;
  await assert.rejects(sender.send(Buffer.from("x"), address), isCode("permission"));
  sender.setBroadcast(true);
  await sender.send(Buffer.from("to all"), address);
  assert.equal(await next(receiver), "to all");
  sender.setBroadcast(false);
  await assert.rejects(sender.send(Buffer.from("x"), address), isCode("permission"));
  await Promise.all([receiver.close(), sender.close()]);
});

test("what makes no sense is refused with the value that was given", async () => {
  const packets = await listenPacket("udp4", "127.0.0.1:0");
  assert.throws(() => packets.join("192.0.2.1"), /"192\.0\.2\.1" is not a multicast address/);
  assert.throws(() => packets.join("223.255.255.255"), isCode("invalid_argument"));
  assert.throws(() => packets.join("240.0.0.0"), isCode("invalid_argument"));
  assert.throws(() => packets.join("no address"), isCode("invalid_argument"));
  assert.throws(() => packets.join("fe80::1"), isCode("invalid_argument"));
  assert.throws(() => packets.join("232.0.0.1", { source: "::1" }), isCode("invalid_argument"));
  assert.throws(() => packets.join("239.0.0.1", { interface: "no-such0" }), isCode("address_not_available"));
  assert.throws(() => packets.setMulticastInterface("no-such0"), isCode("address_not_available"));
  for (const ttl of [0, 256, 1.5, Number.NaN])
    assert.throws(() => packets.setTtl(ttl), isCode("invalid_argument"));
  for (const ttl of [-1, 256]) assert.throws(() => packets.setMulticastTtl(ttl), isCode("invalid_argument"));
  // An address that nobody's interface has: the system says ENODEV.
  const nowhere = { interface: "192.0.2.1" };
  assert.throws(() => packets.join("239.0.0.1", nowhere), isCode("address_not_available"));
  assert.throws(
    () => packets.join("232.0.0.1", { source: "192.0.2.2", ...nowhere }),
    isCode("address_not_available"),
  );
  packets.setTtl(1);
  packets.setTtl(255);
  packets.setMulticastTtl(255);
  await packets.close();
  assert.throws(() => packets.join("239.0.0.1"), isCode("closed"));
  assert.throws(() => packets.setTtl(64), isCode("closed"));
});
