import assert from "node:assert/strict";
import { test } from "node:test";
import { type Command, defineRoom, Match, Recording, Replay, saveMatch, type TickSource } from "@zocalo/room";
import { game } from "./game.ts";
import type { Input, Player } from "./kinds.ts";
import { matchOf } from "./movement.ts";
import { NUMBERS, ticks } from "./numbers.ts";
import { ARENA, arenaRoom } from "./room.ts";

const { match: flow } = NUMBERS;

/** The room at work, without a server: what people do, and what it asks for. */
class Table {
  readonly match = new Match(arenaRoom, { id: "1", mode: ARENA, seed: 7 });
  /** In which ticks it asked for a recording. */
  readonly recorded: number[] = [];
  readonly inputs = new Map<number, Partial<Input>>();
  /** By how many ticks people see the others late. */
  late = 0;
  commands: Command[] = [];

  constructor() {
    arenaRoom.open?.(this.match);
    this.match.listener = {
      stepped() {},
      said() {},
      kicked() {},
      closed() {},
      recordingWanted: () => this.recorded.push(this.match.tick),
    };
  }

  join(seat: number, name: string, isBot = false): void {
    this.commands.push({ type: "join", seat, user: isBot ? "" : name, name, isBot });
  }

  fill(from = 0): void {
    for (let seat = from; seat < arenaRoom.seats; seat++) {
      this.join(seat, arenaRoom.botName?.(this.match, seat) ?? "", true);
    }
  }

  run(count = 1): void {
    const row = new Int32Array(game.input.cells.length);
    for (let i = 0; i < count; i++) {
      const { commands } = this;
      const take: TickSource["take"] = (seat, tick, apply) => {
        game.input.toCells(this.inputs.get(seat) ?? {}, row, 0);
        apply(row, tick, tick - this.late, false);
      };
      this.commands = [];
      this.match.run(this.match.tick + 1, { commands, take });
    }
  }

  player(seat: number): Player {
    const player = this.match.seat(seat)?.entity;
    assert.ok(player !== undefined);
    return player;
  }
}

test("bots have the seats that nobody has, five in each team, each under a name of its own", () => {
  const table = new Table();
  table.fill();
  table.run(ticks(flow.countdown) + 300);
  const players = [...table.match.world.all("player")];
  assert.equal(players.filter(({ team }) => team === "sun").length, 5);
  assert.equal(new Set(players.map(({ name }) => name)).size, 10);
  assert.ok(players.every(({ isBot }) => isBot));
  assert.ok(players.some(({ hitsMade, sweets, points }) => hitsMade + sweets + points > 0));
});

test("who comes has their name and a look of their own; who leaves, leaves what they carried", () => {
  const table = new Table();
  table.join(0, "  Ana\u202e Luz\n ");
  table.join(1, "Ana Luz");
  table.join(2, "\u200b");
  table.join(3, "Maximiliano Ñuñoa");
  table.run();
  const names = [0, 1, 2, 3].map((seat) => table.player(seat).name);
  assert.deepEqual(names, ["Ana Luz", "Ana Luz", "?", "Maximiliano Ñu"]);
  assert.equal(table.player(0).look, table.player(1).look);
  table.player(0).sweets = 3;
  table.commands.push({ type: "leave", seat: 0 });
  table.run();
  assert.equal([...table.match.world.all("sweet")].length, 3);
  assert.equal([...table.match.world.all("player")].length, 3);
});

test("a bot steers whoever is away", () => {
  const table = new Table();
  table.join(0, "Ana");
  table.run(ticks(flow.countdown) + 1);
  const { x, y } = table.player(0).at;
  table.run(30);
  assert.deepEqual([table.player(0).at.x, table.player(0).at.y], [x, y]);
  table.commands.push({ type: "away", seat: 0, isAway: true });
  const still = table.match;
  still.run(still.tick + 1, { commands: table.commands, take() {} });
  for (let i = 0; i < 30; i++) still.run(still.tick + 1, { commands: [], take() {} });
  assert.ok(Math.hypot(table.player(0).at.x - x, table.player(0).at.y - y) > 1);
});

/** Ana throws at Omar, who dashes out of the way at the same time. @returns whether it has hit him */
function isHitThoughOmarMoves(late: number): boolean {
  const table = new Table();
  table.late = late;
  table.join(0, "Ana");
  table.join(1, "Omar");
  table.run(ticks(flow.countdown) + 1);
  table.player(0).at = { x: 20, y: 7 };
  table.player(1).at = { x: 21.6, y: 7 };
  table.inputs.set(1, { move: { x: 0, y: -1 } });
  // Omar has walked for so long that on the present screen the egg passes behind him.
  table.run(6);
  table.inputs.set(0, { aim: 0, throws: true });
  table.run();
  table.inputs.delete(0);
  table.run(5);
  return table.player(1).hits === 1;
}

test("an egg hits who was there on the thrower's screen, and nobody else's", () => {
  assert.equal(isHitThoughOmarMoves(0), false);
  assert.equal(isHitThoughOmarMoves(6), true);
});

test("a claim to have seen what was long ago is not believed", () => {
  assert.equal(isHitThoughOmarMoves(60), isHitThoughOmarMoves(6));
});

test("a recording is asked for at first, and whenever a match is over", () => {
  const table = new Table();
  table.run(2 * ticks(flow.countdown) + 2 * ticks(flow.lasts) + ticks(flow.pauseAfter));
  const first = ticks(flow.countdown) + ticks(flow.lasts);
  assert.deepEqual(table.recorded, [1, first, 2 * first + ticks(flow.pauseAfter)]);
});

test("a recorded match goes the same way again, throws that were seen late among it", () => {
  const table = new Table();
  const { match } = table;
  table.late = 5;
  table.join(0, "Ana");
  table.fill(1);
  table.run();
  const recording = new Recording(saveMatch(match));
  match.writer = recording;
  for (let i = 0; i < 40; i++) {
    table.inputs.set(0, { aim: i, throws: i % 3 !== 0, move: { x: Math.cos(i), y: Math.sin(i) } });
    table.run(20);
  }
  const replay = new Replay(arenaRoom, recording.bytes());
  while (replay.next());
  assert.equal(replay.match.tick, match.tick);
  assert.deepEqual(saveMatch(replay.match), saveMatch(match));
  assert.ok(matchOf(match.world).tick > 800);
});

test("it is a definition as `defineRoom` takes them", () => {
  assert.equal(defineRoom(arenaRoom), arenaRoom);
});
