import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { arenaRoom, type input, type kinds, type Player } from "@zocalo/arena";
import { durable } from "@zocalo/hub";
import { LinkRelay, type Room, type RoomDefinition, type RoomsOptions } from "@zocalo/room";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { ArenaServer } from "./arena-server.ts";
import { CuttingRelay } from "./cutting-relay.ts";

/** 150 ms there and back; what is lost of a stream comes late, and all behind it waits. */
const LINK = { delayMs: 75, loss: 0.05 };
/** A place is rounded to 0.002, and is printed with three digits. */
const PRECISION = 0.003;

type Definition = RoomDefinition<typeof kinds, typeof input, "player">;

/** The server, and pages that each come over a link of their own. */
export class Match {
  /** As the server has it. */
  room: Room<typeof kinds, "player"> | undefined;
  readonly complaints: string[] = [];
  readonly #t: TestContext;
  readonly #browser: Browser;
  readonly #directory: string;
  readonly #mode: Definition;
  readonly #options: RoomsOptions;

  #server: ArenaServer | undefined;

  private constructor(
    t: TestContext,
    browser: Browser,
    directory: string,
    mode: Definition,
    options: RoomsOptions,
  ) {
    this.#options = options;
    this.#t = t;
    this.#browser = browser;
    this.#directory = directory;
    this.#mode = {
      ...mode,
      step: (room) => {
        this.room = room;
        mode.step?.(room);
      },
    };
  }

  static async open(
    t: TestContext,
    browser: Browser,
    mode: Definition = arenaRoom,
    options: RoomsOptions = {},
  ): Promise<Match> {
    const directory = await mkdtemp(join(tmpdir(), "arena-"));
    const match = new Match(t, browser, directory, mode, options);
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

  /** The server dies; the next one has what was kept last. */
  async crash(): Promise<void> {
    const dead = this.server;
    await dead.crash();
    await dead.rooms.close(); // It keeps nothing: the engine is closed.
    await this.#serve(dead.port);
  }

  get server(): ArenaServer {
    assert.ok(this.#server);
    return this.#server;
  }

  async #serve(port: number): Promise<void> {
    this.#server = await ArenaServer.open(await durable(this.#directory), this.#mode, port, this.#options);
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
    const context = await this.#browser.newContext({ locale: "en-US", ...options });
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
    return this.#player(name).slot;
  }

  /** Where somebody is, as the server has it. */
  placeOf(name: string): Place {
    const { at } = this.#player(name);
    return { x: at.x, y: at.y };
  }

  /** How fast somebody walks, in units a second, as the server has it. */
  speedOf(name: string): number {
    const { speed } = this.#player(name);
    return Math.hypot(speed.x, speed.y);
  }

  #player(name: string): Player {
    for (const player of this.now.world.all("player")) if (player.name === name) return player;
    throw new Error(`${name} is not in the match`);
  }
}

const WAYS = ["KeyD", "KeyS", "KeyA", "KeyW"] as const;
/** Frames of a page after which one tries another way. */
const FRAMES_A_WAY = 90;

export interface Place {
  readonly x: number;
  readonly y: number;
}

/** A page, and the link that it comes over. */
export class Seat {
  readonly page: Page;
  readonly link: LinkRelay;
  readonly cut: CuttingRelay;
  #way = 0;

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

  /** Goes anywhere until the server has seen it: another way where walls are in this one. */
  async roam(match: Match, name: string): Promise<void> {
    const from = match.placeOf(name);
    for (;;) {
      const key = WAYS[this.#way++ % WAYS.length] ?? "KeyD";
      await this.page.keyboard.down(key);
      let frames = 0;
      // Whom an egg has put out is elsewhere, too, and stands there.
      const isThere = () => distance(match.placeOf(name), from) >= 1 && match.speedOf(name) > 1;
      while (!isThere() && frames++ < FRAMES_A_WAY) await this.frame();
      await this.page.keyboard.up(key);
      if (frames < FRAMES_A_WAY) return;
    }
  }
}

function distance(a: Place, b: Place): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

/** Waits until each page shows everybody where the server has them. @returns by how much they are off. */
export async function untilAgreed(
  match: Match,
  seats: readonly Seat[],
  names: readonly string[],
): Promise<number> {
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
