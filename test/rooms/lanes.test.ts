// What a room does with a lane that is better than the session's.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Lane, WebRtcLanes } from "@zocalo/room";
import { RawPlayer } from "./raw-player.ts";
import { serveRooms } from "./serve-rooms.ts";
import { inputRow, square } from "./square.ts";

test("a room tells the lane how old the newest acknowledged snapshot is: of who falls deaf, ever older", async (t) => {
  const ages: number[] = [];
  const player: { current?: RawPlayer } = {};
  const lane: Lane = {
    carrier: "webrtc",
    state: "open",
    maxMessageBytes: 1_150,
    send(bytes) {
      player.current?.received(bytes.slice());
      return true;
    },
    acknowledged: (ageMs) => ages.push(ageMs),
    onMessage() {},
    onState() {},
    close() {},
  };
  const webRtc = { open: () => Promise.resolve({ answer: "yes", lane }) } as unknown as WebRtcLanes;
  const server = await serveRooms(t, { rooms: { webRtc } });
  const ana = new RawPlayer(server.session(), square);
  player.current = ana;
  await ana.join();
  assert.deepEqual(await ana.session.call("room.lane", { kind: "webrtc", offer: "please" }), {
    answer: "yes",
  });
  ana.row = inputRow(1, 0);
  await ana.until(() => ages.length > 30);
  const usual = ages.slice(10).toSorted((a, b) => a - b)[Math.floor((ages.length - 10) / 2)] ?? Number.NaN;
  ana.row = undefined;
  const deafFrom = ages.length;
  await ana.until(() => (ages.at(-1) ?? 0) > usual + 150);
  const since = ages.slice(deafFrom + 2);
  for (const [index, age] of since.entries())
    assert.ok(index === 0 || age > (since[index - 1] ?? 0), since.join(" "));
});
