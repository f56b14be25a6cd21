// Arena over WebRTC, in a real browser: two people and eight bots, over links that lose and hold datagrams.
import assert from "node:assert/strict";
import { after, before, test, type TestContext } from "node:test";
import { arenaRoom } from "@zocalo/arena";
import { type LinkConditions, LinkRelay } from "@zocalo/room";
import type { Browser } from "playwright-core";
import { Match, type Seat, untilAgreed } from "./arena-match.ts";
import { launchBrowser } from "./browser.ts";
import { relayedLanes } from "./relayed-lanes.ts";

const TIMEOUT = { timeout: 180_000 };

let browser: Browser;
before(async () => (browser = await launchBrowser()));
after(() => browser.close());

/** Waits until what a page plays by is WebRTC; its net graph says so. */
async function isOverWebRtc({ page }: Seat): Promise<void> {
  await page.getByTestId("net-graph").getByText("WebRTC").waitFor();
}

/** A match that Ana and Ben play over WebRTC, through a link of its datagrams that begins as a good one. */
async function openMatch(t: TestContext) {
  const link = new LinkRelay(11);
  const webRtc = await relayedLanes(link);
  t.after(async () => {
    webRtc.close();
    await link.close();
  });
  const match = await Match.open(t, browser, arenaRoom, { webRtc });
  const [ana, ben] = [await match.player("Ana"), await match.player("Ben")];
  for (const seat of [ana, ben]) {
    await seat.page.keyboard.press("KeyN");
    await isOverWebRtc(seat);
  }
  return { match, link, ana, ben };
}

/** Both go somewhere, as the server sees it. */
async function walk(match: Match, ana: Seat, ben: Seat): Promise<void> {
  await Promise.all([ana.roam(match, "Ana"), ben.roam(match, "Ben")]);
}

/** Plays over such a link, for so long as `isEnough` is not true of what the first page says of it. */
async function play(
  t: TestContext,
  conditions: Partial<LinkConditions>,
  isEnough: (link: LinkRelay, ana: Seat) => boolean | Promise<boolean>,
): Promise<void> {
  const { match, link, ana, ben } = await openMatch(t);
  assert.deepEqual({ ...match.server.rooms.stats() }, { rooms: 1, players: 2, bots: 8, watchers: 0 });
  link.set(conditions);
  // Nothing but datagrams passes: what the server learns of the two, and they are shown, came by these.
  for (const seat of [ana, ben]) seat.link.set({ isSilent: true });
  await walk(match, ana, ben);
  for (const seat of [ana, ben]) seat.link.set({ isSilent: false });
  while (!(await isEnough(link, ana))) await walk(match, ana, ben);
  const off = await untilAgreed(match, [ana, ben], ["Ana", "Ben"]);
  for (const seat of [ana, ben]) await isOverWebRtc(seat);
  t.diagnostic(`off by at most ${off.toFixed(4)} units`);
  assert.deepEqual([match.server.errors, match.complaints], [[], []]);
}

test("two people move among bots though one datagram in twenty is lost, and all agree", TIMEOUT, (t) =>
  play(t, { delayMs: 75, loss: 0.05 }, (link) => {
    return Math.min(link.counts("up").lost, link.counts("down").lost) >= 20;
  }),
);

test("two people move among bots though datagrams come in bursts, and all agree", TIMEOUT, (t) =>
  play(t, { delayMs: 20, holdMs: 300, holdEveryMs: 700 }, async (_, { page }) => {
    // Most of what is held comes this much later than the quickest.
    return Number.parseInt((await page.getByTestId("jitterMs").textContent()) ?? "", 10) >= 200;
  }),
);
