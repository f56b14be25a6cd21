import assert from "node:assert/strict";
import { test } from "node:test";
import { matchOf } from "../game/movement.ts";
import { NUMBERS, ticks } from "../game/numbers.ts";
import type { Happening, Listener } from "./happenings.ts";
import { Practice } from "./practice.ts";
import { ENGLISH, localeOf, SPANISH } from "./words.ts";

function advance(practice: Practice, seconds: number, tell: Listener = () => {}): void {
  practice.advance({ now: 0, seconds, isPaused: false, fill: () => {} }, tell);
}

test("a page that was away is not caught up with", () => {
  const practice = new Practice(1, "Ana");
  advance(practice, 60);
  assert.ok(matchOf(practice.world).tick <= 6);
});

test("what is shown lies between two ticks", () => {
  const practice = new Practice(1, "Ana");
  advance(practice, 0.05);
  assert.ok(Math.abs(matchOf(practice.frame).tick - (matchOf(practice.world).tick - 0.5)) < 1e-9);
});

test("nothing moves while practice is paused", () => {
  const practice = new Practice(1, "Ana");
  practice.advance({ now: 0, seconds: 0.1, isPaused: true, fill: () => {} }, () => {});
  assert.equal(matchOf(practice.world).tick, 0);
});

test("all that happens in a match is told, from its rows alone", () => {
  const practice = new Practice(3, "Ana");
  const told = new Map<Happening, number>();
  let hits = 0;
  while (matchOf(practice.world).phase !== "over") {
    advance(practice, 1 / 30, (what) => told.set(what, (told.get(what) ?? 0) + 1));
  }
  for (const player of practice.world.all("player")) hits += player.hitsMade;
  const all: readonly Happening[] = [
    ...(["throw", "splat", "strike", "burst", "hit", "out", "back", "dash"] as const),
    ...(["steal", "land", "pick", "bring", "treat", "count", "go", "double", "over"] as const),
  ];
  assert.deepEqual(
    all.filter((what) => !told.has(what)),
    [],
  );
  assert.deepEqual([told.get("go"), told.get("double"), told.get("over")], [1, 1, 1]);
  assert.ok((told.get("hit") ?? 0) + (told.get("out") ?? 0) <= hits);
});

test("the pause after a match can be cut short", () => {
  const practice = new Practice(1);
  const match = matchOf(practice.world);
  match.phase = "over";
  match.left = ticks(NUMBERS.match.pauseAfter);
  practice.skipPause();
  assert.equal(match.left, ticks(NUMBERS.match.pauseAfter), "a key that is still held does not do it");
  match.left = ticks(NUMBERS.match.pauseAfter - 1);
  practice.skipPause();
  advance(practice, 0.04);
  assert.deepEqual([match.phase, match.map], ["countdown", "mercado"]);
});

test("nothing is left in English", () => {
  const texts = (words: object): [name: string, text: string][] =>
    Object.entries(words).flatMap(([name, text]: [string, unknown]) => {
      if (typeof text === "string") return [[name, text]];
      return typeof text === "object" && text !== null ? texts(text) : [];
    });
  const spanish = texts(SPANISH).map(([, text]) => text);
  assert.deepEqual(
    texts(ENGLISH).filter(([, text], i) => text === spanish[i]),
    [],
  );
  assert.equal(localeOf(["de", "es-MX", "en"]), "es-MX");
  assert.equal(localeOf([]), "en");
});
