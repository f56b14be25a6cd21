// Many connections of one address read pages: nobody else waits behind all of them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type LogPage, MemoryEngine } from "../src/index.ts";
import { settle } from "./fake-clock.ts";
import { square } from "./square.ts";
import { GREEDY, HONEST } from "./visitors.ts";

/** One that reads when it is let. */
class HeldEngine extends MemoryEngine {
  readonly held: (() => void)[] = [];
  isHolding = true;

  override async read(...args: Parameters<MemoryEngine["read"]>): Promise<LogPage> {
    if (this.isHolding) await new Promise<void>((resolve) => this.held.push(resolve));
    return super.read(...args);
  }
}

test("one address has two pages read at once, others do not wait for it, and all are answered", async () => {
  const engine = new HeldEngine();
  const { hub, conn } = square({ engine });
  const pages = Array.from({ length: 19 }, (_, index) =>
    conn(GREEDY).ask({ type: "history", channel: "quiet:x", limit: index + 1 }),
  );
  const leaver = conn(GREEDY);
  leaver.say({ type: "history", channel: "quiet:x" });
  await settle();
  assert.equal(engine.held.length, 2);
  const honest = conn(HONEST).ask({ type: "history", channel: "quiet:x" });
  await settle();
  assert.equal(engine.held.length, 3);
  leaver.cut();
  engine.isHolding = false;
  for (const letGo of engine.held) letGo();
  for (const page of [honest, ...pages]) assert.equal((await page).type, "history");
  await hub.close();
});
