import assert from "node:assert/strict";
import type { Contender, Server } from "./contender.ts";
import type { Link } from "./link.ts";
import { quantizedEntity, type Scene } from "./scenes.ts";

/**
 * One tick: the game goes on, the server learns what its clients have, and sends.
 *
 * @param server Without one nobody is told.
 * @returns to whom it will come.
 */
export function tell(server: Server | undefined, scene: Scene, link: Link, tick: number): boolean[] {
  scene.step();
  for (const client of scene.seen.keys()) {
    const acknowledged = link.acknowledged(client, tick);
    if (acknowledged) server?.acknowledge(client, acknowledged);
  }
  server?.tick(scene, tick);
  return scene.seen.map((_, client) => link.send(client, tick));
}

/**
 * Runs a scene with every client, and compares after each tick what a client that received it sees with
 * what there is: all that it shall see, as it is in this tick, and nothing else. What is reliable comes in
 * the end, and is taken at once.
 *
 * @param skipped Ticks at the beginning in which a client may not have all yet.
 * @returns the bytes for each client and tick, those skipped left out.
 */
export function verify(
  { server, clients, isReliable }: Contender,
  scene: Scene,
  link: Link,
  ticks: number,
  skipped: number,
): number {
  let bytes = 0;
  for (let tick = 0; tick < skipped + ticks; tick++) {
    const arrives = tell(server, scene, link, tick);
    for (const [at, client] of clients.entries()) {
      const patch = server.sent(at);
      if (tick >= skipped) bytes += patch.length;
      if (!isReliable && arrives[at] !== true) continue;
      client.receive(patch);
      if (tick < skipped) continue;
      const expected = scene.entities.filter(({ number }) => scene.seen[at]?.[number] === 1);
      assert.deepEqual(
        client.entities().sort(),
        expected.map(quantizedEntity).sort(),
        `client ${at}, tick ${tick}`,
      );
    }
  }
  return bytes / ticks / clients.length;
}
