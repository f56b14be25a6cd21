// What arena's page says when there is no match for it, or no longer.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { arenaRoom } from "@zocalo/arena";
import { defineGame } from "@zocalo/room";
import type { Browser } from "playwright-core";
import { Match } from "./arena-match.ts";
import { launchBrowser } from "./browser.ts";

const TIMEOUT = { timeout: 120_000 };

let browser: Browser;
before(async () => (browser = await launchBrowser()));
after(() => browser.close());

test("without the server one is told, and can practice", TIMEOUT, async (t) => {
  const match = await Match.open(t, browser);
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

test("a page of another version is loaded again once, and then says what to do", TIMEOUT, async (t) => {
  const { definition } = arenaRoom.game;
  const game = defineGame({ ...definition, version: definition.version + 1 });
  const match = await Match.open(t, browser, { ...arenaRoom, game });
  const { page } = await match.page();
  await page.evaluate(() => (document.title = "not loaded again"));
  const loaded = page.waitForEvent("load");
  await page.getByTestId("play").click();
  await loaded;
  assert.notEqual(await page.title(), "not loaded again");
  await page.getByTestId("play").click();
  await page.locator("[data-reason=other_version]").waitFor();
});

test("whoever is put out is told, and is not let in again by loading the page", TIMEOUT, async (t) => {
  const match = await Match.open(t, browser);
  const { page } = await match.player("Ana");
  const seat = match.now.seats.find(({ name }) => name === "Ana");
  assert.ok(seat);
  match.now.kick(seat);
  await page.locator("main[data-screen=title] [data-reason=kicked]").waitFor();
  await page.reload();
  await page.getByTestId("play").waitFor();
  assert.equal(match.server.rooms.stats().players, 0);
  assert.deepEqual(match.complaints, []);
});

test("the same place in two tabs is one place: the first tab is told", TIMEOUT, async (t) => {
  const match = await Match.open(t, browser);
  const { page } = await match.player("Ana");
  const kept = await page.evaluate(() => sessionStorage.getItem("arena.place"));
  const other = await page.context().newPage();
  await other.addInitScript((place) => sessionStorage.setItem("arena.place", place ?? ""), kept);
  await other.goto(page.url());
  await other.locator("main[data-mode=online]").waitFor();
  await page.locator("[data-reason=replaced]").waitFor();
  assert.equal(match.server.rooms.stats().players, 1);
});

test("a full room is said to be full, and can be watched", TIMEOUT, async (t) => {
  const match = await Match.open(t, browser, { ...arenaRoom, seats: 1, bots: 0 });
  const ana = await match.player("Ana");
  await ana.page.keyboard.press("Escape");
  const link = await ana.page.getByTestId("invitation").inputValue();
  const { page } = await match.page({}, new URL(link).hash);
  await page.getByTestId("play").click();
  await page.locator("[data-reason=full]").waitFor();
  await page.getByTestId("watch").click();
  await page.locator("main[data-mode=watch]").waitFor();
});
