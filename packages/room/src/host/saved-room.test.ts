import assert from "node:assert/strict";
import { test } from "node:test";
import type { Json } from "@zocalo/protocol";
import { squareRoom } from "../../test/square.ts";
import { RoomError } from "../contracts/errors.ts";
import type { RoomDefinition } from "../match/definition.ts";
import { Match } from "../match/match.ts";
import type { Clock } from "../timing/clock.ts";
import type { RoomMode } from "./options.ts";
import { readSavedRoom, savedRoom } from "./saved-room.ts";
import { Seating } from "./seating.ts";

const clock: Clock = { uptime: () => 0, after: () => () => {} };

/** Names of all properties, at each depth; of a list those of its first item. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shapeOf(value[0])];
  if (value === null) return "null";
  if (typeof value !== "object") return typeof value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, shapeOf(each)]));
}

function saved(): Json {
  const mode: RoomMode = squareRoom;
  const match = new Match(mode as RoomDefinition, { id: "r", mode: "square", seed: 1 });
  const seating = new Seating(match, clock, () => "name");
  const who = { keyHash: "hash", user: "ana", name: "Ana" };
  const participant = seating.admit(who, false);
  assert.ok(participant !== undefined);
  participant.outbox.say("hola", () => false);
  seating.ban({ keyHash: "other", user: "", name: "" }, 1_000);
  return savedRoom({ ...seating.save(9), records: true, isWhole: true, at: 7 });
}

test("what is kept of a room is the same after a way through JSON", () => {
  const room = saved();
  assert.deepEqual(readSavedRoom(JSON.parse(JSON.stringify(room)) as Json), room);
});

test("what is kept beside a match has this form; whoever changes it counts the number up", () => {
  assert.deepEqual(shapeOf(saved()), {
    form: "number",
    participants: [
      {
        keyHash: "string",
        user: "string",
        name: "string",
        skill: "number",
        seat: "number",
        isAway: "boolean",
        inputs: {
          taken: "number",
          applied: "number",
          repeats: "number",
          last: "null",
          displayed: "null",
          waiting: [],
        },
        said: { log: "string", before: "number", given: "number", texts: ["string"] },
      },
    ],
    commands: [{ type: "string", seat: "number", user: "string", name: "string", isBot: "boolean" }],
    bans: [["string"]],
    records: "boolean",
    isWhole: "boolean",
    at: "number",
  });
  assert.equal(readSavedRoom(saved()).form, 3);
});

test("what another version of this package has kept is refused with a typed error", () => {
  for (const other of [
    null,
    1,
    "text",
    [],
    {},
    { form: 0 },
    { form: 1 },
    { form: 2 },
    { form: 4 },
    { form: "3" },
  ] as const) {
    assert.throws(
      () => readSavedRoom(other),
      (error) => error instanceof RoomError && error.code === "invalid_value",
    );
  }
});
