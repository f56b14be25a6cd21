// Arena over the network, in a real browser: two people and eight bots in one match, over a bad link.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { arenaRoom, matchOf } from "@zocalo/arena";
import { defaultRoomDefinition } from "@zocalo/room";
import type { Browser } from "playwright-core";
import { Match, untilAgreed } from "./arena-match.ts";
import { launchBrowser } from "./browser.ts";

const TIMEOUT = { timeout: 180_000 };

let browser: Browser;
before(async () => (browser = await launchBrowser()));
after(() => browser.close());

test("two people move among bots over a bad link, and all agree where they are", TIMEOUT, async (t) => {
  const match = await Match.open(t, browser);
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
  const match = await Match.open(t, browser);
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
    const match = await Match.open(t, browser, { ...arenaRoom, holdMs: 3_600_000 });
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

test("the place of a tab that was closed is free after a minute, and not at once", TIMEOUT, async (t) => {
  assert.deepEqual([arenaRoom.holdMs, defaultRoomDefinition.holdMs], [undefined, 60_000]);
  let wasKept = false;
  const match = await Match.open(t, browser, {
    ...arenaRoom,
    // Here the minute is as short as this test wants it.
    awayMs: 200,
    holdMs: 2_000,
    step: (room) => {
      arenaRoom.step?.(room);
      wasKept ||= room.seats.some(({ name, isAway }) => name === "Ana" && isAway);
    },
  });
  const [ana, ben] = [await match.player("Ana"), await match.player("Ben")];
  wasKept = false;
  await ana.page.close();
  while (match.server.rooms.stats().players > 1) await ben.frame();
  assert.equal(wasKept, true);
  assert.deepEqual(match.complaints, []);
});

test("a match goes on in both pages when the server is restarted", TIMEOUT, async (t) => {
  const match = await Match.open(t, browser);
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

test("after a crash the match goes on from what was kept, and the page says so", TIMEOUT, async (t) => {
  const match = await Match.open(t, browser, arenaRoom, { checkpointMs: 200 });
  const ana = await match.player("Ana");
  await ana.walk(match, "Ana", "KeyD");
  const slot = match.slotOf("Ana");
  const { id } = match.now;
  await match.crash();
  await ana.page.getByText("The server failed").first().waitFor();
  await ana.walk(match, "Ana", "KeyA");
  assert.deepEqual([match.now.id, match.slotOf("Ana")], [id, slot]);
  assert.deepEqual(match.complaints, []);
});

test("a spectator sees the match, looks at one after the other, and is no player", TIMEOUT, async (t) => {
  const match = await Match.open(t, browser);
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
  const match = await Match.open(t, browser);
  const ana = await match.page();
  await ana.page.getByLabel("Your name").fill("Ana");
  await ana.page.getByTestId("play-privately").click();
  await ana.page.locator("main[data-mode=online][data-phase=play]").waitFor();
  assert.match(ana.page.url(), /#room=[\w-]{22,}$/);
  const forFriends = ana.page.getByTestId("invite-friends");
  await forFriends.waitFor();
  const other = await match.player("Ben");
  assert.equal(match.server.rooms.stats().rooms, 2, "nobody else is sent there");
  await ana.page.keyboard.press("Escape");
  const link = await ana.page.getByTestId("invitation").inputValue();
  const luz = await match.page({}, new URL(link).hash);
  await luz.page.getByTestId("invited").waitFor();
  await luz.page.getByTestId("play").click();
  await luz.page.locator("main[data-mode=online]").waitFor();
  await ana.page.getByTestId("here").filter({ hasText: "2 players" }).waitFor();
  await forFriends.waitFor({ state: "detached" });
  assert.equal(match.server.rooms.stats().rooms, 2);
  await other.page.close();
  const late = await match.page({ locale: "es-MX" }, "#room=gone");
  await late.page.getByTestId("play").click();
  await late.page.getByTestId("reason").filter({ hasText: "Esa partida ya terminó." }).waitFor();
});

test("the match that has ended is played again, stands still, and leads back", TIMEOUT, async (t) => {
  const match = await Match.open(t, browser, {
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
  assert.match(
    await ana.page.getByTestId("share").innerText(),
    /^(Your team|Nobody) .*You brought .* hits?\.$/,
  );
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
