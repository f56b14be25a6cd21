import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "@zocalo/integrity";
import {
  type Command,
  defineGame,
  defineRoom,
  type Fields,
  int,
  type KindName,
  type Kinds,
  Match,
  Recording,
  Replay,
  restoreMatch,
  RoomError,
  saveMatch,
  type TickSource,
} from "../src/index.ts";
import { anyInput, square, squareRoom } from "./square.ts";

/** Rows, randomness, state and seats of a match, to be compared. */
function everything<K extends Kinds, I extends Fields, P extends KindName<K>>(
  match: Match<K, I, P>,
): unknown {
  const { world, chance, state, tick, seats } = match;
  const { end, kinds, cells, generations, layout } = world;
  return {
    tick,
    state,
    random: chance.state,
    seats: seats.map(({ number, name, user, isBot, isAway, displayed }) => [
      number,
      name,
      user,
      isBot,
      isAway,
      displayed,
    ]),
    kinds: [...kinds.subarray(0, end)],
    cells: [...cells.subarray(0, end * layout.stride)],
    generations: [...generations.subarray(0, end)],
  };
}

/** What comes from outside into one tick. */
interface Told {
  readonly commands: readonly Command[];
  readonly inputs: readonly { readonly seat: number; readonly row: Int32Array; readonly displayed: number }[];
}

function sourceOf({ commands, inputs }: Told): TickSource {
  return {
    commands,
    take(seat, tick, apply) {
      for (const input of inputs) if (input.seat === seat) apply(input.row, tick, input.displayed, false);
    },
  };
}

/** What comes into so many ticks: people and bots that come, go, are away, speak and play. */
function history(random: Random, ticks: number): Told[] {
  const taken = new Map<number, "bot" | "person">();
  return Array.from({ length: ticks }, (_, index) => {
    const commands: Command[] = [];
    for (let seat = 0; seat < squareRoom.seats; seat++) {
      if (!random.chance(0.03)) continue;
      if (taken.has(seat)) {
        const isAway = random.chance(0.5);
        const change = random.int(0, 2);
        if (change === 0) commands.push({ type: "away", seat, isAway });
        else if (change === 1) commands.push({ type: "event", seat, data: random.int(0, 9) });
        else commands.push({ type: "leave", seat });
        if (change === 2) taken.delete(seat);
      } else {
        const isBot = random.chance(0.4);
        taken.set(seat, isBot ? "bot" : "person");
        commands.push({ type: "join", seat, user: isBot ? "" : `u${index}`, name: `n${seat}`, isBot });
      }
    }
    const inputs: Told["inputs"][number][] = [];
    for (const [seat, who] of taken) {
      if (who === "bot") continue;
      const count = random.pick([0, 1, 1, 1, 2]);
      for (let i = 0; i < count; i++) {
        const displayed = random.chance(0.1) ? Number.NaN : index + 1 - 12 * random.next();
        inputs.push({ seat, row: anyInput(random), displayed });
      }
    }
    return { commands, inputs };
  });
}

function newMatch(seed: number) {
  const match = new Match(squareRoom, { id: "r", mode: "square", seed, options: { map: 3 } });
  squareRoom.open?.(match);
  return match;
}

test("a match that is made of a checkpoint goes on as the other does, and a recording goes the same way again", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = new Random(seed);
    const told = history(random, random.int(20, 200));
    const match = newMatch(seed);
    const savedAt = random.int(0, told.length - 1);
    const recordedAt = random.int(0, told.length - 1);
    let copy: typeof match | undefined;
    let recording: Recording | undefined;
    const after: unknown[] = [];
    for (const [index, each] of told.entries()) {
      if (index === recordedAt) {
        recording = new Recording(saveMatch(match));
        match.writer = recording;
      }
      if (index === savedAt) {
        const { match: made, host } = restoreMatch(squareRoom, saveMatch(match, { seed }));
        assert.deepEqual(host, { seed });
        assert.deepEqual(everything(made), everything(match), `seed ${seed}: a checkpoint is what was there`);
        assert.deepEqual([made.id, made.mode, made.options], ["r", "square", { map: 3 }]);
        copy = made;
      }
      match.run(index + 1, sourceOf(each));
      copy?.run(index + 1, sourceOf(each));
      if (copy !== undefined)
        assert.deepEqual(everything(copy), everything(match), `seed ${seed}, tick ${index + 1}`);
      if (index >= recordedAt) after.push(everything(match));
    }
    assert.ok(recording !== undefined, "it was recorded");
    const replay = new Replay(squareRoom, recording.bytes());
    for (const expected of after) {
      assert.ok(replay.next(), `seed ${seed}: a recording has every tick`);
      assert.deepEqual(
        everything(replay.match),
        expected,
        `seed ${seed}, tick ${replay.match.tick} of the replay`,
      );
    }
    assert.equal(replay.next(), false);
    assert.equal(recording.ticks, after.length);
  }
});

test("a recording ends before it is too long, with a whole tick", () => {
  const match = newMatch(1);
  const start = saveMatch(match);
  const recording = new Recording(start, start.length + 600);
  match.writer = recording;
  const rows: unknown[] = [];
  for (const [index, each] of history(new Random(3), 400).entries()) {
    match.run(index + 1, sourceOf(each));
    if (!recording.isFull) rows.push(everything(match));
  }
  assert.ok(recording.isFull);
  assert.ok(recording.bytes().length <= start.length + 600);
  const replay = new Replay(squareRoom, recording.bytes());
  for (const expected of rows) {
    assert.ok(replay.next());
    assert.deepEqual(everything(replay.match), expected);
  }
  assert.equal(replay.next(), false);
});

test("what is no checkpoint, or another game's, is refused with a typed error", () => {
  const match = newMatch(1);
  for (const [index, each] of history(new Random(3), 40).entries()) match.run(index + 1, sourceOf(each));
  const bytes = saveMatch(match);
  for (let length = 0; length < bytes.length; length += 7) {
    assert.throws(() => restoreMatch(squareRoom, bytes.subarray(0, length)), isRoomError("invalid_value"));
  }
  const other = defineRoom({
    game: defineGame({
      version: 2,
      ticksPerSecond: 30,
      kinds: { player: { at: int(0, 9) } },
      input: { a: int(0, 1) },
    }),
    seats: 1,
    join: (room) => room.world.add("player"),
  });
  assert.throws(() => restoreMatch(other, bytes), isRoomError("other_schema"));
  const recording = new Recording(bytes);
  match.writer = recording;
  match.run(41, sourceOf({ commands: [{ type: "event", seat: 0, data: 1 }], inputs: [] }));
  const replay = new Replay(squareRoom, recording.bytes().subarray(0, -1));
  assert.throws(() => replay.next(), isRoomError("invalid_value"));
});

test("what `join` gives has to be a player", () => {
  const wrong = defineRoom({
    game: square,
    seats: 1,
    join: (room) => room.world.add("sweet") as never,
  });
  const match = new Match(wrong, { id: "r", mode: "square", seed: 1 });
  const commands: Command[] = [{ type: "join", seat: 0, user: "u", name: "n", isBot: false }];
  assert.throws(() => match.run(1, sourceOf({ commands, inputs: [] })), isRoomError("invalid_value"));
});

test("an input displayed in the future counts as now, and one of long ago as the furthest that may be", () => {
  const match = newMatch(1);
  const seen: number[] = [];
  const row = anyInput(new Random(1));
  const join: Command = { type: "join", seat: 0, user: "u", name: "n", isBot: false };
  for (const [index, displayed] of [Number.NaN, 9, 1, 0, 4.51, -1e9, Infinity].entries()) {
    const commands = index === 0 ? [join] : [];
    match.run(index + 1, sourceOf({ commands, inputs: [{ seat: 0, row, displayed }] }));
    seen.push(match.seat(0)?.displayed ?? -1);
  }
  // 250 ms are 7.5 ticks.
  assert.deepEqual(seen, [1, 2, 1, 0, 4.5625, -1.5, 7]);
});

function isRoomError(code: string): (error: unknown) => boolean {
  return (error) => error instanceof RoomError && error.code === code;
}
