import assert from "node:assert/strict";
import { test } from "node:test";
import type { Session } from "@zocalo/client";
import { NUMBERS, TICK, ticks } from "../game/numbers.ts";
import { type ArenaPlay, ChangeableLink, Online } from "./online.ts";

/** After a pause a page makes at most so many inputs. */
const CATCHES_UP = 5;

/** Whoever holds the button for throwing, and for dashing, as their page foretells it. */
class Holder {
  thrown = 0;
  dashed = 0;
  readonly #begun = { throwWait: ticks(NUMBERS.egg.cooldown), dashWait: ticks(NUMBERS.dash.cooldown) };
  #row = { throwWait: 0, dashWait: 0 };
  #before = this.#row;
  #time = 0;

  advance(seconds: number): void {
    const last = Math.floor(this.#time);
    this.#time += seconds / TICK;
    for (let due = Math.min(CATCHES_UP, Math.floor(this.#time) - last); due > 0; due--) {
      const { throwWait, dashWait } = (this.#before = this.#row);
      const isThrown = throwWait <= 1;
      const isDashed = dashWait <= 1;
      if (isThrown) this.thrown += 1;
      if (isDashed) this.dashed += 1;
      this.#row = {
        throwWait: isThrown ? this.#begun.throwWait : throwWait - 1,
        dashWait: isDashed ? this.#begun.dashWait : dashWait - 1,
      };
    }
  }

  /** Between the last two ticks, and corrected by so many. */
  shown(correction: number) {
    const share = this.#time - Math.floor(this.#time);
    const between = (of: "throwWait" | "dashWait"): number =>
      this.#before[of] + (this.#row[of] - this.#before[of]) * share + correction;
    const at = { x: 20, y: 12 };
    return {
      slot: 1,
      at,
      aim: 0,
      team: "sun",
      bag: 0,
      throwWait: between("throwWait"),
      dashWait: between("dashWait"),
    };
  }
}

/** What is foretold in a page that draws so many pictures a second, more or less. */
function playedAt(pictures: number) {
  const holder = new Holder();
  let me = holder.shown(0);
  const play = {
    room: { seat: 0 },
    state: "returning",
    passed: [],
    frame: { get: () => undefined, all: () => [] },
    get me() {
      return me;
    },
    advance: () => "running",
    figures: () => ({}),
  };
  const online = new Online({} as Session, play as unknown as ArenaPlay, new ChangeableLink());
  const told = { throw: 0, dash: 0 };
  for (let i = 0; i < 60 * pictures; i++) {
    const any = (i * 0.618034) % 1;
    const seconds = (0.7 + 0.6 * any) / pictures;
    holder.advance(seconds);
    me = holder.shown(i % 50 === 0 ? 2 * any - 1 : 0);
    online.advance({ now: 0, seconds, isPaused: false, fill: () => {} }, (what) => {
      if (what === "throw" || what === "dash") told[what] += 1;
    });
  }
  return { told, holder };
}

test("each throw and each dash is foretold once, however seldom the page draws", () => {
  for (const pictures of [240, 144, 60, 30, 20, 15, 12, 10, 8]) {
    const { told, holder } = playedAt(pictures);
    assert.ok(holder.thrown > 100 && holder.dashed > 10);
    // Of the last one the picture may not be drawn yet.
    assert.ok(
      holder.thrown - told.throw <= 1 && told.throw <= holder.thrown,
      `${pictures}: ${told.throw} of ${holder.thrown}`,
    );
    assert.ok(
      holder.dashed - told.dash <= 1 && told.dash <= holder.dashed,
      `${pictures}: ${told.dash} of ${holder.dashed}`,
    );
  }
});
