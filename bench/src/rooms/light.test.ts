import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_BUDGET_BYTES, InputBuffer, type Lane, SnapshotReader, Snapshots } from "@zocalo/room";
import { randomNumbers } from "../room/scenes.ts";
import { game } from "./game.ts";
import { LightLane } from "./light.ts";

/** A lane whose messages come when the test says so, and whose sent ones are kept. */
class Wire implements Lane {
  readonly carrier = "udp";
  readonly state = "open";
  readonly maxMessageBytes = DEFAULT_BUDGET_BYTES;
  sent = new Uint8Array(0);
  bring: (bytes: Uint8Array) => void = () => undefined;

  send(bytes: Uint8Array): boolean {
    this.sent = Uint8Array.from(bytes);
    return true;
  }

  onMessage(handler: (bytes: Uint8Array) => void): void {
    this.bring = handler;
  }

  onState(): void {}

  close(): void {}
}

/** Past the end of what two bytes can tell. */
const FIRST_TICK = 65_500;

test("a light client acknowledges what a whole one does, and its inputs come in time", () => {
  const random = randomNumbers(12);
  const world = game.world();
  const player = world.add("player", {});
  const snapshots = new Snapshots(world);
  const receiver = snapshots.everything.receiver();
  const whole = new SnapshotReader(game.layout);
  const wire = new Wire();
  const light = new LightLane(wire);
  const inputs = new InputBuffer(game.input.cells);
  const out = new Uint8Array(DEFAULT_BUDGET_BYTES);
  snapshots.commit(FIRST_TICK);
  whole.read(out.slice(0, receiver.encode(out)));
  light.takeOver(FIRST_TICK);
  let held = new Uint8Array(0);
  for (let tick = FIRST_TICK + 1; tick <= FIRST_TICK + 500; tick++) {
    player.at.x = 40 * random();
    snapshots.commit(tick);
    const bytes = out.slice(0, receiver.encode(out));
    const fate = random();
    // Some are lost, and some are overtaken by the next.
    if (fate < 0.05) held = bytes;
    else if (fate > 0.1) {
      for (const come of [bytes, held]) {
        if (come.length === 0) continue;
        wire.bring(come);
        whole.read(come);
      }
      held = new Uint8Array(0);
    }
    light.input({ mark: tick & 0xff });
    assert.ok(inputs.receive(wire.sent, tick + 0.5));
    assert.deepEqual({ ...inputs.frames }, whole.acknowledgement, `tick ${tick}`);
    receiver.acknowledge(inputs.frames.tick, inputs.frames.bits);
    inputs.take(tick, () => undefined);
  }
  const { malformed, early, late, applied } = inputs.counts;
  assert.deepEqual({ malformed, early, late }, { malformed: 0, early: 0, late: 0 });
  assert.ok(applied > 490, `${applied} of 500`);
});
