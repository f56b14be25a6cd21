import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Gap, Position, Publications } from "../src/index.ts";
import { begin } from "./begin.ts";
import { settled } from "./fake-clock.ts";

const name = "plaza:general";

/** What happens, in any order. */
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("publish" as const), count: fc.integer({ min: 1, max: 12 }) }),
  },
  { weight: 2, arbitrary: fc.constant({ do: "cut" as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("trim" as const), keep: fc.nat(6) }) },
  { weight: 2, arbitrary: fc.constant({ do: "replace" as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("subscribe" as const),
      last: fc.option(fc.nat(20), { nil: undefined }),
      buffer: fc.integer({ min: 1, max: 8 }),
      presence: fc.boolean(),
      isHandled: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("read" as const),
      who: fc.nat(),
      count: fc.integer({ min: 1, max: 20 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("resume" as const), who: fc.nat() }) },
  { weight: 3, arbitrary: fc.constant({ do: "settle" as const }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 3_000 }) }),
  },
);

/** Fails unless what one subscriber is told follows on from what it was told before. */
class Witness {
  last: Position | undefined;
  /** Everything told, as epoch:offset. */
  readonly got = new Set<string>();

  constructor(since: Position | undefined) {
    this.last = since;
  }

  publication(told: { readonly epoch: string; readonly offset: number; readonly data: unknown }): void {
    assert.equal(told.data, `${told.epoch}:${told.offset}`, "the data is of another place in the log");
    if (this.last !== undefined) {
      assert.deepEqual(
        [told.epoch, told.offset],
        [this.last.epoch, this.last.offset + 1],
        "no gap, no repetition, no reorder",
      );
    }
    this.last = { epoch: told.epoch, offset: told.offset };
    this.got.add(`${told.epoch}:${told.offset}`);
  }
}

interface Reader {
  readonly witness: Witness;
  readonly subscription: Publications | undefined;
  position(): Position | undefined;
}

test("in any history each subscriber is told everything in order, or exactly what is lost", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), async (steps) => {
      const { server, clock, session } = begin();
      const room = session.channel<string>(name);
      const readers: Reader[] = [];
      let epochs = 1;
      const failures: unknown[] = [];
      const check = (run: () => void) => {
        try {
          run();
        } catch (error) {
          failures.push(error);
        }
      };

      const add = (
        options: { last?: number; since?: Position; presence?: boolean },
        buffer: number,
        isHandled: boolean,
      ) => {
        const witness = new Witness(options.since);
        const onGap = (gap: Gap) =>
          check(() => {
            if (gap.reset) {
              if (witness.last !== undefined) assert.deepEqual(gap.previous, witness.last);
              witness.last = { epoch: gap.epoch, offset: 0 };
            } else {
              if (witness.last !== undefined) {
                assert.deepEqual([gap.epoch, gap.from], [witness.last.epoch, witness.last.offset + 1]);
              }
              assert.ok(gap.to >= gap.from);
              const { epoch, trimmed } = server.log(name);
              assert.ok(gap.epoch !== epoch || gap.to <= trimmed, "told of a gap where there is none");
              witness.last = { epoch: gap.epoch, offset: gap.to };
            }
          });
        if (!isHandled) {
          const subscription = room.subscribe({ ...options, bufferEntries: buffer, gap: onGap });
          readers.push({ witness, subscription, position: () => subscription.position });
          return;
        }
        const handled = room.subscribe(options, {
          publication: ({ offset, data }) =>
            check(() => witness.publication({ epoch: handled.position?.epoch ?? "", offset, data })),
          gap: onGap,
          recovered: ({ since }) => check(() => assert.deepEqual(since, witness.last ?? since)),
        });
        readers.push({ witness, subscription: undefined, position: () => handled.position });
      };

      const pending = new Map<Publications, Promise<unknown>>();
      const read = async ({ subscription, witness }: Reader, count: number) => {
        if (subscription === undefined) return;
        for (let index = 0; index < count; index++) {
          if (pending.has(subscription)) return;
          let isDone = false;
          const reading = subscription.next().then(({ value }) => {
            isDone = true;
            pending.delete(subscription);
            if (value === undefined) return;
            check(() =>
              witness.publication({
                epoch: subscription.position?.epoch ?? "",
                offset: value.offset,
                data: value.data,
              }),
            );
          });
          pending.set(subscription, reading);
          await Promise.resolve();
          await Promise.resolve();
          await Promise.resolve();
          if (!isDone) return; // it waits for more, and takes it when it comes
        }
      };

      for (const it of steps) {
        if (it.do === "publish") {
          const { epoch } = server.log(name);
          for (let index = 0; index < it.count; index++)
            server.publish(name, `${epoch}:${server.head(name) + 1}`);
        } else if (it.do === "cut") {
          if (server.conns.at(-1)?.isOpen) server.conn.cut();
        } else if (it.do === "trim")
          server.trim(name, Math.max(server.log(name).trimmed, server.head(name) - it.keep));
        else if (it.do === "replace") {
          // A log is replaced when a server that kept it in memory restarts.
          if (server.conns.at(-1)?.isOpen) server.conn.cut();
          server.reset(name, `e${++epochs}`);
        } else if (it.do === "subscribe") {
          const { last, presence, buffer, isHandled } = it;
          if (readers.length < 6)
            add({ ...(last === undefined ? {} : { last }), presence }, buffer, isHandled);
        } else if (it.do === "read") {
          const reader = readers[it.who % Math.max(1, readers.length)];
          if (reader !== undefined) await read(reader, it.count);
        } else if (it.do === "resume") {
          const since = readers[it.who % Math.max(1, readers.length)]?.position();
          if (since !== undefined && readers.length < 6) add({ since }, 3, false);
        } else if (it.do === "settle") await settled();
        else await clock.advance(it.ms);
        assert.deepEqual(failures, []);
      }

      // In the end everybody gets to the head of the log.
      await clock.advance(60_000);
      const { epoch } = server.log(name);
      const marker = `${epoch}:${server.head(name) + 1}`;
      server.publish(name, marker);
      for (const reader of readers) {
        for (let turn = 0; turn < 400 && !reader.witness.got.has(marker); turn++) {
          await read(reader, 1);
          await settled();
        }
        assert.deepEqual(failures, []);
        assert.ok(reader.witness.got.has(marker), "somebody never got to the head");
      }
      await session.close();
      assert.equal(clock.timers, 0);
    }),
    { numRuns: 1_000 },
  );
});
