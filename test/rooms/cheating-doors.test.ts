// Cheating where players come in: lanes, bans, queues, and the ids of rooms.
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { listenPacket } from "@zocalo/net";
import { dialLane, type LaneTicket, udpLanes, type UdpLanes } from "@zocalo/room";
import { RoomProgram } from "./programs.ts";
import { newKey, RawPlayer } from "./raw-player.ts";
import { serveRooms } from "./serve-rooms.ts";
import { inputRow, square, squareRoom } from "./square.ts";

const TIMEOUT = { timeout: 60_000 };
const HASH = square.layout.hash;
type Square = typeof squareRoom;

async function lanes(t: TestContext): Promise<UdpLanes> {
  const udp = udpLanes(await listenPacket("udp", "127.0.0.1:0"));
  t.after(() => udp.close());
  return udp;
}

async function ticketOf({ session }: RawPlayer): Promise<LaneTicket> {
  return session.call<never>("room.lane", { kind: "udp" });
}

test(
  "a lane's ticket that another process uses, too, moves nobody; after leaving it is good for nothing",
  TIMEOUT,
  async (t) => {
    const udp = await lanes(t);
    const server = await serveRooms(t, { rooms: { udp } });
    const ana = new RawPlayer(server.session(), square);
    await ana.join();
    const ticket = await ticketOf(ana);
    const lane = dialLane(ticket);
    t.after(() => lane.close());
    let heard = 0;
    lane.onMessage((bytes) => {
      heard += 1;
      ana.received(bytes);
    });
    ana.row = inputRow(1, 0);
    ana.lane?.close();
    ana.lane = lane;
    // The other's numbers begin at 0, and these were all used.
    await ana.until(() => heard > 60);
    ana.row = inputRow(0, 0);
    await ana.until(() => heard > 75);
    const x = ana.cells?.[0];
    {
      await using thief = new RoomProgram("lane", JSON.stringify(ticket));
      await ana.until(() => udp.stats.replayed >= 5);
      assert.deepEqual([ana.cells?.[0], thief.said], [x, []]);
      const before = heard;
      await ana.until(() => heard > before + 10);
    }
    await ana.session.call("room.leave", {});
    assert.equal(udp.stats.lanes, 0);
    await assert.rejects(ana.session.call("room.lane", { kind: "udp" }), { code: "bad_request" });
    await using late = new RoomProgram("lane", JSON.stringify(ticket));
    const { unknown } = udp.stats;
    // Of this nobody is told. To look without a pause would take the other process its core.
    while (udp.stats.unknown < unknown + 3) await new Promise((resolve) => setTimeout(resolve, 5));
    assert.deepEqual([late.said, server.rooms.stats().players], [[], 0]);
    assert.deepEqual([ana.ended, server.errors], [[], []]);
  },
);

test(
  "who is banned stays so with another key, another session and as one who watches, and may play elsewhere",
  TIMEOUT,
  async (t) => {
    const server = await serveRooms(t, {
      authenticate: ({ token }) => ({ user: String(token), isGuest: false }),
    });
    const as = (token: string): RawPlayer => new RawPlayer(server.session({ token }), square);
    const ben = as("ben");
    const { room, seat } = await ben.join();
    await as("ana").join({ room });
    await ben.until(() => ben.own >= 0);
    await ben.session.call("room.event", "kick me");
    await ben.until(() => ben.ended.length > 0);
    assert.deepEqual(ben.ended, [{ reason: "banned", text: "as you wish" }]);
    const banned = { code: "banned" };
    await assert.rejects(ben.join({ room }), banned);
    await assert.rejects(ben.join({ room, key: newKey() }), banned);
    await assert.rejects(as("ben").join({ room }), banned);
    await assert.rejects(as("ben").join({ room, watch: true }), banned);
    await assert.rejects(new RawPlayer(server.session({ token: "eva" }), square, ben.key).join({ room }), {
      code: "banned",
    });
    assert.equal((await as("eva").join({ room })).seat, seat, "others may have that seat");
    assert.equal(server.rooms.stats().players, 2);
    const other = await ben.join({ key: newKey() });
    assert.notEqual(other.room, room, "any room is one where they may play");
  },
);

test("a hundred sessions of one user have one place in the queue", TIMEOUT, async (t) => {
  const matching = { fillAfterMs: 600_000, anySkillAfterMs: 600_000 };
  const mode: Square = { ...squareRoom, matching };
  const server = await serveRooms(t, {
    modes: { square: mode },
    authenticate: ({ token }) => ({ user: String(token), isGuest: false }),
  });
  const asks = Array.from({ length: 100 }, () => {
    const request = { mode: "square", hash: HASH, key: newKey(), name: "Ana" };
    return server.session({ token: "ana" }).call<{ waiting: number }>("room.match", request);
  });
  const settled = await Promise.allSettled(asks);
  const codes = settled.map((ask) => (ask.status === "fulfilled" ? "waits" : Object(ask.reason).code));
  assert.equal(codes.filter((code) => code === "waits").length, 1);
  assert.equal(codes.filter((code) => code === "limit_reached").length, 99);
  const ben = { mode: "square", hash: HASH, key: newKey(), name: "Ben" };
  const { waiting } = await server.session({ token: "ben" }).call<{ waiting: number }>("room.match", ben);
  assert.equal(waiting, 2, "and no other user waits for them");
  assert.equal(server.rooms.size, 0);
});

test(
  "private rooms have ids of 128 random bits, and no answer says that one is there to who has not its id and mode",
  TIMEOUT,
  async (t) => {
    const server = await serveRooms(t, { modes: { square: squareRoom, other: squareRoom } });
    const ids = Array.from({ length: 200 }, () => server.rooms.create("square", { isPrivate: true }).id);
    for (const id of ids) assert.equal(Buffer.from(id, "base64url").length, 16, id);
    // Of as many ids each bit is about as often 1 as 0, and none is like another.
    assert.equal(new Set(ids.map((id) => id.slice(0, 8))).size, ids.length);
    for (let bit = 0; bit < 128; bit++) {
      const ones = ids.filter((id) => ((Buffer.from(id, "base64url")[bit >> 3] ?? 0) >> (bit & 7)) & 1);
      assert.ok(ones.length > 40 && ones.length < 160, `bit ${bit}: ${ones.length}`);
    }
    const player = new RawPlayer(server.session(), square);
    const [id = ""] = ids;
    const told = async (request: object): Promise<string> => {
      const error = await player.join(request).then(
        () => assert.fail(JSON.stringify(request)),
        (reason: unknown) => Object(reason) as { code: string; message: string; data: unknown },
      );
      return JSON.stringify([error.code, error.message, error.data]).replaceAll(
        String(Object(request).room),
        "ID",
      );
    };
    const unknown = await told({ room: newKey() });
    assert.match(unknown, /^\["no_room"/);
    for (const room of [id.slice(0, -1), `${id}A`, id.toLowerCase(), id.toUpperCase(), "__proto__"]) {
      assert.equal(await told({ room }), unknown);
      assert.equal(await told({ room, watch: true }), unknown);
    }
    assert.equal(await told({ room: id, mode: "other" }), await told({ room: newKey(), mode: "other" }));
    assert.equal((await player.join({ room: id })).room, id);
  },
);
