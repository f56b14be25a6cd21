import assert from "node:assert/strict";
import { test } from "node:test";
import { NetError } from "@zocalo/net";
import { SEAL_BYTES } from "../src/lanes/seal.ts";
import type { UdpLanesOptions } from "../src/lanes/udp-server.ts";
import { FakeClient, FakeSocket, openedLane, openLanes } from "./fake-lanes.ts";
import { UdpLanes } from "../src/lanes/udp-server.ts";

test("there are as many lanes as allowed, and one that closes makes room", () => {
  const { lanes } = openLanes({ maxLanes: 3 });
  const open = [lanes.open("127.0.0.1"), lanes.open("127.0.0.1"), lanes.open("127.0.0.1")];
  assert.ok(open.every((lane) => lane !== undefined));
  assert.equal(lanes.open("127.0.0.1"), undefined);
  open[0]?.close();
  assert.ok(lanes.open("127.0.0.1"));
  assert.equal(lanes.stats.lanes, 3);
});

test("one host has as many lanes as allowed, and an IPv6 /64 is one", () => {
  const { lanes } = openLanes({ maxLanesPerAddress: 2 });
  const first = lanes.open("2001:db8::1");
  assert.ok(first && lanes.open("2001:db8::2"));
  assert.equal(lanes.open("2001:db8::3"), undefined);
  assert.ok(lanes.open("2001:db8:0:1::1"));
  assert.ok(lanes.open("127.0.0.1"));
  first.close();
  assert.ok(lanes.open("2001:db8::3"));
  for (let lane = 0; lane < 5; lane++) assert.ok(lanes.open("127.0.0.1"), "exempt");
});

test("a message of the longest length passes, and one byte more is refused", () => {
  const { lane, client, messages, lanes } = openedLane();
  assert.equal(lane.maxMessageBytes, 1_150);
  assert.equal(lane.send(Buffer.alloc(1_150)), true);
  assert.equal(lane.send(Buffer.alloc(1_151)), false);
  assert.equal(client.came().at(-1)?.bytes.length, 1_150);
  client.send(Buffer.alloc(1_150, "x"));
  client.send(Buffer.alloc(1_151, "y"));
  assert.deepEqual(messages, ["x".repeat(1_150)]);
  assert.equal(lanes.stats.lanes, 1);
});

test("one lane sends a quarter of a second's bytes at once, and no more than its rate in time", () => {
  const { lane, clock, socket, client, lanes } = openedLane({ maxBytesPerSecond: 40_000 });
  clock.pass(1_000);
  client.answer();
  clock.pass(100);
  const before = socket.bytesTo(client.addr);
  const flood = (): number => {
    let left = 0;
    while (lane.send(Buffer.alloc(1_000 - SEAL_BYTES))) left += 1;
    return left;
  };
  assert.equal(flood(), 10);
  assert.equal(lane.send(Buffer.alloc(1_000 - SEAL_BYTES)), false);
  clock.pass(100);
  assert.equal(flood(), 4);
  assert.equal(socket.bytesTo(client.addr) - before, 14_000);
  assert.ok(lanes.stats.refused >= 3);
});

test("all lanes together stay below their rate, and a lane is not blamed for it", () => {
  const { lanes, socket, clock } = openLanes({ maxTotalBytesPerSecond: 40_000 });
  const pair = [lanes.open("127.0.0.1"), lanes.open("127.0.0.1")].map((lane) => {
    if (lane === undefined) return assert.fail();
    const client = new FakeClient(lane.ticket, socket);
    client.open();
    return lane;
  });
  clock.pass(300);
  let left = 0;
  for (let round = 0; round < 20; round++) {
    for (const lane of pair) if (lane.send(Buffer.alloc(1_000 - SEAL_BYTES))) left += 1;
  }
  assert.equal(left, 10);
  assert.ok(pair.every((lane) => lane.state === "open"));
});

test("a lane has a second's datagrams opened at once, and no more than its rate in time", () => {
  const { lane, clock, client, messages, lanes } = openedLane({ maxReceivedPerSecond: 40 });
  clock.pass(1_000);
  for (let count = 0; count < 40; count++) client.send(`${count}`);
  assert.deepEqual([messages.length, lanes.stats.excess], [40, 0]);
  const late = client.seal("one past it");
  client.deliver(late);
  const forged = client.seal("forged");
  forged[20] = (forged[20] ?? 0) ^ 1;
  client.deliver(forged);
  assert.deepEqual([messages.length, lanes.stats.excess, lanes.stats.forged], [40, 2, 0]);
  clock.pass(25);
  client.deliver(late);
  client.send("again one too many");
  assert.deepEqual([messages.at(-1), messages.length, lanes.stats.excess], ["one past it", 41, 3]);
  assert.equal(lane.state, "open");
});

test("what is not deciphered takes nothing of a lane's rate, and a flooded lane nothing of another's", () => {
  const { clock, client, messages, lanes, socket } = openedLane({ maxReceivedPerSecond: 16 });
  clock.pass(1_000);
  const known = client.seal("first");
  for (let count = 0; count < 100; count++) client.deliver(known);
  client.deliver(Buffer.alloc(40, 9));
  client.deliver(Buffer.concat([Buffer.of(7), known.subarray(1)]));
  for (let count = 1; count < 40; count++) client.send(`${count}`);
  assert.deepEqual([messages.length, lanes.stats.replayed, lanes.stats.excess], [16, 99, 24]);
  const other = lanes.open("127.0.0.1") ?? assert.fail();
  const otherClient = new FakeClient(other.ticket, socket);
  otherClient.open();
  assert.equal(other.state, "open");
});

test("a socket that is full makes send say so", () => {
  const { lane, socket, lanes } = openedLane();
  socket.isFull = true;
  const { refused } = lanes.stats;
  assert.equal(lane.send(Buffer.of(1)), false);
  assert.equal(lanes.stats.refused, refused + 1);
});

test("a lane of whose client nothing comes is silent after 3 seconds, and ends after idleTimeoutMs", () => {
  const { lane, clock, lanes, client } = openedLane({ idleTimeoutMs: 10_000 });
  const states: string[] = [];
  lane.onState((state) => states.push(`${state} at ${clock.time}`));
  const begun = clock.time;
  clock.pass(2_900);
  assert.equal(lane.state, "open");
  clock.pass(200);
  assert.equal(lane.state, "silent");
  assert.equal(lane.send(Buffer.of(1)), false);
  clock.pass(6_800);
  client.came();
  clock.pass(200);
  assert.deepEqual(states, [`silent at ${begun + 3_000}`, `closed at ${begun + 10_000}`]);
  assert.deepEqual([lanes.stats.lanes, clock.timers], [0, 0]);
  client.send("too late");
  assert.equal(lanes.stats.unknown, 1);
});

test("a lane that was never used ends, too", () => {
  const { lanes, clock } = openLanes();
  const lane = lanes.open("127.0.0.1") ?? assert.fail();
  clock.pass(29_900);
  assert.equal(lane.state, "silent");
  clock.pass(200);
  assert.equal(lane.state, "closed");
});

test("one that is used stays, and comes back from silence when it is answered", () => {
  const { lane, clock, client } = openedLane();
  for (let second = 0; second < 60; second++) {
    clock.pass(1_000);
    client.answer();
    assert.equal(lane.state, "open", `second ${second}`);
  }
  clock.pass(5_000);
  assert.equal(lane.state, "silent");
  client.came();
  client.open();
  clock.pass(300);
  client.answer();
  assert.equal(lane.state, "open");
});

test("time for which the process stood still is nobody's silence", () => {
  const { lane, clock, client } = openedLane();
  clock.pass(1_000);
  client.answer();
  clock.standStill(3_600_000);
  assert.equal(lane.state, "open");
  clock.pass(500);
  client.answer();
  clock.pass(1_000);
  assert.equal(lane.state, "open");
});

test("what a handler throws is told, and the lane and the others go on", () => {
  const { lane, client, errors, lanes, socket } = openedLane();
  lane.onMessage(() => {
    throw new Error("of the game");
  });
  client.send("one");
  const other = lanes.open("127.0.0.1") ?? assert.fail();
  const otherClient = new FakeClient(other.ticket, socket);
  otherClient.open();
  client.send("two");
  assert.deepEqual(
    errors.map((error) => (error as Error).message),
    ["of the game", "of the game"],
  );
  assert.deepEqual([lane.state, other.state], ["open", "open"]);
});

test("a closed lane takes and sends nothing; closing the lanes closes each", async () => {
  const { lane, client, messages, lanes } = openedLane();
  const states: string[] = [];
  lane.onState((state) => states.push(state));
  lane.close();
  lane.close();
  client.send("late");
  assert.deepEqual([lane.send(Buffer.of(1)), messages, states], [false, [], ["closed"]]);
  const other = lanes.open("127.0.0.1") ?? assert.fail();
  await lanes.close();
  assert.deepEqual([other.state, lanes.open("127.0.0.1"), lanes.stats.lanes], ["closed", undefined, 0]);
});

test("the address in tickets is the one advertised, or else where the socket is bound", () => {
  const addressOf = (options: UdpLanesOptions): unknown =>
    openLanes(options).lanes.open("127.0.0.1")?.ticket.address;
  assert.equal(addressOf({}), "192.0.2.1:7001");
  assert.equal(addressOf({ advertised: "play.example.org:9000" }), "play.example.org:9000");
  assert.equal(addressOf({ advertised: ":9000" }), ":9000");
  const anywhere = new FakeSocket();
  Object.assign(anywhere, { localAddr: { ...anywhere.localAddr, host: "::" } });
  assert.equal(new UdpLanes(anywhere, {}).open("127.0.0.1")?.ticket.address, ":7001");
});

test("options that are mistaken are refused, and named", () => {
  const wrong: [UdpLanesOptions, RegExp][] = [
    [{ maxLane: 1 } as UdpLanesOptions, /no option "maxLane"/],
    [{ maxLanes: 0 }, /maxLanes 0/],
    [{ maxLanesPerAddress: 1.5 }, /maxLanesPerAddress 1.5/],
    [{ idleTimeoutMs: Number.POSITIVE_INFINITY }, /idleTimeoutMs/],
    [{ maxMessageBytes: 63 }, /maxMessageBytes 63/],
    [{ maxMessageBytes: 65_444 }, /maxMessageBytes 65444/],
    [{ maxBytesPerSecond: -1 }, /maxBytesPerSecond -1/],
    [{ maxReceivedPerSecond: 15 }, /maxReceivedPerSecond 15/],
    [{ maxReceivedPerSecond: 2 ** 20 + 1 }, /maxReceivedPerSecond 1048577/],
    [{ maxTotalReceivedPerSecond: 63 }, /maxTotalReceivedPerSecond 63/],
    [{ maxTotalReceivedPerSecond: 2 ** 24 + 1 }, /maxTotalReceivedPerSecond 16777217/],
    [{ maxTotalBytesPerSecond: "1" as unknown as number }, /maxTotalBytesPerSecond "1"/],
    [{ advertised: "play.example.org" }, /play.example.org/],
    [{ advertised: "play.example.org:0" }, /advertised/],
    [{ exemptAddresses: ["nobody"] }, /nobody/],
    [{ onError: 1 as unknown as () => void }, /onError/],
  ];
  for (const [options, message] of wrong) {
    assert.throws(
      () => new UdpLanes(new FakeSocket(), options),
      (error) => error instanceof NetError && message.test(error.message),
      JSON.stringify(options),
    );
  }
  assert.throws(() => openLanes().lanes.open(undefined as unknown as string), /host is/);
});
