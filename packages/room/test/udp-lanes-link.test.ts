// Lanes between real sockets, over links that are bad.
import assert from "node:assert/strict";
import { test } from "node:test";
import { listenPacket } from "@zocalo/net";
import type { Lane, LaneState } from "../src/lanes/lane.ts";
import { LinkRelay } from "../src/lanes/link-relay.ts";
import type { LaneTicket } from "../src/contracts/wire.ts";
import { dialLane } from "../src/lanes/udp-client.ts";
import { udpLanes, type UdpLanesOptions } from "../src/lanes/udp-server.ts";

const TIMEOUT = { timeout: 120_000 };

function fail(error: unknown): void {
  throw error;
}

/** Resolves when the lane has this state; at once if it has. */
function became(lane: Lane, wanted: LaneState): Promise<void> {
  if (lane.state === wanted) return Promise.resolve();
  return new Promise((resolve) => lane.onState((state) => state === wanted && resolve()));
}

/** A server and a client, with a link between them. */
async function connected(options: UdpLanesOptions = {}, link = new LinkRelay(7)) {
  const packets = await listenPacket("udp", "127.0.0.1:0");
  const lanes = udpLanes(packets, { ...options, advertised: await link.udp(String(packets.localAddr)) });
  const server = lanes.open("127.0.0.1") ?? assert.fail("no lane");
  const client = dialLane(JSON.parse(JSON.stringify(server.ticket)) as LaneTicket, { onError: fail });
  const close = async (): Promise<void> => {
    client.close();
    await lanes.close();
    await link.close();
  };
  return { lanes, link, server, client, close };
}

/** What comes, and the means to wait for it. */
function inbox(lane: Lane) {
  const came: string[] = [];
  let told: (() => void) | undefined;
  lane.onMessage((bytes) => {
    came.push(Buffer.from(bytes).toString());
    told?.();
  });
  const until = async (isEnough: (came: readonly string[]) => boolean, again?: () => void): Promise<void> => {
    while (!isEnough(came)) {
      again?.();
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50);
        told = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  };
  return { came, until };
}

test("a lane opens, and messages of the longest length pass both ways", TIMEOUT, async () => {
  const { server, client, close } = await connected();
  assert.deepEqual([client.state, client.send(Buffer.of(1))], ["probing", false]);
  await Promise.all([became(client, "open"), became(server, "open")]);
  const [atServer, atClient] = [inbox(server), inbox(client)];
  assert.equal(client.send(Buffer.alloc(1_150, "up")), true);
  assert.equal(server.send(Buffer.alloc(1_150, "down")), true);
  assert.equal(client.send(Buffer.alloc(1_151)), false);
  await atServer.until((came) => came.includes("up".repeat(575)));
  await atClient.until((came) => came.some((text) => text.startsWith("downdown")));
  assert.ok(client.roundTripMs !== undefined && server.roundTripMs !== undefined);
  await close();
  assert.deepEqual([client.state, server.state], ["closed", "closed"]);
});

test("over loss, doubling, reordering and bursts each message comes at most once", TIMEOUT, async () => {
  const link = new LinkRelay(11, { delayMs: 20, jitterMs: 15, loss: 0.05, duplicate: 0.2, reorder: 0.1 });
  link.set({ holdMs: 100 });
  const { server, client, close } = await connected({}, link);
  await Promise.all([became(client, "open"), became(server, "open")]);
  const [atServer, atClient] = [inbox(server), inbox(client)];
  let number = 0;
  await atServer.until(
    (came) => came.length >= 300,
    () => {
      for (let count = 0; count < 10; count++) {
        client.send(Buffer.from(`input ${number}`));
        server.send(Buffer.from(`snapshot ${number++}`));
      }
    },
  );
  await atClient.until((came) => came.length >= 100);
  for (const { came } of [atServer, atClient]) assert.equal(new Set(came).size, came.length);
  assert.ok(link.counts("up").duplicated > 0 && link.counts("up").lost > 0);
  assert.ok(client.stats.replayed > 0);
  await close();
});

test("a client whose address changes is answered at the new one", TIMEOUT, async () => {
  const { server, client, link, close } = await connected();
  await Promise.all([became(client, "open"), became(server, "open")]);
  const before = String(server.addr);
  const states: LaneState[] = [];
  server.onState((state) => states.push(state));
  link.rebind();
  const [atServer, atClient] = [inbox(server), inbox(client)];
  await atServer.until(
    (came) => came.length > 0,
    () => client.send(Buffer.from("input")),
  );
  assert.notEqual(String(server.addr), before);
  await atClient.until(
    (came) => came.length >= 20,
    () => server.send(Buffer.alloc(1_150)),
  );
  assert.deepEqual(states, []);
  await close();
});

for (const direction of ["up", "down"] as const) {
  test(
    `a link that is silent ${direction} alone is noticed by both, and so is its return`,
    TIMEOUT,
    async () => {
      const { server, client, link, close } = await connected();
      await Promise.all([became(client, "open"), became(server, "open")]);
      link.set({ isSilent: true }, direction);
      await Promise.all([became(client, "silent"), became(server, "silent")]);
      assert.deepEqual([client.send(Buffer.of(1)), server.send(Buffer.of(1))], [false, false]);
      link.set({ isSilent: false }, direction);
      await Promise.all([became(client, "open"), became(server, "open")]);
      assert.equal(client.send(Buffer.of(1)), true);
      await close();
    },
  );
}

for (const direction of ["up", "down"] as const) {
  test(`a path that carries short datagrams alone ${direction} opens on neither side`, TIMEOUT, async () => {
    const link = new LinkRelay(3);
    link.set({ maxDatagramBytes: 1_100 }, direction);
    const { server, client, close } = await connected({}, link);
    const seen: LaneState[] = [];
    server.onState((state) => seen.push(state));
    await became(client, "silent");
    assert.ok(!seen.includes("open"));
    link.set({ maxDatagramBytes: 1_300 }, direction);
    await Promise.all([became(client, "open"), became(server, "open")]);
    await close();
  });
}

test(
  "nobody there: silent in time, and closed when the server must have ended the lane",
  TIMEOUT,
  async () => {
    const { server, client, link, close } = await connected({ idleTimeoutMs: 4_000 });
    link.set({ isSilent: true });
    await became(client, "silent");
    await became(server, "closed");
    await became(client, "closed");
    await close();
  },
);

test("a server that is gone, and a name that is not found, are silence", TIMEOUT, async () => {
  const { client, lanes, close } = await connected();
  const { ticket } = lanes.open("127.0.0.1") ?? assert.fail();
  await became(client, "open");
  await lanes.close();
  await became(client, "silent");
  await close();
  const lost = dialLane({ ...ticket, address: "no-such-host.invalid:1" }, { onError: fail });
  await became(lost, "silent");
  assert.ok(lost.lastError instanceof Error);
  lost.close();
});

test("a ticket is good for one lane, and one that is none is refused", async () => {
  const { lanes, client, close } = await connected();
  const { ticket } = lanes.open("127.0.0.1") ?? assert.fail();
  const first = dialLane(ticket);
  assert.throws(() => dialLane(ticket), /used before/);
  assert.throws(() => dialLane(JSON.parse(JSON.stringify(ticket)) as LaneTicket), /used before/);
  first.close();
  const wrong: [Partial<Record<keyof LaneTicket, unknown>>, RegExp][] = [
    [{ version: 2 }, /version 1/],
    [{ id: "AAAA" }, /^TypeError: id /],
    [{ toServer: "secret" }, /^TypeError: toServer /],
    [{ toClient: 7 }, /^TypeError: toClient /],
    [{ lifetimeMs: 0 }, /lifetimeMs/],
    [{ maxMessageBytes: 1e9 }, /maxMessageBytes/],
    [{ address: ":0" }, /address/],
    [{ address: 7 }, /address/],
  ];
  for (const [change, message] of wrong) {
    const given = { ...ticket, ...change } as LaneTicket;
    assert.throws(
      () => dialLane(given),
      (error) => message.test(String(error)) && !String(error).includes("secret"),
    );
  }
  assert.throws(() => dialLane(null as unknown as LaneTicket), /version 1/);
  assert.equal(client.state === "closed", false);
  await close();
});
