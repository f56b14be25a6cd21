// Arena on the built command: a native client plays over UDP, and a match outlives its server.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join as path } from "node:path";
import { createInterface } from "node:readline";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { ARENA, game, hasMatch, matchOf, think, viewOf } from "@zocalo/arena";
import { connect } from "@zocalo/client";
import { join } from "@zocalo/room";
import * as websocket from "@zocalo/websocket";
import { runServer, ServerProcess } from "./e2e-server.ts";

const BOT = fileURLToPath(new URL("../examples/src/arena-bot.ts", import.meta.url));
const TIMEOUT = { timeout: 120_000 };
const LOOK_EACH_MS = 15;
const BACKOFF = { baseMs: 250, maxMs: 500 };
/** `RoomsOptions.checkpointMs` of a server that was told nothing else, in ticks. */
const CHECKPOINT_TICKS = 5 * game.ticksPerSecond;

/** What is shown of a match. */
interface Shown {
  /** By the wall, in milliseconds. */
  readonly at: number;
  readonly tick: number;
  /** In which tick this phase ends. */
  readonly ends: number;
  readonly map: string;
  readonly phase: string;
  readonly sun: number;
  readonly moon: number;
  /** By name: how often each player has hit. */
  readonly hits: ReadonlyMap<string, number>;
}

/** Somebody who plays as a bot would, by the session alone. */
async function enter(t: TestContext, server: ServerProcess) {
  const session = connect(`ws://127.0.0.1:${server.ports.http}/ws`, {
    dial: websocket.dial,
    backoff: BACKOFF,
  });
  t.after(() => session.close());
  const states: string[] = [];
  /** When each snapshot came, in milliseconds of the wall. */
  const arrivals: number[] = [];
  session.onMessage("room.lane", () => arrivals.push(Date.now()));
  const onState = (state: string): void => void states.push(state);
  const play = await join(session, game, { mode: ARENA, name: "Ana", onState });
  const watchers = new Set<() => void>();
  let seen: Shown | undefined;
  const timer = setInterval(() => {
    const display = play.advance(performance.now(), (input) => {
      if (play.me !== undefined && hasMatch(viewOf(play.frame))) think(play.me, viewOf(play.frame), input);
    });
    if (display === "waiting" || display === "holding" || !hasMatch(viewOf(play.frame))) return;
    seen = shown(play.frame);
    for (const look of watchers) look();
  }, LOOK_EACH_MS);
  t.after(() => clearInterval(timer));

  /** Resolves with what is shown as soon as this holds. */
  const until = (holds: (now: Shown) => boolean): Promise<Shown> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (seen === undefined || !holds(seen)) return;
        watchers.delete(look);
        resolve(seen);
      };
      watchers.add(look);
    });
  return { play, session, states, arrivals, until };
}

function shown(frame: Parameters<typeof viewOf>[0]): Shown {
  const { tick, left, map, phase, sun, moon } = matchOf(viewOf(frame));
  const players = [...frame.all("player")];
  const hits = new Map(players.map(({ name, hitsMade }) => [name, hitsMade]));
  // Both are on their way between two ticks; their sum is not.
  return { at: Date.now(), tick, ends: Math.round(tick + left), map, phase, sun, moon, hits };
}

/** Nothing that was shown before has become less, and the same clock runs. */
function checkGoesOn(before: Shown, after: Shown): void {
  assert.deepEqual([after.map, after.phase, after.ends], [before.map, before.phase, before.ends]);
  assert.ok(after.sun >= before.sun && after.moon >= before.moon);
  assert.deepEqual([...after.hits.keys()], [...before.hits.keys()]);
  for (const [name, hits] of before.hits) assert.ok((after.hits.get(name) ?? 0) >= hits, name);
}

/** The longest time in which no snapshot came, in milliseconds. */
function longestGap(arrivals: readonly number[]): number {
  return Math.max(...arrivals.slice(1).map((at, i) => at - (arrivals[i] ?? at)));
}

function hitsOf({ hits }: Shown): number {
  return [...hits.values()].reduce((sum, each) => sum + each, 0);
}

test(
  "a match goes on over a server that is stopped and started, and over one that is killed",
  TIMEOUT,
  async (t) => {
    const data = await mkdtemp(path(tmpdir(), "zocalo-arena-"));
    t.after(() => rm(data, { recursive: true, force: true }));
    const args = ["--engine", "durable", "--data", data];
    const first = await ServerProcess.start(undefined, args);
    t.after(() => first.kill("SIGKILL"));
    const { play, states, arrivals, until } = await enter(t, first);
    const { room, seat, process: born } = play.room;
    assert.deepEqual([play.restored, play.room.isReturn], [undefined, false]);
    const before = await until((now) => now.phase === "play" && hitsOf(now) > 0);

    arrivals.splice(0, arrivals.length - 1);
    assert.equal((await first.kill("SIGTERM")).code, 0);
    const second = await ServerProcess.start(first.ports, args);
    t.after(() => second.kill("SIGKILL"));
    const after = await until(() => play.state === "playing" && play.room.process !== born);
    assert.deepEqual([play.room.room, play.room.seat, play.restored], [room, seat, "whole"]);
    checkGoesOn(before, after);
    assert.ok(after.tick >= before.tick, "no tick is lost");
    assert.ok(states.includes("returning") && states.at(-1) === "playing");
    t.diagnostic(`stopped and started: ${longestGap(arrivals)} ms without snapshots`);

    const begun = after.tick + CHECKPOINT_TICKS + game.ticksPerSecond;
    const killed = await until(({ tick }) => tick > begun);
    const { process: next } = play.room;
    arrivals.splice(0, arrivals.length - 1);
    await second.kill("SIGKILL");
    const third = await ServerProcess.start(first.ports, args);
    t.after(() => third.kill("SIGKILL"));
    const back = await until(() => play.state === "playing" && play.room.process !== next);
    assert.deepEqual([play.room.room, play.room.seat, play.restored], [room, seat, "checkpoint"]);
    checkGoesOn(before, back);
    assert.ok(back.tick > after.tick, "a checkpoint of the second server is what the third began with");
    const gap = longestGap(arrivals);
    const behind = Math.round(
      killed.tick + ((back.at - killed.at) * game.ticksPerSecond) / 1_000 - back.tick,
    );
    t.diagnostic(`killed: ${gap} ms without snapshots, ${behind} ticks lost, those included`);
    assert.ok(back.tick > killed.tick - CHECKPOINT_TICKS - game.ticksPerSecond);
    await play.leave();
  },
);

test("examples/arena-bot.ts plays over UDP, and leaves at SIGINT", TIMEOUT, async (t) => {
  const server = await ServerProcess.start();
  t.after(() => server.kill("SIGKILL"));
  const node = ["--conditions=zocalo-source", "--import", import.meta.resolve("tsx")];
  const url = `ws://localhost:${server.ports.http}/ws`;
  const bot = spawn(process.execPath, [...node, BOT, url, "Ana"], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => bot.kill("SIGKILL"));
  const ended = once(bot, "exit");
  const wanted = [
    /^room [\w-]+, seat 0$/,
    /^carrier udp$/,
    /^play on zocalo$/,
    /^\w+ \d+ points, [1-9]\d* hits/,
  ];
  const said: string[] = [];
  for await (const line of createInterface(bot.stdout)) {
    said.push(line);
    if (wanted.every((pattern) => said.some((each) => pattern.test(each)))) break;
  }
  for (const pattern of wanted)
    assert.ok(
      said.some((line) => pattern.test(line)),
      `${pattern}: ${said.join("; ")}`,
    );
  bot.kill("SIGINT");
  assert.deepEqual(await ended, [0, null]);
});

test("without the game there is neither page nor rooms, nor a lane for them", TIMEOUT, async (t) => {
  const server = await ServerProcess.start(undefined, ["--arena", "off"]);
  t.after(() => server.kill("SIGKILL"));
  assert.equal(server.ports.lanes, undefined);
  assert.equal((await fetch(`http://localhost:${server.ports.http}/arena/`)).status, 404);
  const session = connect(`ws://127.0.0.1:${server.ports.http}/ws`, { dial: websocket.dial });
  t.after(() => session.close());
  await assert.rejects(join(session, game, { mode: ARENA }), { code: "unknown_method" });
});

test("a lane of UDP is told where the setting says, and none where it is off", TIMEOUT, async (t) => {
  const told = await ServerProcess.start(undefined, ["--lane-address", "play.example.org:7002"]);
  t.after(() => told.kill("SIGKILL"));
  const { play, session } = await enter(t, told);
  const ticket = await session.call<{ address: string } | null>("room.lane", { kind: "udp" });
  assert.equal(ticket?.address, "play.example.org:7002");
  await play.leave();

  const off = await ServerProcess.start(undefined, ["--lane-port", "off"]);
  t.after(() => off.kill("SIGKILL"));
  assert.equal(off.ports.lanes, undefined);
  const other = await enter(t, off);
  assert.equal(await other.session.call("room.lane", { kind: "udp" }), null);
  assert.equal(await other.session.call("room.lane", { kind: "webrtc", offer: "v=0\r\n" }), null);
});

const ROOM = new URL("../packages/room/dist/index.js", import.meta.url).href;
const HALL = `
import { bool, defineGame, defineRoom, int } from ${JSON.stringify(ROOM)};
export const hall = defineGame({
  version: 1,
  ticksPerSecond: 20,
  kinds: { player: { points: int(0, 9) } },
  input: { jumps: bool() },
});
const join = ({ world }) => world.add("player", { points: 7 });
export default { hall: defineRoom({ game: hall, seats: SEATS, join }) };
`;

test(
  "a game of one's own is served beside arena, and a bad one is told in one sentence",
  TIMEOUT,
  async (t) => {
    const directory = await mkdtemp(path(tmpdir(), "zocalo-own-game-"));
    t.after(() => rm(directory, { recursive: true, force: true }));
    const file = path(directory, "hall.mjs");
    await writeFile(file, HALL.replace("SEATS", "2"));
    const server = await ServerProcess.start(undefined, ["--rooms", file]);
    t.after(() => server.kill("SIGKILL"));
    const session = connect(`ws://127.0.0.1:${server.ports.http}/ws`, { dial: websocket.dial });
    t.after(() => session.close());
    const { hall } = (await import(file)) as { hall: typeof game };
    assert.equal((await join(session, hall, { mode: "hall" })).room.seat, 0);
    const { play } = await enter(t, server);
    assert.equal(play.room.mode, ARENA);

    await writeFile(file, HALL.replace("SEATS", "0"));
    const doors = ["--http-port", "0", "--tcp-port", "off", "--udp-port", "off", "--lane-port", "off"];
    const refused = await runServer([...doors, "--rooms", file]);
    assert.equal(refused.code, 1);
    assert.equal(
      refused.stderr.trim(),
      "zocalo: Cannot serve rooms: seats of hall is 0; allowed: integers from 1 to 250.",
    );
    const missing = await runServer([...doors, "--rooms", "./nosuch.mjs"]);
    assert.equal(missing.code, 1);
    assert.equal(missing.stderr, "zocalo: Cannot load the rooms of ./nosuch.mjs: there is no such file.\n");

    const config = path(directory, "zocalo.config.json");
    await writeFile(config, JSON.stringify({ namespaces: { rooms: {} } }));
    const taken = await runServer([...doors, "--config", config]);
    assert.equal(taken.code, 2);
    assert.match(
      taken.stderr,
      /^zocalo: namespaces\.rooms is what rooms have; choose another name, [^\n]+\n$/,
    );
  },
);
