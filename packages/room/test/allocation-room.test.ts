// What a tick of a whole room leaves to the garbage collector, whose pauses players would feel.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

/** When functions are compiled is not the same each time, and by what was seen until then they differ. */
const MOST_RUNS = 3;
/**
 * Bytes a tick, of ten players: 1,560 to 1,740 were measured, which are numbers that one function gives to
 * another. An object more for each player is 240 at least.
 */
const MOST_ROOM_BYTES = 1_850;
/** To seal and open ten datagrams: 13,870 to 16,470 were measured, nearly all of them `node:crypto`'s own. */
const MOST_SEALING_BYTES = 16_800;

test("a tick of a warm room of ten players makes no object for each of them", (t) => {
  let [room, sealing] = [Infinity, Infinity];
  for (let run = 0; run < MOST_RUNS && (room > MOST_ROOM_BYTES || sealing > MOST_SEALING_BYTES); run++) {
    const measured = measure();
    room = Math.min(room, measured.room);
    sealing = Math.min(sealing, measured.sealing);
  }
  t.diagnostic(`${Math.round(room)} bytes a tick, and ${Math.round(sealing)} to seal and open 10 datagrams`);
  assert.ok(room <= MOST_ROOM_BYTES, `${room} bytes a tick`);
  assert.ok(sealing <= MOST_SEALING_BYTES, `${sealing} bytes`);
});

function measure(): { readonly room: number; readonly sealing: number } {
  const program = fileURLToPath(new URL("allocation-room.ts", import.meta.url));
  const flags = ["--expose-gc", "--min-semi-space-size=64", "--max-semi-space-size=64"];
  const enough = [String(MOST_ROOM_BYTES), String(MOST_SEALING_BYTES)];
  const args = [...process.execArgv.filter(isLoader), ...flags, program, ...enough];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" })) as ReturnType<typeof measure>;
}

/** Keeps what makes TypeScript run. */
function isLoader(arg: string, index: number, all: readonly string[]): boolean {
  return arg.startsWith("--conditions") || arg.startsWith("--import") || all[index - 1] === "--import";
}
