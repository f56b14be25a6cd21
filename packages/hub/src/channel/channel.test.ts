import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../test/fake-clock.ts";
import { square } from "../../test/square.ts";
import type { EngineListener } from "../engine/engine.ts";
import { MemoryEngine } from "../memory/memory-engine.ts";
import { Backlog } from "./backlog.ts";
import { Channels } from "./channel.ts";
import { Counters } from "./stats.ts";

/** Answers who publishes before it tells of it. */
class LateEngine extends MemoryEngine {
  readonly late: (() => void)[] = [];
  isLate = false;

  override start(listener: EngineListener): void {
    super.start({
      publication: (...news) => {
        const tell = (): void => listener.publication(...news);
        if (this.isLate) this.late.push(tell);
        else tell();
      },
      replaced: (...news) => listener.replaced(...news),
      presence: (...news) => listener.presence(...news),
    });
  }
}

test("an acknowledgement of a log that was replaced meanwhile says nothing of the new one", async () => {
  const clock = new FakeClock();
  const backlog = new Backlog(1_000, clock, () => []);
  const channels = new Channels(new MemoryEngine({ clock }), new Counters(), clock, 1_000, backlog);
  const channel = channels.acquire("a:x");
  await channel.opened;
  const former = channel.epoch;
  channel.replaced({ epoch: "new", head: 0, oldest: 1 });
  channel.acknowledged(former, 21);
  assert.equal(channel.newest, 0);
  channel.acknowledged("new", 3);
  assert.equal(channel.newest, 3);
});

test("who subscribes since what was acknowledged is told no reset by a page that was read before", async () => {
  const clock = new FakeClock();
  const engine = new LateEngine({ clock });
  const { hub, conn } = square({ clock, engine });
  await conn().ask({ type: "subscribe", channel: "quiet:x" });
  for (let count = 1; count <= 8; count++) await hub.publish("quiet:x", count);
  const { epoch } = await engine.read("quiet:x", 0, 1);
  const subscribe = { type: "subscribe", channel: "quiet:x", since: { epoch, offset: 10 } } as const;
  engine.isLate = true;
  const early = await conn().ask(subscribe);
  assert.ok(early.type === "subscribed" && early.reset === true);
  for (let count = 9; count <= 10; count++) await hub.publish("quiet:x", count);
  const later = await conn().ask(subscribe);
  assert.ok(later.type === "subscribed" && later.reset === undefined);
  assert.equal(later.head, 10);
  for (const tell of engine.late) tell();
  await hub.close();
});
