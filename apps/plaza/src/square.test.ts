import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, mock, test } from "node:test";
import { type FakeLink, fakeDial, message } from "./fake-link.ts";
import type { Drafts } from "./link.ts";
import { ROOMS_CHANNEL, ROOMS_LIMIT } from "./room-list.ts";
import { PENDING_LIMIT } from "./room-log.ts";
import { PAGE } from "./room.ts";
import { QUIET_MS, Square } from "./square.ts";

function storage(items: Record<string, string> = {}) {
  const map = new Map(Object.entries(items));
  return {
    getItem: (key: string) => map.get(key) ?? null,
    setItem: (key: string, value: string) => void map.set(key, value),
  };
}

class MemoryDrafts implements Drafts {
  readonly texts = new Map<string, string>();
  get = async (channel: string) => this.texts.get(channel);
  set = async (channel: string, text: string) => void this.texts.set(channel, text);
}

/** A square that redraws at once. */
function newSquare(memory = storage(), drafts = new MemoryDrafts()) {
  const { dial, links } = fakeDial();
  const square = new Square({ memory, dial, drafts, soon: (run) => run() });
  return { square, links, memory };
}

/** A square that somebody has entered. */
function enteredSquare(memory = storage()): { square: Square; link: FakeLink; links: FakeLink[] } {
  const { square, links } = newSquare(memory);
  square.enter("Ana");
  const link = last(links);
  link.connect();
  return { square, link, links };
}

function last(links: readonly FakeLink[]): FakeLink {
  const link = links.at(-1);
  if (link === undefined) throw new Error("nothing was dialled");
  return link;
}

const GENERAL = "plaza:general";
const texts = (square: Square) => square.room.value.log.value.entries.map(({ said }) => said.text);

describe("entering", () => {
  test("nothing is dialled before there is a name", () => {
    const { square, links } = newSquare();
    square.begin();
    assert.equal(links.length, 0);
    square.enter("   ");
    assert.equal(links.length, 0);
    square.enter(" Ana ");
    assert.equal(last(links).identity.name, "Ana");
  });

  test("who comes back has the same name and the same token", () => {
    const memory = storage();
    const first = enteredSquare(memory);
    const { square, links } = newSquare(memory);
    square.begin();
    assert.deepEqual(last(links).identity, first.link.identity);
  });

  test("every room of the square is followed, and the list of rooms", () => {
    const { link } = enteredSquare();
    assert.deepEqual([...link.opened.keys()], [ROOMS_CHANNEL, GENERAL, "plaza:ideas", "plaza:help"]);
  });
});

describe("another name", () => {
  test("is another session that goes on where the first one was", () => {
    const { square, link, links } = enteredSquare();
    link.events(GENERAL).published([message(1), message(2)]);
    square.enter("Ana María");
    assert.ok(link.isClosed);
    const opened = last(links).opened.get(GENERAL);
    assert.deepEqual(opened?.options.since, { epoch: "e", offset: 2 });
    assert.equal(last(links).identity.name, "Ana María");
  });

  test("that is the same one changes nothing", () => {
    const { square, links } = enteredSquare();
    square.enter("Ana");
    assert.equal(links.length, 1);
  });

  test("sends again, under the same key, what was not acknowledged", async () => {
    const { square, link, links } = enteredSquare();
    square.room.value.say("hola");
    square.enter("Ana María");
    await turn();
    // The first link's end is known by now; whichever came first, the message must be on its way again.
    const again = last(links).publishes.map(({ key }) => key);
    assert.deepEqual(
      again,
      link.publishes.map(({ key }) => key),
    );
    assert.equal(square.room.value.log.value.pending[0]?.problem, undefined);
  });

  test("does not send again what the browser keeps: the next session brings it along", async () => {
    const { square, link, links } = enteredSquare();
    link.isKeeping = true;
    square.room.value.say("hola");
    const key = link.publishes[0]?.key ?? "";
    square.enter("Ana María");
    await turn();
    const next = last(links);
    assert.equal(next.publishes.length, 0);
    next.connect();
    const message = { channel: GENERAL, key, data: { text: "hola" }, json: '{"text":"hola"}', at: 1 };
    next.told.left({ ...message, place: Promise.resolve({ epoch: "e", offset: 1 }) });
    assert.equal(square.room.value.log.value.pending.length, 1);
    await turn();
    assert.equal(square.room.value.log.value.pending.length, 0);
    assert.deepEqual(texts(square), ["hola"]);
  });

  test("what the closed link still says is not heard", () => {
    const { square, link } = enteredSquare();
    square.enter("Ana María");
    link.become({ phase: "closed", reason: "" });
    assert.equal(square.connection.value.phase, "connected", "and the change is not spoken of");
  });
});

describe("messages", () => {
  test("one's own is there at once and committed by its acknowledgement", async () => {
    const { square, link } = enteredSquare();
    const room = square.room.value;
    room.say("hola");
    assert.equal(room.log.value.pending.length, 1);
    assert.deepEqual(link.publishes[0]?.data, { text: "hola" });
    link.publishes[0]?.commit(1);
    await turn();
    assert.equal(room.log.value.pending.length, 0);
    assert.deepEqual(texts(square), ["hola"]);
    link.events(GENERAL).published([message(1, "hola", "me")]);
    assert.deepEqual(texts(square), ["hola"]);
  });

  test("one that is refused can be sent again under its key", async () => {
    const { square, link } = enteredSquare();
    const room = square.room.value;
    room.say("hola");
    link.publishes[0]?.refuse(new Error("not here"));
    await turn();
    const failed = room.log.value.pending[0];
    assert.equal(failed?.problem, "not here");
    room.retry(failed?.key ?? "");
    assert.equal(link.publishes[1]?.key, failed?.key);
    link.publishes[1]?.commit(1);
    await turn();
    assert.deepEqual(texts(square), ["hola"]);
  });

  test("only so many may wait", () => {
    const { square } = enteredSquare();
    for (let i = 0; i < PENDING_LIMIT; i++) assert.equal(square.room.value.say(`${i}`), true);
    assert.equal(square.room.value.say("one more"), false);
    assert.equal(square.room.value.log.value.pending.length, PENDING_LIMIT);
  });

  test("of others are unread in another room, and read when that is left with all seen", () => {
    const { square, link } = enteredSquare();
    link.events("plaza:help").published([message(1), message(2)]);
    assert.equal(square.roomOf("help").unread.value, 2);
    assert.equal(square.unread.value, 2);
    square.visit("help");
    assert.equal(square.room.value.unreadAfter.value, 0, "the line stands before the first");
    square.room.value.markRead();
    assert.equal(square.unread.value, 0);
    square.visit("general");
    assert.equal(square.roomOf("help").unreadAfter.value, undefined);
  });

  test("that were read before are not unread after a reload", () => {
    const memory = storage();
    const first = enteredSquare(memory);
    first.link.events(GENERAL).published([message(1), message(2)]);
    first.square.room.value.markRead();
    const { square, link } = enteredSquare(memory);
    link.events(GENERAL).published([message(1), message(2), message(3)]);
    assert.equal(square.roomOf("general").unread.value, 1);
  });

  test("of others are told to a screen reader as they come, not when they are loaded", () => {
    const { square, links } = newSquare();
    square.enter("Ana");
    const link = last(links);
    link.become({ phase: "connected", user: "me" });
    link.events(GENERAL).began({ epoch: "e", head: 2, oldest: 1 });
    link.events(GENERAL).published([message(1), message(2)]);
    assert.equal(square.room.value.heard.value, undefined);
    link.events(GENERAL).published([message(3, "hola")]);
    assert.deepEqual(square.room.value.heard.value, { user: "omar", name: "omar", text: "hola" });
  });

  test("that are older are loaded before the first", async () => {
    const { square, links } = newSquare();
    square.enter("Ana");
    const link = last(links);
    link.become({ phase: "connected", user: "me" });
    link.events(GENERAL).began({ epoch: "e", head: 60, oldest: 1 });
    link.events(GENERAL).published(Array.from({ length: 50 }, (_, i) => message(11 + i)));
    link.page = {
      epoch: "e",
      head: 60,
      oldest: 1,
      publications: Array.from({ length: 10 }, (_, i) => message(1 + i)),
    };
    await square.room.value.older();
    assert.deepEqual(link.reads, [{ channel: GENERAL, options: { before: 11, limit: PAGE } }]);
    assert.equal(texts(square).length, 60);
    await square.room.value.older();
    assert.equal(link.reads.length, 1, "there is nothing before the first");
  });
});

test("the way to the end does not wait for what was being loaded, which then comes too late", async () => {
  const { square, link } = enteredSquare();
  const room = square.room.value;
  link.events(GENERAL).published(Array.from({ length: 500 }, (_, i) => message(101 + i)));
  room.hold(true);
  link.events(GENERAL).published([message(601)]);
  assert.equal(room.log.value.isAtHead, false);
  const page = (from: number) => ({
    epoch: "e",
    head: 601,
    oldest: 1,
    publications: Array.from({ length: 50 }, (_, i) => message(from + i)),
  });
  link.page = page(51);
  const older = room.older();
  link.page = page(552);
  await room.toEnd();
  await older;
  assert.deepEqual(
    room.log.value.entries.map(({ offset }) => offset),
    page(552).publications.map(({ offset }) => offset),
  );
  assert.ok(room.log.value.isAtHead);
  assert.equal(room.isLoading.value, false);
});

test("the way to the first message does not load what is between, and leads back", async () => {
  const { square, link } = enteredSquare();
  const room = square.room.value;
  const page = (from: number) => ({
    epoch: "e",
    head: 20_000,
    oldest: 7,
    publications: Array.from({ length: PAGE }, (_, i) => message(from + i)),
  });
  link.events(GENERAL).began({ epoch: "e", head: 20_000, oldest: 7 });
  link.events(GENERAL).published(page(19_901).publications);
  link.page = page(7);
  await room.toBeginning();
  assert.deepEqual(link.reads.at(-1)?.options, { before: 7 + PAGE, limit: PAGE });
  assert.equal(room.log.value.entries[0]?.offset, 7);
  assert.equal(room.log.value.isAtHead, false);
  link.page = page(7 + PAGE);
  await room.newer();
  assert.deepEqual(link.reads.at(-1)?.options, { before: 7 + 2 * PAGE, limit: PAGE });
  assert.equal(room.log.value.entries.length, 2 * PAGE);
  link.page = page(19_901);
  await room.toEnd();
  assert.equal(room.log.value.isAtHead, true);
});

test("one is seen in the room that is on the screen, and in no other", () => {
  const { square, link, links } = enteredSquare();
  const seenIn = (one: FakeLink) => [...one.entered.keys()];
  assert.deepEqual(seenIn(link), [GENERAL]);
  link.entered.get(GENERAL)?.([{ user: "omar", name: "Omar" }], 1);
  assert.equal(square.room.value.people.value.length, 1);
  square.visit("help");
  assert.deepEqual(seenIn(link), ["plaza:help"]);
  assert.equal(square.room.value.people.value.length, 0);
  square.enter("Ana María");
  assert.deepEqual(seenIn(last(links)), ["plaza:help"]);
});

test("all people of a room are counted, also those past what is listed", () => {
  const { square, link } = enteredSquare();
  link.entered.get(GENERAL)?.([{ user: "omar", name: "Omar" }], 10_001);
  assert.equal(square.room.value.total.value, 10_001);
});

describe("what an earlier page left", () => {
  const left = { key: "k", data: { text: "hola" }, json: '{"text":"hola"}', at: 1 };

  test("is shown on its way in its room, and once when it is sent", async () => {
    const { square, link } = enteredSquare();
    let sent = (_: { epoch: string; offset: number }) => {};
    const place = new Promise<{ epoch: string; offset: number }>((resolve) => {
      sent = resolve;
    });
    link.told.left({ ...left, channel: "plaza:cafe", place });
    const room = square.roomOf("cafe");
    assert.equal(room.log.value.pending[0]?.text, "hola");
    link.events("plaza:cafe").began({ epoch: "e", head: 0, oldest: 1 });
    link.events("plaza:cafe").published([message(1, "hola", "me")]);
    sent({ epoch: "e", offset: 1 });
    await turn();
    assert.equal(room.log.value.pending.length, 0);
    assert.equal(room.log.value.entries.length, 1);
    assert.equal(link.publishes.length, 0);
  });

  test("and was refused is for the person to decide", async () => {
    const { square, link } = enteredSquare();
    link.told.left({ ...left, channel: GENERAL, place: Promise.reject(new Error("perhaps")) });
    link.told.left({ ...left, channel: ROOMS_CHANNEL, place: new Promise(() => {}) });
    await turn();
    assert.equal(square.room.value.log.value.pending[0]?.problem, "perhaps");
    assert.equal(square.rooms.value.length, 3);
  });

  test("and had not said is in the composer of its room", async () => {
    const drafts = new MemoryDrafts();
    const first = newSquare(storage(), drafts);
    first.square.room.value.write("half a sen");
    const { square } = newSquare(storage(), drafts);
    await turn();
    assert.equal(square.room.value.draft.value, "half a sen");
    assert.equal(square.roomOf("help").draft.value, "");
  });
});

describe("another tab of the browser", () => {
  test("chooses a name for both", () => {
    const memory = storage();
    const [one, other] = [enteredSquare(memory), enteredSquare(memory)];
    one.square.enter("Ana María");
    other.square.recall();
    assert.equal(other.square.name.value, "Ana María");
    assert.equal(last(other.links).identity.name, "Ana María");
    one.square.recall();
    assert.equal(one.links.length, 2);
  });

  test("reads for both, and never less", () => {
    const memory = storage();
    const [one, other] = [enteredSquare(memory), enteredSquare(memory)];
    for (const { link } of [one, other]) link.events(GENERAL).published([message(1), message(2)]);
    assert.equal(other.square.unread.value, 2);
    one.square.room.value.markRead();
    other.square.recall();
    assert.equal(other.square.unread.value, 0);
    other.link.events(GENERAL).published([message(3)]);
    other.square.room.value.markRead();
    one.square.room.value.readElsewhere({ epoch: "e", offset: 1 });
    assert.deepEqual(one.square.room.value.mark.value, { epoch: "e", offset: 2 });
  });
});

test("a room whose log was lost says so after a reload, too", () => {
  const memory = storage();
  const first = enteredSquare(memory);
  first.link.events(GENERAL).began({ epoch: "f", head: 0, oldest: 1 });
  first.link.events(GENERAL).published([message(1)]);
  first.square.room.value.markRead();
  const { mark } = newSquare(memory).square.room.value;
  assert.deepEqual(mark.value, { epoch: "f", offset: 1, followsLoss: true });
});

test("what is said while reading the first messages is shown once it is sent, also if the end cannot be loaded now", async () => {
  const { square, link } = enteredSquare();
  const room = square.room.value;
  link.events(GENERAL).began({ epoch: "e", head: 900, oldest: 1 });
  link.events(GENERAL).published([message(900)]);
  link.page = { epoch: "e", head: 900, oldest: 1, publications: [message(1)] };
  await room.toBeginning();
  link.become({ phase: "waiting", why: "lost" });
  room.say("hola");
  const count = room.saidCount.value;
  link.become({ phase: "connected", user: "me" });
  link.publishes[0]?.commit(901);
  await turn();
  assert.equal(room.saidCount.value, count + 1, "the view goes to the end again");
  link.become({ phase: "closed", reason: "" });
});

describe("rooms", () => {
  test("a new one is announced to everybody and entered", () => {
    const { square, link } = enteredSquare();
    assert.equal(square.create("Café Nocturno"), undefined);
    assert.equal(square.slug.value, "cafe-nocturno");
    const { channel, data } = link.publishes[0] ?? {};
    assert.deepEqual(
      { channel, data },
      { channel: ROOMS_CHANNEL, data: { slug: "cafe-nocturno", title: "Café Nocturno" } },
    );
    assert.ok(link.opened.has("plaza:cafe-nocturno"));
  });

  test("an announced one is listed and followed", () => {
    const { square, link } = enteredSquare();
    link.events(ROOMS_CHANNEL).published([{ ...message(1), data: { slug: "cafe", title: "Café" } }]);
    assert.equal(square.infoOf("cafe").title, "Café");
    assert.ok(link.opened.has("plaza:cafe"));
    square.visit("cafe");
    square.room.value.say("hola");
    assert.deepEqual(
      link.publishes.map(({ channel }) => channel),
      ["plaza:cafe"],
      "it is not announced again",
    );
  });

  test("one entered by its address is announced when somebody speaks in it", () => {
    const { square, link } = enteredSquare();
    square.visit("cafe");
    assert.equal(link.publishes.length, 0);
    square.room.value.say("hola");
    assert.deepEqual(
      link.publishes.map(({ channel }) => channel),
      [ROOMS_CHANNEL, "plaza:cafe"],
    );
  });

  test("after the list was lost, a room is announced again when somebody speaks in it", () => {
    const { square, link } = enteredSquare();
    square.create("Café");
    link.events(ROOMS_CHANNEL).began({ epoch: "f", head: 0, oldest: 1 });
    square.room.value.say("hola");
    assert.equal(link.publishes.filter(({ channel }) => channel === ROOMS_CHANNEL).length, 2);
  });

  test("there is a limit, and it is said", () => {
    const { square } = enteredSquare();
    for (let i = 3; i < ROOMS_LIMIT; i++) assert.equal(square.create(`room ${i}`), undefined);
    assert.match(square.create("one more") ?? "", /50 rooms/);
    square.visit("another");
    assert.notEqual(square.slug.value, "another");
  });

  test("a title of nothing is refused", () => {
    const { square } = enteredSquare();
    assert.equal(square.create("  "), "A room needs a name.");
  });

  test("stepping goes around the list", () => {
    const { square } = enteredSquare();
    assert.equal(square.step(-1), "help");
    assert.equal(square.step(1), "ideas");
  });
});

describe("a lost connection", () => {
  const lost = { phase: "waiting", why: "lost" } as const;
  beforeEach(() => mock.timers.enable({ apis: ["setTimeout"] }));
  afterEach(() => mock.timers.reset());

  test("that is back soon is not spoken of", async () => {
    const { square, link } = enteredSquare();
    const said = new Set<unknown>();
    square.connection.subscribe(({ phase }) => said.add(phase));
    square.comeback.subscribe((comeback) => said.add(comeback));
    link.become(lost);
    square.room.value.say("hola");
    link.become({ phase: "connecting" });
    mock.timers.tick(QUIET_MS - 1);
    link.become({ phase: "connected", user: "me" });
    mock.timers.tick(QUIET_MS);
    link.publishes[0]?.commit(1);
    await turn();
    assert.deepEqual([...said], ["connected", undefined]);
    assert.deepEqual(texts(square), ["hola"]);
  });

  test("that lasts is", () => {
    const { square, link } = enteredSquare();
    link.become(lost);
    link.become({ phase: "connecting" });
    link.become(lost);
    mock.timers.tick(QUIET_MS);
    assert.deepEqual(square.connection.value, lost);
  });

  test("that comes back without a loss is said to be caught up", () => {
    const { square, link } = enteredSquare();
    assert.equal(square.comeback.value, undefined);
    link.become(lost);
    mock.timers.tick(QUIET_MS);
    link.become({ phase: "connected", user: "me" });
    assert.equal(square.comeback.value, "caught-up");
  });

  test("that comes back with a gap is not", () => {
    const { square, link } = enteredSquare();
    link.become(lost);
    mock.timers.tick(QUIET_MS);
    link.become({ phase: "connected", user: "me" });
    link.events("plaza:help").gap({ from: 3, to: 9 });
    assert.equal(square.comeback.value, "with-gaps");
    assert.deepEqual(square.roomOf("help").log.value.gaps, [{ from: 3, to: 9 }]);
  });

  test("to a server that was restarted keeps what is on the page apart", () => {
    const { square, link } = enteredSquare();
    link.events(GENERAL).published([message(1)]);
    link.become(lost);
    mock.timers.tick(QUIET_MS);
    link.become({ phase: "connected", user: "me" });
    link.events(GENERAL).began({ epoch: "f", head: 0, oldest: 1 });
    assert.equal(square.comeback.value, "restarted");
    assert.equal(square.room.value.log.value.past.length, 1);
    assert.deepEqual(texts(square), []);
  });

  test("is tried again at once on demand, and after an end with a new session", () => {
    const { square, link, links } = enteredSquare();
    link.become(lost);
    square.tryNow();
    assert.equal(link.triedNow, 1);
    link.become({ phase: "closed", reason: "too many bad commands" });
    square.tryNow();
    assert.equal(links.length, 2);
  });
});
