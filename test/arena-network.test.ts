// Arena over the network, in a real browser: two people and eight bots in one match, over a bad link.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import { arenaRoom, type input, type kinds, matchOf } from "@zocalo/arena";
import { durable } from "@zocalo/hub";
import { LinkRelay, type Room, type RoomDefinition } from "@zocalo/room";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { ArenaServer } from "./arena-server.ts";
import { launchBrowser } from "./browser.ts";
import { CuttingRelay } from "./cutting-relay.ts";

const TIMEOUT = { timeout: 180_000 };
/** 150 ms there and back; what is lost of a stream comes late, and all behind it waits. */
const LINK = { delayMs: 75, loss: 0.05 };
/** A place is rounded to 0.002, and is printed with three digits. */
const PRECISION = 0.003;

let browser: Browser;
before(async () => (browser = await launchBrowser()));
after(() => browser.close());

type Definition = RoomDefinition<typeof kinds, typeof input, "player">;

/** The server, and pages that each come over a link of their own. */
class Match {
  /** As the server has it. */
  room: Room<typeof kinds, "player"> | undefined;
  readonly complaints: string[] = [];
  readonly #t: TestContext;
  readonly #directory: string;
  readonly #mode: Definition;

  #server: ArenaServer | undefined;

  private constructor(t: TestContext, directory: string, mode: Definition) {
    this.#t = t;
    this.#directory = directory;
    this.#mode = {
      ...mode,
      step: (room) => {
        this.room = room;
        mode.step?.(room);
      },
    };
  }

  static async open(t: TestContext, mode: Definition = arenaRoom): Promise<Match> {
    const directory = await mkdtemp(join(tmpdir(), "arena-"));
    const match = new Match(t, directory, mode);
    await match.#serve(0);
    t.after(async () => {
      await match.server.close();
      await rm(directory, { recursive: true, force: true });
    });
    return match;
  }

  /** The next server takes the match over, at the same port. */
  async restart(): Promise<void> {
    await this.server.close();
    await this.#serve(this.server.port);
  }

  get server(): ArenaServer {
    assert.ok(this.#server);
    return this.#server;
  }

  async #serve(port: number): Promise<void> {
    this.#server = await ArenaServer.open(await durable(this.#directory), this.#mode, port);
  }

  /** A page with the title on it. */
  async page(options: BrowserContextOptions = {}, hash = ""): Promise<Seat> {
    const link = new LinkRelay(7, LINK);
    const cut = await CuttingRelay.to(
      Number((await link.tcp(`127.0.0.1:${this.server.port}`)).split(":")[1]),
      () => Number.POSITIVE_INFINITY,
    );
    this.#t.after(async () => {
      await cut.close();
      await link.close();
    });
    const context = await browser.newContext({ locale: "en-US", ...options });
    this.#t.after(() => context.close());
    const page = await context.newPage();
    page.on("pageerror", (error) => this.complaints.push(error.message));
    await page.goto(`http://${cut.address}/arena/${hash}`);
    await page.getByTestId("play").waitFor();
    return new Seat(page, link, cut);
  }

  /** A page that plays. */
  async player(name: string): Promise<Seat> {
    const seat = await this.page();
    await seat.page.getByLabel("Your name").fill(name);
    await seat.page.getByTestId("play").click();
    await seat.page.locator("main[data-mode=online][data-phase=play]").waitFor();
    return seat;
  }

  get now(): Room<typeof kinds, "player"> {
    assert.ok(this.room, "no tick was run yet");
    return this.room;
  }

  slotOf(name: string): number {
    for (const player of this.now.world.all("player")) if (player.name === name) return player.slot;
    throw new Error(`${name} is not in the match`);
  }

  /** Where somebody is, as the server has it. */
  placeOf(name: string): Place {
    for (const player of this.now.world.all("player")) {
      if (player.name === name) return { x: player.at.x, y: player.at.y };
    }
    throw new Error(`${name} is not in the match`);
  }
}

interface Place {
  readonly x: number;
  readonly y: number;
}

/** A page, and the link that it comes over. */
class Seat {
  readonly page: Page;
  readonly link: LinkRelay;
  readonly cut: CuttingRelay;

  constructor(page: Page, link: LinkRelay, cut: CuttingRelay) {
    this.page = page;
    this.link = link;
    this.cut = cut;
  }

  /** Where this page shows somebody. */
  async placeOf(name: string): Promise<Place | undefined> {
    const people = await this.page.locator("canvas[data-people]").getAttribute("data-people");
    for (const one of (people ?? "").split("|")) {
      const [who, x, y] = one.split(" ");
      if (who === name) return { x: Number(x), y: Number(y) };
    }
    return undefined;
  }

  frame(): Promise<unknown> {
    return this.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(resolve)));
  }

  /** Walks until the server has seen it. */
  async walk(match: Match, name: string, key: string): Promise<void> {
    const from = match.placeOf(name);
    await this.page.keyboard.down(key);
    while (distance(match.placeOf(name), from) < 1) await this.frame();
    await this.page.keyboard.up(key);
  }
}

function distance(a: Place, b: Place): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

/** Waits until each page shows everybody where the server has them. @returns by how much they are off. */
async function untilAgreed(match: Match, seats: readonly Seat[], names: readonly string[]): Promise<number> {
  for (;;) {
    let worst = 0;
    for (const seat of seats) {
      await seat.frame();
      for (const name of names) {
        const shown = await seat.placeOf(name);
        worst = Math.max(worst, shown === undefined ? Infinity : distance(shown, match.placeOf(name)));
      }
    }
    if (worst <= PRECISION) return worst;
  }
}

test("two people move among bots over a bad link, and all agree where they are", TIMEOUT, async (t) => {
  const match = await Match.open(t);
  const [ana, ben] = [await match.player("Ana"), await match.player("Ben")];
  assert.deepEqual({ ...match.server.rooms.stats() }, { rooms: 1, players: 2, bots: 8, watchers: 0 });
  await Promise.all([ana.walk(match, "Ana", "KeyD"), ben.walk(match, "Ben", "KeyS")]);
  const off = await untilAgreed(match, [ana, ben], ["Ana", "Ben"]);
  t.diagnostic(`off by at most ${off.toFixed(4)} units`);

  await ana.page.keyboard.press("Escape");
  assert.equal(await ana.page.getByTestId("here").textContent(), "2 players, 8 bots");
  await ana.page.getByTestId("leave").click();
  await ana.page.getByTestId("play").waitFor();
  while (match.server.rooms.stats().players > 1) await ben.frame();
  assert.deepEqual(match.server.errors, []);
  assert.deepEqual(match.complaints, []);
});

test("a page that is cut off comes back to its place, and says so meanwhile", TIMEOUT, async (t) => {
  const match = await Match.open(t);
  const ana = await match.player("Ana");
  await ana.walk(match, "Ana", "KeyD");
  const slot = match.slotOf("Ana");
  ana.link.set({ isSilent: true });
  ana.cut.cut();
  await ana.page.getByTestId("returning").waitFor();
  assert.equal(await ana.page.locator("main").getAttribute("data-screen"), "match", "the picture stays");
  ana.link.set({ isSilent: false });
  await ana.page.getByTestId("returning").waitFor({ state: "detached" });
  await ana.walk(match, "Ana", "KeyA");
  assert.equal(match.slotOf("Ana"), slot);
  assert.equal(match.server.rooms.stats().players, 1);
  assert.deepEqual(match.complaints, []);
});

test(
  "a page that is loaded again is back in its place; one that goes elsewhere frees it",
  TIMEOUT,
  async (t) => {
    // Nobody loses a place for being away.
    const match = await Match.open(t, { ...arenaRoom, holdMs: 3_600_000 });
    const [ana, ben] = [await match.player("Ana"), await match.player("Ben")];
    const slot = match.slotOf("Ana");
    await ana.page.reload();
    await ana.page.locator("main[data-mode=online]").waitFor();
    await ana.walk(match, "Ana", "KeyD");
    assert.equal(match.slotOf("Ana"), slot);
    assert.equal(match.server.rooms.stats().players, 2);
    await ana.page.evaluate(() => location.assign("NOTICE.txt"));
    while (match.server.rooms.stats().players > 1) await ben.frame();
    await ana.page.goto(`http://${ana.cut.address}/arena/`);
    await ana.page.getByTestId("play").waitFor();
    assert.deepEqual(match.server.rooms.stats().players, 1, "it does not come back by itself");
  },
);

test("a match goes on in both pages when the server is restarted", TIMEOUT, async (t) => {
  const match = await Match.open(t);
  const [ana, ben] = [await match.player("Ana"), await match.player("Ben")];
  await Promise.all([ana.walk(match, "Ana", "KeyD"), ben.walk(match, "Ben", "KeyS")]);
  for (const { page } of [ana, ben]) await page.evaluate(() => (document.title = "the same page"));
  const { id, tick } = match.now;
  const slots = [match.slotOf("Ana"), match.slotOf("Ben")];
  await match.restart();
  while (match.now.tick <= tick) await ana.frame();
  await Promise.all([ana.walk(match, "Ana", "KeyA"), ben.walk(match, "Ben", "KeyW")]);
  const off = await untilAgreed(match, [ana, ben], ["Ana", "Ben"]);
  t.diagnostic(`off by at most ${off.toFixed(4)} units after the restart`);
  assert.equal(match.now.id, id);
  assert.deepEqual([match.slotOf("Ana"), match.slotOf("Ben")], slots);
  for (const { page } of [ana, ben]) {
    assert.equal(await page.title(), "the same page");
    assert.equal(await page.getByTestId("returning").count(), 0);
  }
  assert.deepEqual(match.complaints, []);
});

test("a spectator sees the match, looks at one after the other, and is no player", TIMEOUT, async (t) => {
  const match = await Match.open(t);
  const ana = await match.player("Ana");
  const eve = await match.page();
  await eve.page.getByTestId("watch").click();
  await eve.page.locator("main[data-mode=watch]").waitFor();
  await ana.walk(match, "Ana", "KeyD");
  const off = await untilAgreed(match, [ana, eve], ["Ana"]);
  t.diagnostic(`off by at most ${off.toFixed(4)} units`);
  const seen = new Set<string>();
  while (seen.size < 10) {
    seen.add((await eve.page.getByTestId("followed").textContent()) ?? "");
    if (seen.size % 2 === 0) await eve.page.keyboard.press("KeyD");
    else await eve.page.getByTestId("arena").click({ position: { x: 200, y: 200 } });
    await eve.frame();
  }
  assert.ok(seen.has("Ana"));
  assert.deepEqual({ ...match.server.rooms.stats() }, { rooms: 1, players: 1, bots: 9, watchers: 1 });
});

test("a room is private to those who have its link", TIMEOUT, async (t) => {
  const match = await Match.open(t);
  const ana = await match.page();
  await ana.page.getByLabel("Your name").fill("Ana");
  await ana.page.getByTestId("play-privately").click();
  await ana.page.locator("main[data-mode=online][data-phase=play]").waitFor();
  assert.match(ana.page.url(), /#room=[\w-]{22,}$/);
  const other = await match.player("Ben");
  assert.equal(match.server.rooms.stats().rooms, 2, "nobody else is sent there");
  await ana.page.keyboard.press("Escape");
  const link = await ana.page.getByTestId("invitation").inputValue();
  const luz = await match.page({}, new URL(link).hash);
  await luz.page.getByTestId("invited").waitFor();
  await luz.page.getByTestId("play").click();
  await luz.page.locator("main[data-mode=online]").waitFor();
  await ana.page.getByTestId("here").filter({ hasText: "2 players" }).waitFor();
  assert.equal(match.server.rooms.stats().rooms, 2);
  await other.page.close();
  const late = await match.page({ locale: "es-MX" }, "#room=gone");
  await late.page.getByTestId("play").click();
  await late.page.getByTestId("reason").filter({ hasText: "Esa partida ya terminó." }).waitFor();
});

test("the match that has ended is played again, stands still, and leads back", TIMEOUT, async (t) => {
  const match = await Match.open(t, {
    ...arenaRoom,
    // The first match is a short one. It is so in its recording, too.
    open: (room) => {
      arenaRoom.open?.(room);
      matchOf(room.world).phase = "play";
      matchOf(room.world).left = 300;
    },
  });
  const ana = await match.player("Ana");
  await ana.walk(match, "Ana", "KeyD");
  const last = ana.page.getByTestId("board").locator("tbody");
  await ana.page.getByTestId("watch-again").waitFor();
  const board = await last.innerText();
  await ana.page.getByTestId("watch-again").click();
  await ana.page.locator("main[data-mode=replay]").waitFor();
  await ana.page.getByTestId("pause").click();
  const clock = await ana.page.getByTestId("clock").textContent();
  for (let i = 0; i < 90; i++) await ana.frame();
  assert.equal(await ana.page.getByTestId("clock").textContent(), clock);
  await ana.page.getByTestId("speed-4").click();
  await ana.page.getByText("That was the match.").waitFor();
  await ana.page.keyboard.press("Tab");
  assert.equal(await last.innerText(), board, "it ends as it did");
  await ana.page.getByTestId("to-match").click();
  await ana.page.locator("main[data-mode=online]").waitFor();
  assert.equal(match.server.rooms.stats().players, 1);
  assert.deepEqual(match.complaints, []);
});

test("without the server one is told, and can practice", TIMEOUT, async (t) => {
  const match = await Match.open(t);
  const ana = await match.page();
  ana.cut.cut();
  await ana.cut.close();
  await ana.page.getByTestId("play").click();
  const reason = ana.page.getByTestId("reason");
  await reason.waitFor();
  assert.equal(await reason.textContent(), "The server cannot be reached. You can practice without it.");
  await ana.page.getByTestId("practice").click();
  await ana.page.locator("main[data-mode=practice][data-screen=match][data-phase=play]").waitFor();
});
