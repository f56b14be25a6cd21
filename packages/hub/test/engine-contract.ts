import assert from "node:assert/strict";
import { test } from "node:test";
import type {
  Engine,
  EngineListener,
  LogState,
  NewPublication,
  PresenceEvent,
  Retention,
} from "../src/index.ts";

/** What an engine has told its listener, as text. */
export interface News extends EngineListener {
  readonly publications: string[];
  readonly events: (PresenceEvent & { readonly channel: string })[];
}

export const keepAll: Retention = {
  publications: 1_000,
  bytes: 1_000_000,
  ttlMs: 3_600_000,
  keyMs: 60_000,
};

export function text(data: string, key?: string): NewPublication {
  return { user: "ana", data: JSON.stringify(data), key };
}

export function listen(engine: Engine): News {
  const publications: string[] = [];
  const events: News["events"] = [];
  engine.start({
    publication: (channel, _epoch, { offset, data }) =>
      publications.push(`${channel} ${offset} ${String(data)}`),
    replaced: () => assert.fail("no log was replaced"),
    presence: (channel, event) => events.push({ channel, ...event }),
  });
  return { publications, events, publication() {}, replaced() {}, presence() {} };
}

/**
 * What every engine does. Each test makes an engine of its own and closes it.
 *
 * @param settled resolves when the listener has been told of all that was committed
 */
export function engineContract(
  name: string,
  make: () => Engine | Promise<Engine>,
  settled: () => Promise<void> = async () => undefined,
): void {
  const engineTest = (what: string, run: (engine: Engine, news: News) => Promise<void>): void => {
    void test(`${name}: ${what}`, async () => {
      const engine = await make();
      try {
        await run(engine, listen(engine));
      } finally {
        await engine.close();
      }
    });
  };

  engineTest("offsets are 1, 2, 3 … in one epoch, whoever waits or not", async (engine) => {
    const all = await Promise.all(["a", "b", "c"].map((data) => engine.publish("c:1", text(data), keepAll)));
    assert.deepEqual(
      all.map(({ offset, duplicate }) => [offset, duplicate]),
      [
        [1, false],
        [2, false],
        [3, false],
      ],
    );
    assert.equal(new Set(all.map(({ epoch }) => epoch)).size, 1);
    assert.ok((all[0]?.epoch.length ?? 99) <= 64);
  });

  engineTest("channels are independent", async (engine) => {
    await engine.publish("c:1", text("a"), keepAll);
    assert.equal((await engine.publish("c:2", text("b"), keepAll)).offset, 1);
    assert.equal((await engine.read("c:2", 0, 10)).publications[0]?.data, '"b"');
  });

  for (const channel of ["__proto__", "constructor", "toString:x"]) {
    engineTest(`${channel} is a channel like any other`, async (engine) => {
      assert.equal((await engine.read(channel, 0, 1)).head, 0);
      assert.equal((await engine.publish(channel, { ...text("a"), user: "__proto__" }, keepAll)).offset, 1);
      assert.equal((await engine.read(channel, 0, 1)).publications[0]?.user, "__proto__");
    });
  }

  engineTest("reads back what was published, word for word", async (engine) => {
    const data = JSON.stringify({ text: 'ñ "\u2028\0😀', deep: [null, -0.5, { __proto__: 1 }] });
    const { at } = await engine.publish("c:1", { user: "ana", info: '{"name":"Ana"}', data }, keepAll);
    const { publications } = await engine.read("c:1", 0, 10);
    assert.deepEqual(
      publications.map((publication) => ({ ...publication })),
      [{ offset: 1, at, user: "ana", info: '{"name":"Ana"}', data }],
    );
  });

  engineTest("reads back bytes as they were, beside text that looks the same", async (engine) => {
    const shared = Uint8Array.from({ length: 300 }, (_, byte) => byte);
    const mine = shared.subarray(10, 266);
    const published = [
      engine.publish("c:1", { user: "ana", data: mine }, keepAll),
      engine.publish("c:1", { user: "ana", data: new Uint8Array() }, keepAll),
      engine.publish("c:1", { user: "ana", data: Buffer.from("[1]") }, keepAll),
      engine.publish("c:1", { user: "ana", data: "[1]" }, keepAll),
    ];
    const expected = [mine.slice(), new Uint8Array(), Uint8Array.from(Buffer.from("[1]")), "[1]"];
    shared.fill(0); // the caller's own again
    await Promise.all(published);
    const { publications } = await engine.read("c:1", 0, 10);
    assert.deepEqual(
      publications.map(({ data }) => (typeof data === "string" ? data : Uint8Array.from(data))),
      expected,
    );
  });

  engineTest("tells of bytes as they were", async (engine, news) => {
    await engine.open("c:1");
    const data = Uint8Array.of(0, 255);
    const publishing = engine.publish("c:1", { user: "ana", data }, keepAll);
    data.fill(7);
    await publishing;
    await settled();
    assert.deepEqual(news.publications, ["c:1 1 0,255"]);
  });

  engineTest("counts bytes as bytes", async (engine) => {
    const bounds = { ...keepAll, bytes: 1_000 };
    for (let number = 1; number <= 3; number++)
      await engine.publish("c:1", { user: "ana", data: new Uint8Array(500) }, bounds);
    assert.equal((await engine.read("c:1", 0, 10)).oldest, 2);
  });

  engineTest("reads a page from any place, as long as asked for", async (engine) => {
    for (let number = 1; number <= 10; number++) await engine.publish("c:1", text(`${number}`), keepAll);
    const offsets = async (after: number, limit: number): Promise<readonly number[]> =>
      (await engine.read("c:1", after, limit)).publications.map(({ offset }) => offset);
    assert.deepEqual(await offsets(0, 3), [1, 2, 3]);
    assert.deepEqual(await offsets(7, 3), [8, 9, 10]);
    assert.deepEqual(await offsets(7, 100), [8, 9, 10]);
    assert.deepEqual(await offsets(10, 5), []);
    assert.deepEqual(await offsets(Number.MAX_SAFE_INTEGER - 1, 1), []);
    const { head, oldest } = await engine.read("c:1", 5, 1);
    assert.deepEqual([head, oldest], [10, 1]);
  });

  engineTest("reads from any place of a long log of which the beginning is gone", async (engine) => {
    for (let number = 1; number <= 100; number++) {
      await engine.publish("c:1", text(`${number}`), { ...keepAll, publications: 70 });
      await engine.publish("c:2", text("beside it"), keepAll);
    }
    for (let after = 0; after <= 100; after++) {
      const { publications } = await engine.read("c:1", after, 2);
      const first = Math.max(after + 1, 31);
      assert.deepEqual(
        publications.map(({ offset, data }) => [offset, data]),
        [first, first + 1].filter((offset) => offset <= 100).map((offset) => [offset, `"${offset}"`]),
      );
    }
  });

  engineTest(
    "an unknown channel is an empty log, and stays the same one when it gets its first publication",
    async (engine) => {
      const before = await engine.read("c:1", 0, 10);
      assert.deepEqual([before.head, before.oldest, before.publications.length], [0, 1, 0]);
      assert.equal((await engine.publish("c:1", text("a"), keepAll)).epoch, before.epoch);
    },
  );

  engineTest(
    "keeps no more publications than the retention says, and reads from the oldest kept",
    async (engine) => {
      for (let number = 1; number <= 5; number++) {
        await engine.publish("c:1", text(`${number}`), { ...keepAll, publications: 3 });
      }
      const page = await engine.read("c:1", 0, 10);
      assert.deepEqual(
        [page.head, page.oldest, page.publications.map(({ offset }) => offset)],
        [5, 3, [3, 4, 5]],
      );
    },
  );

  engineTest("keeps no more text than the retention says", async (engine) => {
    const big = { user: "u", data: JSON.stringify("x".repeat(98)) }; // 100 bytes with the quotes
    const wide = { user: "u", info: "{}", data: JSON.stringify("漢".repeat(32)) }; // also 100
    for (const each of [big, wide, big]) await engine.publish("c:1", each, { ...keepAll, bytes: 200 });
    assert.equal((await engine.read("c:1", 0, 10)).oldest, 2);
    await engine.publish("c:2", big, { ...keepAll, bytes: 99 });
    const { head, oldest } = await engine.read("c:2", 0, 10);
    assert.deepEqual([head, oldest], [1, 2]);
  });

  engineTest("keeps nothing where nothing is to be kept, and counts on", async (engine) => {
    const retention = { ...keepAll, publications: 0 };
    await engine.publish("c:1", text("a"), retention);
    assert.equal((await engine.publish("c:1", text("b"), retention)).offset, 2);
    const page = await engine.read("c:1", 0, 10);
    assert.deepEqual([page.head, page.oldest, page.publications.length], [2, 3, 0]);
  });

  engineTest("a repeated key adds nothing and gives the first place back", async (engine) => {
    const first = await engine.publish("c:1", text("a", "k"), keepAll);
    await engine.publish("c:1", text("b"), keepAll);
    const again = await engine.publish("c:1", text("a", "k"), keepAll);
    assert.deepEqual(again, { ...first, duplicate: true });
    assert.equal((await engine.read("c:1", 0, 10)).head, 2);
  });

  engineTest("a key repeated before the first has been answered adds nothing either", async (engine) => {
    const both = await Promise.all([
      engine.publish("c:1", text("a", "k"), keepAll),
      engine.publish("c:1", text("a", "k"), keepAll),
    ]);
    assert.deepEqual(
      both.map(({ offset, duplicate }) => [offset, duplicate]),
      [
        [1, false],
        [1, true],
      ],
    );
  });

  engineTest("a key is of its channel, and outlives its publication", async (engine) => {
    await engine.publish("c:1", text("a", "constructor"), { ...keepAll, publications: 0 });
    assert.equal(
      (await engine.publish("c:1", text("a", "constructor"), { ...keepAll, publications: 0 })).duplicate,
      true,
    );
    assert.equal((await engine.publish("c:2", text("a", "constructor"), keepAll)).duplicate, false);
  });

  engineTest("keys are not known where they are not to be", async (engine) => {
    const retention = { ...keepAll, keyMs: 0 };
    await engine.publish("c:1", text("a", "k"), retention);
    assert.equal((await engine.publish("c:1", text("a", "k"), retention)).offset, 2);
  });

  engineTest(
    "tells of an open channel in order, from the head it was opened at, and of no other",
    async (engine, news) => {
      await engine.publish("c:1", text("before"), keepAll);
      const state: LogState = await engine.open("c:1");
      assert.deepEqual([state.head, state.oldest], [1, 1]);
      await Promise.all(["a", "b"].map((data) => engine.publish("c:1", text(data), keepAll)));
      await engine.publish("c:2", text("elsewhere"), keepAll);
      await engine.publish("c:1", text("keyed", "k"), keepAll);
      await engine.publish("c:1", text("keyed", "k"), keepAll);
      await settled();
      assert.deepEqual(news.publications, ['c:1 2 "a"', 'c:1 3 "b"', 'c:1 4 "keyed"']);
    },
  );

  engineTest("a channel that was released and opened again goes on", async (engine, news) => {
    const first = await engine.open("c:1");
    engine.release("c:1");
    await engine.publish("c:1", text("unheard"), keepAll);
    const again = await engine.open("c:1");
    assert.deepEqual([again.epoch, again.head], [first.epoch, 1]);
    await engine.publish("c:1", text("heard"), keepAll);
    await settled();
    assert.deepEqual(
      news.publications.filter((line) => line.endsWith('"heard"')),
      ['c:1 2 "heard"'],
    );
  });

  engineTest("presence counts users, and gives each change the next version", async (engine, news) => {
    await engine.open("c:1");
    const info = '{"name":"Ana"}';
    await engine.join("c:1", { session: "s1", user: "ana", info });
    await engine.join("c:1", { session: "s2", user: "ana", info });
    await engine.join("c:1", { session: "s3", user: "__proto__" });
    const { version, users } = await engine.present("c:1", 0, 10);
    assert.deepEqual(
      users.map(({ user, info: shown, connections }) => [user, shown, connections]),
      [
        ["ana", info, 2],
        ["__proto__", undefined, 1],
      ],
    );
    await engine.leave("c:1", "s1");
    await engine.leave("c:1", "s1");
    await engine.leave("c:1", "s2");
    await engine.leave("c:1", "unknown");
    await settled();
    assert.deepEqual(
      news.events.map((event) => [event.type, event.user, event.version - version]),
      [
        ["join", "ana", -1],
        ["join", "__proto__", 0],
        ["leave", "ana", 1],
      ],
    );
    assert.deepEqual(
      news.events.map(({ total }) => total),
      [1, 2, 1],
    );
    assert.equal((await engine.present("c:1", 0, 10)).users.length, 1);
  });

  engineTest("presence is read in parts, in the order in which users came", async (engine) => {
    await engine.open("c:1");
    for (let number = 1; number <= 20; number++) {
      await engine.join("c:1", { session: `s${number}`, user: `u${number}` });
    }
    const part = async (after: number, limit: number) => {
      const { users, total, version } = await engine.present("c:1", after, limit);
      return {
        names: users.map(({ user }) => user).join(" "),
        last: users.at(-1)?.since ?? 0,
        total,
        version,
      };
    };
    const first = await part(0, 3);
    assert.deepEqual([first.names, first.total], ["u1 u2 u3", 20]);
    // Those who left are not in it, who came back is at the end, and the place of the part stays.
    for (let number = 1; number <= 15; number++) await engine.leave("c:1", `s${number}`);
    await engine.join("c:1", { session: "again", user: "u2" });
    const second = await part(first.last, 3);
    assert.deepEqual([second.names, second.total], ["u16 u17 u18", 6]);
    const third = await part(second.last, 3);
    assert.deepEqual([third.names, third.version], ["u19 u20 u2", first.version + 16]);
    assert.equal((await part(third.last, 3)).names, "");
    assert.equal((await part(Number.MAX_SAFE_INTEGER, 3)).names, "");
    assert.deepEqual((await engine.present("c:2", 0, 3)).total, 0);
  });

  engineTest("versions of presence do not go back when everybody has left", async (engine) => {
    await engine.open("c:1");
    await engine.join("c:1", { session: "s1", user: "ana" });
    await engine.leave("c:1", "s1");
    const { version, users } = await engine.present("c:1", 0, 10);
    assert.equal(users.length, 0);
    await engine.join("c:1", { session: "s2", user: "ben" });
    assert.ok((await engine.present("c:1", 0, 10)).version > version);
  });

  void test(`${name}: tells who published with what is new, and does not keep it`, async () => {
    const engine = await make();
    const told: (string | undefined)[] = [];
    engine.start({
      publication: (_channel, _epoch, { sender }) => told.push(sender),
      replaced() {},
      presence() {},
    });
    await engine.open("c:1");
    await engine.publish("c:1", { ...text("a"), sender: "s1" }, keepAll);
    await engine.publish("c:1", text("b"), keepAll);
    await settled();
    assert.deepEqual(told, ["s1", undefined]);
    const { publications } = await engine.read("c:1", 0, 10);
    assert.deepEqual(
      publications.map(({ sender }) => sender),
      [undefined, undefined],
    );
    await engine.close();
  });

  void test(`${name}: a listener that throws undoes nothing, and is told of what comes then`, async () => {
    const engine = await make();
    const told: number[] = [];
    engine.start({
      publication: (_channel, _epoch, { offset }) => {
        told.push(offset);
        throw new Error("a fault of the hub");
      },
      replaced: () => assert.fail("no log was replaced"),
      presence: () => {
        throw new Error("a fault of the hub");
      },
    });
    await engine.open("c:1");
    for (const offset of [1, 2]) {
      assert.equal((await engine.publish("c:1", text("a", `${offset}`), keepAll)).offset, offset);
    }
    await engine.join("c:1", { session: "s1", user: "ana" });
    await settled();
    assert.deepEqual(told, [1, 2]);
    assert.equal((await engine.read("c:1", 0, 10)).head, 2);
    assert.equal((await engine.present("c:1", 0, 10)).total, 1);
    await engine.close();
  });

  engineTest("rejects after it was closed", async (engine) => {
    await engine.close();
    await assert.rejects(engine.publish("c:1", text("late"), keepAll));
    await assert.rejects(engine.read("c:1", 0, 1));
    await assert.rejects(engine.open("c:1"));
  });
}
