import assert from "node:assert/strict";
import { test } from "node:test";
import type { Committed, Engine } from "../src/index.ts";
import { keepAll, listen, text } from "./engine-contract.ts";

/** A store that outlives its engines. */
export interface LastingStore {
  /** Opens it; rejects if it serves one engine at a time, and the one before it was not closed. */
  open(): Promise<Engine>;
  /** Ends the process of the engine, as SIGKILL does; it is of no use any more. */
  crash(engine: Engine): Promise<void>;
  /** Ends what is between the engine and its store, and loses what is on its way. */
  interrupt(engine: Engine): Promise<void>;
  /** While it is closed: puts an older state of it in its place, as a restored backup does. */
  goBack(): Promise<void>;
}

/** What every engine does whose store outlives it, beside all of `engineContract`. */
export function lastingEngineContract(name: string, make: () => LastingStore | Promise<LastingStore>): void {
  const reopened = async (store: LastingStore, run: (engine: Engine) => Promise<void>): Promise<void> => {
    const engine = await store.open();
    try {
      listen(engine);
      await run(engine);
    } finally {
      await engine.close();
    }
  };

  void test(`${name}: what was acknowledged is there when it is opened again, and goes on`, async () => {
    const store = await make();
    let epoch = "";
    await reopened(store, async (engine) => {
      const info = '{"name":"Ana"}';
      ({ epoch } = await engine.publish("c:1", { ...text("a", "k"), info }, keepAll));
      await Promise.all(["b", "c"].map((data) => engine.publish("c:1", text(data), keepAll)));
      await engine.publish("c:2", text("trimmed"), { ...keepAll, publications: 0 });
    });
    await reopened(store, async (engine) => {
      const page = await engine.read("c:1", 0, 10);
      assert.deepEqual([page.epoch, page.head, page.oldest], [epoch, 3, 1]);
      assert.deepEqual(
        page.publications.map(({ offset, info, data }) => [offset, info, data]),
        [
          [1, '{"name":"Ana"}', '"a"'],
          [2, undefined, '"b"'],
          [3, undefined, '"c"'],
        ],
      );
      const { head, oldest } = await engine.open("c:2");
      assert.deepEqual([head, oldest], [1, 2]);
      const again = await engine.publish("c:1", text("a", "k"), keepAll);
      assert.deepEqual([again.epoch, again.offset, again.duplicate], [epoch, 1, true]);
      assert.equal((await engine.publish("c:1", text("d"), keepAll)).offset, 4);
    });
  });

  void test(`${name}: a log that nobody published in is the same one when it is opened again`, async () => {
    const store = await make();
    let epoch = "";
    await reopened(store, async (engine) => {
      ({ epoch } = await engine.open("c:1"));
      await engine.publish("c:2", text("elsewhere"), keepAll);
    });
    await reopened(store, async (engine) => {
      assert.equal((await engine.read("c:1", 0, 1)).epoch, epoch);
      assert.equal((await engine.publish("c:1", text("a"), keepAll)).epoch, epoch);
    });
  });

  void test(`${name}: a closed engine has committed what waited`, async () => {
    const store = await make();
    const engine = await store.open();
    listen(engine);
    const publishing = Promise.all(["a", "b", "c"].map((data) => engine.publish("c:1", text(data), keepAll)));
    await engine.close();
    assert.equal((await publishing).length, 3);
    await reopened(store, async (next) => assert.equal((await next.read("c:1", 0, 10)).head, 3));
  });

  void test(`${name}: a state that went back has another epoch, with a head above 0, and its offsets do not come again`, async () => {
    const store = await make();
    const epochs: string[] = [];
    await reopened(store, async (engine) => {
      for (const data of ["a", "b", "c"])
        epochs.push((await engine.publish("c:1", text(data), keepAll)).epoch);
    });
    await store.goBack();
    await reopened(store, async (engine) => {
      const page = await engine.read("c:1", 0, 10);
      assert.equal(epochs.includes(page.epoch), false);
      assert.ok(page.head > 0 && page.head <= 3);
      assert.equal(page.publications.length, page.head);
      const next = await engine.publish("c:1", text("d"), keepAll);
      assert.deepEqual([next.epoch, next.offset], [page.epoch, page.head + 1]);
    });
  });

  void test(`${name}: what was acknowledged is there after a crash, and a key is known`, async () => {
    const store = await make();
    const first = await store.open();
    listen(first);
    const before = await first.publish("c:1", text("a", "k"), keepAll);
    const pending = Promise.allSettled([1, 2, 3].map(() => first.publish("c:1", text("b"), keepAll)));
    await store.crash(first);
    await pending;
    await reopened(store, async (engine) => {
      const { epoch, head, publications } = await engine.read("c:1", 0, 10);
      assert.deepEqual([epoch, publications[0]?.data], [before.epoch, '"a"']);
      assert.deepEqual(await engine.publish("c:1", text("a", "k"), keepAll), { ...before, duplicate: true });
      assert.equal((await engine.publish("c:1", text("c"), keepAll)).offset, head + 1);
    });
  });

  void test(`${name}: after an interruption the listener has heard of all that is there, in order`, async () => {
    const store = await make();
    const engine = await store.open();
    let known = { epoch: "", head: 0 };
    engine.start({
      publication(_channel, epoch, { offset }) {
        assert.deepEqual([epoch, offset], [known.epoch, known.head + 1]);
        known = { epoch, head: offset };
      },
      replaced: (_channel, { epoch, head }) => (known = { epoch, head }),
      presence: () => undefined,
    });
    known = await engine.open("c:1");
    for (let round = 0; round < 3; round++) {
      const publishing = Array.from({ length: 50 }, () => engine.publish("c:1", text("a"), keepAll));
      const settled = Promise.allSettled(publishing);
      await publishing[0];
      await store.interrupt(engine);
      await settled;
      // Whoever has no key and no answer cannot know; the listener does.
      const { epoch, offset } = await untilPublished(engine);
      assert.deepEqual([known.epoch, known.head], [epoch, offset]);
      const { head } = await engine.read("c:1", 0, 1);
      assert.equal(head, offset);
    }
    await engine.close();
  });

  void test(`${name}: a second engine is refused, and the first does not notice; or each hears of the other's`, async () => {
    const store = await make();
    const first = await store.open();
    const news = listen(first);
    await first.open("c:1");
    const second = await store.open().catch((error: unknown) => {
      assert.equal((error as { code?: unknown }).code, "in_use");
      return undefined;
    });
    if (second) listen(second);
    const { offset } = await (second ?? first).publish("c:1", text("a"), keepAll);
    assert.equal((await first.publish("c:1", text("b"), keepAll)).offset, offset + 1);
    assert.deepEqual(news.publications, ['c:1 1 "a"', 'c:1 2 "b"']);
    await second?.close();
    await first.close();
  });
}

/** Publishes as soon as it can be done again. */
async function untilPublished(engine: Engine): Promise<Committed> {
  for (;;) {
    try {
      return await engine.publish("c:1", text("next"), keepAll);
    } catch (error) {
      assert.equal((error as { code?: unknown }).code, "unavailable");
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
