import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "@zocalo/integrity";
import { ipAddr } from "@zocalo/net";
import { Kind, SEAL_BYTES } from "../src/lanes/seal.ts";
import type { LaneTicket } from "../src/contracts/wire.ts";
import { FakeClient, openedLane, openLanes } from "./fake-lanes.ts";

const ELSEWHERE = ipAddr("udp", "203.0.113.9", 5_000);

test("a client that has its ticket as JSON opens the lane, and messages pass both ways", () => {
  const { lanes, socket } = openLanes();
  const lane = lanes.open("127.0.0.1") ?? assert.fail();
  assert.equal(lane.state, "probing");
  assert.equal(lane.send(Buffer.of(1)), false);
  const client = new FakeClient(JSON.parse(JSON.stringify(lane.ticket)) as LaneTicket, socket);
  const states: string[] = [];
  lane.onState((state) => states.push(state));
  client.open();
  assert.deepEqual(states, ["open"]);
  const came: string[] = [];
  lane.onMessage((bytes) => came.push(String(bytes)));
  client.send("input");
  assert.deepEqual(came, ["input"]);
  assert.equal(lane.send(Buffer.from("snapshot")), true);
  assert.deepEqual(client.texts(), ["snapshot"]);
});

test("what an authentic client says before the round trip is taken", () => {
  const { lanes, socket } = openLanes();
  const lane = lanes.open("127.0.0.1") ?? assert.fail();
  const came: string[] = [];
  lane.onMessage((bytes) => came.push(String(bytes)));
  new FakeClient(lane.ticket, socket).send("early");
  assert.deepEqual(came, ["early"]);
});

test("forged, flipped, truncated, replayed and others' datagrams are dropped and counted; nothing is answered", () => {
  const { lanes, socket, lane, client, messages } = openedLane();
  const other = new FakeClient((lanes.open("127.0.0.1") ?? assert.fail()).ticket, socket);
  const real = client.seal("real");
  const flipped = Buffer.from(real);
  flipped[20] = (flipped[20] ?? 0) ^ 1;
  let others = other.seal("another session's");
  // Of a counter that this lane has not had.
  for (let count = 0; count < 9; count++) others = other.seal("another session's");
  // The other's datagram under this lane's id.
  real.copy(others, 1, 1, 9);
  const unknown = Buffer.from(real);
  unknown.fill(0x55, 1, 9);
  const { lanes: _, ...before } = lanes.stats;
  const sent = socket.sent.length;
  const hostile = [
    flipped,
    others,
    unknown,
    Buffer.alloc(0),
    real.subarray(0, 27),
    Buffer.from(real).fill(9, 0, 1),
  ];
  for (const datagram of hostile) socket.from(ELSEWHERE, datagram);
  assert.deepEqual([messages, lane.addr, socket.sent.length], [[], client.addr, sent]);
  socket.from(client.addr, real);
  socket.from(client.addr, real);
  socket.from(ELSEWHERE, real);
  assert.deepEqual([messages, lane.addr, lane.state], [["real"], client.addr, "open"]);
  assert.equal(socket.sent.length, sent);
  const { lanes: count, ...after } = lanes.stats;
  assert.equal(count, 2);
  assert.deepEqual(after, {
    ...before,
    received: before.received + 1,
    forged: 2,
    unknown: 1,
    truncated: 2,
    malformed: 1,
    replayed: 2,
  });
});

test("rubbish of any kind changes nothing", () => {
  const { socket, lanes, lane, client, messages } = openedLane({ maxReceivedPerSecond: 2_000 });
  const random = new Random(8);
  const sent = socket.sent.length;
  for (let step = 0; step < 2_000; step++) {
    const datagram = random.bytes(random.below(120));
    if (random.chance(0.7)) client.seal("x").copy(datagram, 0, 0, 12);
    socket.from(ELSEWHERE, datagram);
  }
  assert.deepEqual([messages, socket.sent.length, lane.state, lane.addr], [[], sent, "open", client.addr]);
  const { truncated, unknown, malformed, forged, old, replayed } = lanes.stats;
  assert.equal(truncated + unknown + malformed + forged + old + replayed, 2_000);
});

test("the newest address is answered, and one that was overtaken is not", () => {
  const { socket, lane, client } = openedLane();
  const overtaken = client.seal("overtaken");
  client.addr = ELSEWHERE;
  client.send("from elsewhere");
  assert.equal(lane.addr, ELSEWHERE);
  socket.from(ipAddr("udp", "198.51.100.7", 4_000), overtaken);
  assert.equal(lane.addr, ELSEWHERE);
  client.answer();
  assert.equal(lane.send(Buffer.alloc(1_150)), true);
  assert.equal(client.came().at(-1)?.to, String(ELSEWHERE));
});

test("a new address gets no more bytes than came from it until it has answered", () => {
  const { socket, lane, client } = openedLane();
  client.addr = ELSEWHERE;
  client.send(Buffer.alloc(100));
  assert.equal(lane.state, "open");
  let left = 0;
  for (let message = 0; message < 50; message++) if (lane.send(Buffer.alloc(10))) left += 1;
  assert.equal(left, 2); // 128 bytes came; a ping of 36 has left.
  assert.equal(socket.bytesTo(ELSEWHERE), 36 + 2 * (10 + SEAL_BYTES));
  client.answer();
  assert.equal(lane.send(Buffer.alloc(1_150)), true);
});

test("an answer that comes from another address proves neither", () => {
  const { lane, client, socket } = openedLane();
  const home = client.addr;
  client.addr = ELSEWHERE;
  client.send(Buffer.alloc(100));
  const ping = client.came().find(({ kind }) => kind === Kind.ping) ?? assert.fail();
  client.addr = ipAddr("udp", "203.0.113.10", 5_000);
  client.send(ping.bytes, Kind.pong);
  assert.equal(lane.send(Buffer.alloc(1_150)), false);
  client.addr = home;
  client.send("back");
  assert.equal(lane.send(Buffer.alloc(1_150)), true, "the address that was proved is remembered");
  assert.equal(socket.sent.at(-1)?.to, String(home));
});

test("whatever a client does, an address that has not answered gets no more than it sent", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = new Random(seed);
    const { socket, lane, client, clock } = openedLane();
    const addrs = Array.from({ length: 4 }, (_, index) => ipAddr("udp", "203.0.113.9", 6_000 + index));
    const received = new Map<string, number>();
    const proved = new Set<string>();
    let waiting: Buffer[] = [];
    for (let step = 0; step < 120; step++) {
      const addr = random.pick(addrs) ?? ELSEWHERE;
      client.addr = addr;
      const kind = random.pick([Kind.message, Kind.ping, Kind.pong]);
      const datagram = client.seal(random.bytes(random.below(200)), kind);
      if (random.chance(0.2)) waiting.push(datagram);
      else {
        socket.from(addr, datagram);
        received.set(String(addr), (received.get(String(addr)) ?? 0) + datagram.length);
      }
      if (random.chance(0.1)) {
        for (const late of waiting) {
          socket.from(addr, late);
          received.set(String(addr), (received.get(String(addr)) ?? 0) + late.length);
        }
        waiting = [];
      }
      if (random.chance(0.3)) clock.pass(random.below(400));
      for (let count = random.below(6); count > 0; count--) lane.send(random.bytes(random.below(1_150)));
      if (random.chance(0.05)) {
        // Nobody but the addressee can read a ping: only who is there answers it.
        for (const { kind, bytes, to } of client.came()) {
          if (kind !== Kind.ping || to !== String(addr)) continue;
          client.send(bytes, Kind.pong);
          proved.add(to);
        }
      }
      for (const each of addrs) {
        if (proved.has(String(each))) continue;
        assert.ok(socket.bytesTo(each) <= (received.get(String(each)) ?? 0), `seed ${seed}, step ${step}`);
      }
    }
  }
});

test("a copy that was sent ahead from elsewhere is answered until the next datagram, and with no more than it had", () => {
  const { socket, lane, client, messages } = openedLane();
  const home = client.addr;
  socket.from(ELSEWHERE, client.seal("stolen"));
  assert.equal(lane.addr, ELSEWHERE);
  for (let message = 0; message < 20; message++) lane.send(Buffer.alloc(8));
  assert.ok(socket.bytesTo(ELSEWHERE) <= 6 + SEAL_BYTES);
  client.send("next");
  assert.equal(lane.addr, home);
  assert.equal(lane.send(Buffer.alloc(1_150)), true);
  assert.deepEqual(messages, ["stolen", "next"]);
});

test("an answer to a ping is never longer than the ping", () => {
  const { socket, client } = openedLane();
  for (const length of [0, 7, 8, 9, 600, 1_149, 1_150, 1_151, 1_186, 3_000]) {
    const before = socket.bytesTo(client.addr);
    client.send(Buffer.alloc(length), Kind.ping);
    assert.ok(socket.bytesTo(client.addr) - before <= length + SEAL_BYTES, String(length));
  }
});
