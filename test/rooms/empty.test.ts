// After everybody has left nothing stays.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RoomProgram } from "./programs.ts";

test("a process whose players, watchers and lanes have come and gone counts none of them, and ends by itself", {
  timeout: 60_000,
}, async () => {
  await using program = new RoomProgram("visit");
  const counts = { rooms: 0, players: 0, bots: 0, watchers: 0, lanes: 0, sessionLanes: [0] };
  assert.deepEqual(JSON.parse(await program.says()), counts);
  assert.equal(await program.says(), "closed");
  assert.deepEqual(await program.closed, [0, null]);
});
