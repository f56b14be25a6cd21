// What lanes of one address, and all of them together, may have opened in a second.
import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultUdpLanesOptions, type UdpLanesOptions } from "../src/lanes/udp-server.ts";
import { FakeClient, openLanes } from "./fake-lanes.ts";

/** Lanes for players at these hosts, one for each, and what each of them got through. */
function lanesAt(hosts: readonly string[], options: UdpLanesOptions) {
  const parts = openLanes({ exemptAddresses: [], ...options });
  const players = hosts.map((host) => {
    const lane = parts.lanes.open(host) ?? assert.fail();
    const client = new FakeClient(lane.ticket, parts.socket);
    const player = { lane, client, came: 0 };
    lane.onMessage(() => player.came++);
    return player;
  });
  /** Each sends so many, in turns; what they had got before is forgotten. */
  const send = (count: number, who = players): number[] => {
    for (const player of players) player.came = 0;
    for (let turn = 0; turn < count; turn++) for (const { client } of who) client.send("x");
    return who.map(({ came }) => came);
  };
  return { ...parts, players, send };
}

const many = (host: string, count: number): string[] => Array.from({ length: count }, () => host);

test("lanes of one address have half of what is served as it comes, and their part of the rest, and no more", () => {
  const { lanes, clock, send } = lanesAt(many("198.51.100.1", 10), { maxTotalReceivedPerSecond: 400 });
  const sum = (counts: readonly number[]): number => counts.reduce((all, one) => all + one, 0);
  assert.equal(sum(send(10)), 100, "at the limit");
  assert.equal(lanes.stats.excess, 0);
  assert.deepEqual([sum(send(1)), lanes.stats.excess], [0, 10], "one past it");
  clock.pass(100);
  // Of 100 a second, a tenth; and it is the only address, so the other half is its own.
  assert.equal(sum(send(10)), 10 + 20);
  assert.ok(lanes.stats.excess > 10);
});

test("all lanes together have what they may, and no more", () => {
  const hosts = Array.from({ length: 8 }, (_, at) => `198.51.100.${at}`);
  const { lanes, clock, send } = lanesAt(hosts, { maxTotalReceivedPerSecond: 400 });
  const counts = send(25);
  assert.deepEqual(
    counts,
    many("", 8).map(() => 25),
    "200 as they come",
  );
  assert.equal(lanes.stats.excess, 0);
  assert.deepEqual(
    send(1),
    many("", 8).map(() => 0),
    "and none more at once",
  );
  clock.pass(1_000);
  const second = send(200).reduce((all, one) => all + one, 0);
  assert.ok(second >= 398 && second <= 400, `${second} in a second`);
});

test("however much some addresses send, each of the others has its equal part", () => {
  const hostile = ["198.51.100.1", "198.51.100.2", "198.51.100.3"];
  const { clock, send, players } = lanesAt([...hostile, "203.0.113.9"], {
    maxTotalReceivedPerSecond: 800,
    maxReceivedPerSecond: 10_000,
  });
  const honest = players.slice(3);
  send(1_000, players.slice(0, 3));
  let came = 0;
  for (let tick = 0; tick < 60; tick++) {
    clock.pass(1_000 / 30);
    send(100, players.slice(0, 3));
    came += send(1, honest)[0] ?? 0;
  }
  // 800 / 2 / 4 a second are its own: it sends 30, and all of them come.
  assert.equal(came, 60);
});

test("a lane that is past its own rate takes nothing of what all may have", () => {
  const { send, players, lanes } = lanesAt(["198.51.100.1", "203.0.113.9"], {
    maxTotalReceivedPerSecond: 64,
    maxReceivedPerSecond: 16,
  });
  assert.deepEqual(send(500, players.slice(0, 1)), [16]);
  assert.equal(lanes.stats.excess, 484);
  assert.deepEqual(send(16, players.slice(1)), [16]);
});

test("an exempt address has all that is served as it comes; its part is free again when its lanes have ended", () => {
  const options = { maxTotalReceivedPerSecond: 400, exemptAddresses: ["10.0.0.0/8"] };
  const { clock, send, players } = lanesAt(["10.1.2.3", "198.51.100.1"], options);
  assert.deepEqual(send(250, players.slice(0, 1)), [200]);
  clock.pass(1_000);
  send(300, players.slice(0, 1));
  assert.deepEqual(send(200, players.slice(1)), [100], "half of the other half");
  players[0]?.lane.close();
  clock.pass(1_000);
  assert.deepEqual(send(400, players.slice(1)), [256], "its own rate, of 100 and 200 that all may have");
});

test("without a limit of lanes for each address they are still told apart", () => {
  const options = { maxTotalReceivedPerSecond: 400, maxLanesPerAddress: Number.POSITIVE_INFINITY };
  const { send, players } = lanesAt(["198.51.100.1", "203.0.113.9"], options);
  assert.deepEqual(send(150, players.slice(0, 1)), [100]);
  assert.deepEqual(send(150, players.slice(1)), [100]);
});

test("by default all lanes have 32,768 datagrams a second opened", () => {
  assert.equal(defaultUdpLanesOptions.maxTotalReceivedPerSecond, 32_768);
});
