import assert from "node:assert/strict";
import { test } from "node:test";
import { readBoxes } from "./boxes.ts";
import { tellBoxes } from "./boxes-run.ts";
import { colyseus } from "./colyseus.ts";
import type { Contender } from "./contender.ts";
import { Link } from "./link.ts";
import { ours } from "./ours.ts";
import { Scene, SCENES, TICKS_PER_SECOND } from "./scenes.ts";
import { verify } from "./verify.ts";

const LINK = { roundTripMs: 150, loss: 0.05, ticksPerSecond: TICKS_PER_SECOND };

for (const settings of Object.values(SCENES)) {
  for (const [name, make] of Object.entries({ "@colyseus/schema": colyseus, "@zocalo/room": ours })) {
    test(`Every client of ${name} sees what there is, and nothing else: ${settings.name}`, () => {
      const scene = new Scene(settings, 1);
      const bytes = verify(make(scene), scene, new Link(settings.clients, LINK, 1), 5, 40);
      assert.ok(bytes > 0);
    });
  }
}

test("A contender that leaves out what changes does not pass", () => {
  const scene = new Scene(SCENES["10 players"], 1);
  const { server, clients } = colyseus(scene);
  const [nothing, ...others] = clients;
  assert.ok(nothing);
  const lazy: Contender = {
    server,
    clients: [{ receive: () => {}, entities: () => nothing.entities() }, ...others],
    isReliable: true,
  };
  assert.throws(() => verify(lazy, scene, new Link(10, LINK, 1), 5, 0), /client 0, tick \d/);
});

test("In the scene with views each client sees about 105", () => {
  const { seen } = new Scene(SCENES["1,000 moving, 20 clients"], 12);
  const counts = seen.map((each) => each.reduce((sum, isSeen) => sum + isSeen, 0));
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  assert.ok(mean > 95 && mean < 115, `${mean}`);
});

test("A client has every box where it is, in less than its bits", () => {
  const { kbits, quantizedKbits } = tellBoxes(readBoxes().slice(0, 90), 1);
  assert.ok(kbits < quantizedKbits / 4, `${kbits} kbit/s`);
});
