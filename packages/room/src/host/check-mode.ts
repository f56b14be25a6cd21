import type { Names } from "@zocalo/net/transport";
import { RoomError, refuse } from "../contracts/errors.ts";
import { InputBuffer } from "../input/buffer.ts";
import { defaultRoomDefinition, type RoomDefinition } from "../match/definition.ts";
import { Match } from "../match/match.ts";
import { checkGame } from "../schema/check.ts";
import { MatchQueue } from "./matching/match-queue.ts";
import { viewsOf } from "./snapshot-sender.ts";

const MAX_SEATS = 250;
/** The longest time of a timer, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** The most of what is only counted. */
const MAX_COUNT = 2 ** 31 - 1;

const names: Names<RoomDefinition> = {
  game: 1,
  seats: 1,
  bots: 1,
  maxWatchers: 1,
  maxEntities: 1,
  inputs: 1,
  budgetBytes: 1,
  interest: 1,
  watch: 1,
  maxRewindMs: 1,
  awayMs: 1,
  holdMs: 1,
  emptyMs: 1,
  maxRecordingBytes: 1,
  matching: 1,
  sharesRecordings: 1,
  open: 1,
  join: 1,
  leave: 1,
  step: 1,
  bot: 1,
  botName: 1,
  event: 1,
};

/**
 * Checks a mode and its definition at once, so that no player is the first to find what is wrong with it.
 *
 * @throws RoomError `invalid_schema` for a game that is none, `invalid_option` and `unknown_field` for the
 * rest
 */
export function checkMode(mode: string, definition: RoomDefinition): void {
  if (!/^\w[\w-]{0,31}$/.test(mode))
    refuse("invalid_option", "a mode", mode, "1 to 32 letters, digits, _ and -");
  for (const name of Object.keys(definition)) {
    if (!Object.hasOwn(names, name)) refuseOption(mode, "an option", name, Object.keys(names).join(", "));
  }
  checkGame(definition.game);
  const { seats, bots, maxWatchers, awayMs, holdMs, emptyMs, maxRecordingBytes } = {
    ...defaultRoomDefinition,
    ...definition,
  };
  checkWhole(mode, "seats", seats, 1, MAX_SEATS);
  checkWhole(mode, "bots", bots, 0, seats);
  if (bots > 0 && definition.bot === undefined)
    refuseOption(mode, "bots", bots, "0 without `bot`, which steers them");
  checkWhole(mode, "maxWatchers", maxWatchers, 0, MAX_COUNT);
  checkWhole(mode, "maxRecordingBytes", maxRecordingBytes, 1, MAX_COUNT);
  checkTime(mode, "awayMs", awayMs, 1, Number.POSITIVE_INFINITY);
  checkTime(mode, "holdMs", holdMs, 1, Number.POSITIVE_INFINITY);
  if (emptyMs !== null) checkTime(mode, "emptyMs", emptyMs, 0, MAX_TIMER_MS);
  if (![undefined, "common", "everything"].includes(definition.watch))
    refuseOption(mode, "watch", definition.watch, '"common", "everything"');
  try {
    makeParts(mode, definition, seats);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new RoomError("invalid_option", `of ${mode}: ${error.message}`, { cause: error });
  }
}

/** Makes what each room has, since each part checks its own options. */
function makeParts(mode: string, definition: RoomDefinition, seats: number): readonly unknown[] {
  const { game, inputs, budgetBytes, matching } = definition;
  const match = new Match(definition, { id: "", mode, seed: 0 });
  return [
    match.past(0),
    viewsOf(match),
    match.snapshots.everything.receiver(budgetBytes === undefined ? {} : { budgetBytes }),
    new InputBuffer(game.input.cells, inputs),
    new MatchQueue({ ...matching, seats }),
  ];
}

function checkWhole(mode: string, name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  refuseOption(mode, name, value, `integers from ${least} to ${most}`);
}

function checkTime(mode: string, name: string, value: number, least: number, most: number): void {
  if (typeof value === "number" && value >= least && value <= most) return;
  refuseOption(mode, name, value, `milliseconds from ${least} to ${most}`);
}

function refuseOption(mode: string, what: string, value: unknown, allowed: string): never {
  refuse("invalid_option", `${what} of ${mode}`, value, allowed);
}
