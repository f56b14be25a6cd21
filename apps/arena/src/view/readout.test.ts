import assert from "node:assert/strict";
import { test } from "node:test";
import { game } from "../game/game.ts";
import { matchOf } from "../game/movement.ts";
import { Practice } from "../play/practice.ts";
import { Readout } from "./readout.ts";

/** What is read of a match that is in this phase. */
function reading(phase: "countdown" | "play", isPlaying: boolean): Readout {
  const readout = new Readout();
  const practice = new Practice(3, "Ana");
  matchOf(practice.world).phase = phase;
  const frame = game.frame(practice.world);
  const me = practice.me === undefined ? undefined : frame.get(practice.me.slot);
  assert.ok(me?.kind === "player");
  readout.read(frame, me, me, isPlaying);
  return readout;
}

test("for whom one plays is said, in a banner where the match is under way", () => {
  const joined = reading("play", true);
  assert.deepEqual([joined.team.value, joined.banner.value], ["sun", "You play for Sun"]);
  const counting = reading("countdown", true);
  assert.deepEqual([counting.team.value, counting.banner.value], ["sun", ""]);
  assert.equal(counting.said.value, "You play for Sun");
  const watching = reading("play", false);
  assert.deepEqual([watching.team.value, watching.banner.value], [undefined, ""]);
  joined.clear();
  assert.equal(joined.team.value, undefined);
});
