// What many ask for at once is read and encoded once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type LogPage, MemoryEngine, type Present, type PresentPage } from "../src/index.ts";
import { PresencePages } from "../src/session/presence-pages.ts";
import { FakeClock, settle } from "./fake-clock.ts";
import type { FakeConn } from "./fake-conn.ts";
import { square } from "./square.ts";

/** Counts what is read of it. */
class CountingEngine extends MemoryEngine {
  reads = 0;

  override read(...args: Parameters<MemoryEngine["read"]>): Promise<LogPage> {
    this.reads++;
    return super.read(...args);
  }
}

function make() {
  const clock = new FakeClock();
  const engine = new CountingEngine({ clock });
  return { engine, ...square({ clock, engine }) };
}

const offsets = (conn: FakeConn): number[] => conn.all("publication").map(({ offset }) => offset);

test("a crowd that comes back to one place makes the engine read each page once, and all are told all", async () => {
  const { hub, conn, engine } = make();
  for (let count = 0; count < 200; count++) await hub.publish("quiet:x", count);
  const { epoch } = await engine.read("quiet:x", 0, 1);
  const crowd = Array.from({ length: 50 }, () => conn());
  engine.reads = 0;
  const since = { epoch, offset: 10 };
  for (const one of crowd) one.say({ type: "subscribe", channel: "quiet:x", since });
  for (const one of crowd) await one.until(() => one.all("publication").length === 190);
  assert.ok(engine.reads <= 2 * Math.ceil(190 / 64), `${engine.reads} reads`);
  const expected = Array.from({ length: 190 }, (_, index) => index + 11);
  for (const one of crowd) assert.deepEqual(offsets(one), expected);
  await hub.publish("quiet:x", "new");
  for (const one of crowd) assert.equal(offsets(one).at(-1), 201);
  await hub.close();
});

test("a crowd that comes within a second shares what was read for the first, until something is new", async () => {
  const { hub, conn, engine, clock } = make();
  for (let count = 0; count < 20; count++) await hub.publish("quiet:x", count);
  const { epoch } = await engine.read("quiet:x", 0, 1);
  const readsOf = async (expected: number): Promise<number> => {
    engine.reads = 0;
    const one = conn();
    one.say({ type: "subscribe", channel: "quiet:x", since: { epoch, offset: 5 } });
    await one.until(() => one.all("publication").length === expected - 5);
    assert.equal(offsets(one).at(-1), expected);
    return engine.reads;
  };
  assert.equal(await readsOf(20), 1);
  clock.advance(900);
  assert.equal(await readsOf(20), 0);
  clock.advance(100);
  assert.equal(await readsOf(20), 1);
  await hub.publish("quiet:x", "new");
  assert.equal(await readsOf(21), 1);
  await hub.close();
});

test("a history page is made once for all who ask, and anew when there is something new, or a second later", async () => {
  const { hub, conn, engine, clock } = make();
  for (let count = 0; count < 20; count++) await hub.publish("quiet:x", count);
  const crowd = Array.from({ length: 30 }, () => conn());
  await crowd[0]?.ask({ type: "subscribe", channel: "quiet:x" });
  const ask = async (limit: number): Promise<{ reads: number; newest: number[] }> => {
    engine.reads = 0;
    const answers = await Promise.all(
      crowd.map((one) => one.ask({ type: "history", channel: "quiet:x", limit })),
    );
    const newest = answers.map((answer) => {
      assert.ok(answer.type === "history");
      assert.equal(answer.publications.length, limit);
      return answer.publications.at(-1)?.offset ?? 0;
    });
    return { reads: engine.reads, newest: [...new Set(newest)] };
  };
  assert.deepEqual(await ask(5), { reads: 2, newest: [20] });
  assert.deepEqual(await ask(6), { reads: 2, newest: [20] }, "another page");
  assert.deepEqual(await ask(5), { reads: 0, newest: [20] });
  await hub.publish("quiet:x", "new");
  assert.deepEqual(await ask(5), { reads: 2, newest: [21] });
  clock.advance(999);
  assert.deepEqual(await ask(5), { reads: 0, newest: [21] });
  clock.advance(1);
  assert.deepEqual(await ask(5), { reads: 2, newest: [21] });
  await hub.close();
});

test("of a channel that nobody has open each history is read", async () => {
  const { hub, conn, engine } = make();
  await hub.publish("quiet:x", 1);
  const one = conn();
  for (let count = 1; count <= 3; count++) {
    engine.reads = 0;
    const answer = await one.ask({ type: "history", channel: "quiet:x" });
    assert.ok(answer.type === "history" && answer.publications.length === count);
    assert.equal(engine.reads, 2);
    await hub.publish("quiet:x", 1);
  }
  await hub.close();
});

test("an engine that fails is asked again by the next who ask", async () => {
  let isBroken = true;
  class BrokenEngine extends MemoryEngine {
    override read(...args: Parameters<MemoryEngine["read"]>): Promise<LogPage> {
      return isBroken ? Promise.reject(new Error("broken")) : super.read(...args);
    }
  }
  const { hub, conn, clock } = square({ engine: new BrokenEngine() });
  const one = conn();
  await one.ask({ type: "subscribe", channel: "quiet:x" });
  await hub.publish("quiet:x", 1);
  const ask = async (): Promise<string> => (await one.ask({ type: "history", channel: "quiet:x" })).type;
  assert.deepEqual([await ask(), await ask()], ["error", "error"]);
  isBroken = false;
  await settle();
  assert.equal(await ask(), "history");
  clock.advance(1);
  await hub.close();
});

/** Counts how often each user is put into a message. */
class CountingPresence extends MemoryEngine {
  shown = 0;
  readonly #counted = new WeakMap<Present, Present>();

  override async present(...args: Parameters<MemoryEngine["present"]>): Promise<PresentPage> {
    const { users, ...page } = await super.present(...args);
    return { ...page, users: users.map((user) => this.#countedOf(user)) };
  }

  #countedOf(one: Present): Present {
    let counted = this.#counted.get(one);
    if (!counted) {
      const count = (): void => void this.shown++;
      const { user, ...rest } = one;
      counted = {
        ...rest,
        get user() {
          count();
          return user;
        },
      };
      this.#counted.set(one, counted);
    }
    return counted;
  }
}

test("a page of presence is encoded once for all who are shown the same, whatever their ids, and anew when it changes", async () => {
  const clock = new FakeClock();
  const engine = new CountingPresence({ clock });
  const limits = { presenceUsers: 10, commandsPerSecond: 100_000, commandBurst: 100_000 };
  const { hub, conn } = square({ clock, engine, limits });
  const enter = (session: string, user: string, info?: string): Promise<void> =>
    engine.join("plaza:x", { session, user, info });
  for (let number = 1; number <= 25; number++) await enter(`s${number}`, `u${number}`);
  const askers = Array.from({ length: 20 }, () => conn());
  const askAll = async (after: number, ids = 1): Promise<{ shown: number; users: string; total: number }> => {
    engine.shown = 0;
    const answers = await Promise.all(
      askers.map((one, index) =>
        one.ask({ type: "presence", channel: "plaza:x", after, id: ids * 10 ** (index % 12) + index }),
      ),
    );
    const texts = answers.map((answer) => {
      assert.ok(answer.type === "presence");
      return { users: JSON.stringify([answer.users, answer.next]), total: answer.total };
    });
    const [first] = texts;
    assert.ok(first);
    for (const text of texts) assert.deepEqual(text, first);
    return { shown: engine.shown, ...first };
  };
  const first = await askAll(0, 1);
  assert.deepEqual([first.shown, first.total], [10, 25]);
  assert.equal((await askAll(0, 2)).shown, 0);
  assert.equal((await askAll(10, 3)).shown, 10, "another page");
  assert.equal((await askAll(20, 4)).shown, 5);

  await enter("s26", "u26");
  const again = await askAll(0, 5);
  assert.deepEqual(
    [again.shown, again.users, again.total],
    [0, first.users, 26],
    "who came is on the last page",
  );
  assert.equal((await askAll(10, 6)).shown, 0);
  assert.equal((await askAll(20, 7)).shown, 6);

  const changed = async (change: () => Promise<void>, ids: number): Promise<string> => {
    await change();
    const { shown, users } = await askAll(0, ids);
    assert.equal(shown, 10);
    return users;
  };
  assert.match(
    await changed(() => enter("again", "u3", '{"new":1}'), 8),
    /"u3","info":\{"new":1\},"connections":2/,
  );
  assert.match(
    await changed(() => engine.leave("plaza:x", "again"), 9),
    /"u3","info":\{"new":1\},"connections":1/,
  );
  assert.doesNotMatch(await changed(() => engine.leave("plaza:x", "s2"), 10), /"u2"/);
  assert.equal((await askAll(10, 11)).shown, 0);
  await hub.close();
});

test("those who begin to watch one after the other are shown one first page, encoded once", async () => {
  const clock = new FakeClock();
  const engine = new CountingPresence({ clock });
  const { hub, conn } = square({ clock, engine, limits: { presenceUsers: 10 } });
  for (let number = 1; number <= 15; number++) {
    await engine.join("plaza:x", { session: `s${number}`, user: `u${number}` });
  }
  for (let count = 0; count < 50; count++) {
    const answer = await conn().ask({ type: "subscribe", channel: "plaza:x", presence: true, gather: true });
    assert.ok(answer.type === "subscribed");
    assert.deepEqual([answer.presence?.users.length, answer.presence?.total], [10, 16 + count]);
  }
  assert.equal(engine.shown, 10);
  await hub.close();
});

test("32 pages are kept to be given again, those that were asked for last", () => {
  const pages = new PresencePages();
  const users: readonly Present[] = [{ user: "ana", connections: 1, since: 1 }];
  let made = 0;
  const get = (question: number): void => {
    pages.get(`${question}`, users, () => {
      made++;
      return { text: "x".repeat(65_536), next: undefined, of: users };
    });
  };
  for (let question = 1; question <= 32; question++) get(question);
  get(1);
  assert.equal(made, 32, "at the bound");
  get(33);
  get(1);
  assert.equal(made, 33, "the one that was not asked for went");
  get(2);
  assert.equal(made, 34);
});
