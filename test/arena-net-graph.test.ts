// The net graph of a match that goes over a network, in a real browser: its figures, and its switches.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { arenaRoom } from "@zocalo/arena";
import { webRtcLanes } from "@zocalo/room";
import type { Browser, Page } from "playwright-core";
import { Match } from "./arena-match.ts";
import { launchBrowser } from "./browser.ts";
import { freePort } from "./relayed-lanes.ts";

const TIMEOUT = { timeout: 180_000 };
/** What the graph has, with its unit, before which stands a space that does not break. */
const FIGURES = {
  roundTripMs: /^[\d,]+\u00a0ms$/,
  jitterMs: /^[\d,]+\u00a0ms$/,
  lossShare: /^\d+\.\d\u00a0%$/,
  bytesInPerSecond: /^\d+\.\d\u00a0kB\/s$/,
  bytesOutPerSecond: /^\d+\.\d\u00a0kB\/s$/,
  predictionErrorUnits: /^\d+\.\d\d\u00a0u$/,
  tickLatenessMs: /^[\d,]+\.\d\u00a0ms$/,
  inputDepth: /^-?\d+$/,
} as const;
type Figure = keyof typeof FIGURES;

let browser: Browser;
before(async () => (browser = await launchBrowser()));
after(() => browser.close());

async function shown(page: Page, figure: Figure): Promise<number> {
  const text = (await page.getByTestId(figure).textContent()) ?? "";
  assert.match(text, FIGURES[figure], figure);
  return Number.parseFloat(text.replaceAll(",", ""));
}

/** Waits until the graph shows such a number. */
async function until(page: Page, figure: Figure, isSo: (number: number) => boolean): Promise<void> {
  while (!isSo(await shown(page, figure))) await page.evaluate(() => new Promise(requestAnimationFrame));
}

test(
  "each figure of the net graph of a match is a number that its link and its server give",
  TIMEOUT,
  async (t) => {
    const match = await Match.open(t, browser);
    const ana = await match.player("Ana");
    const { page } = ana;
    await page.keyboard.press("KeyN");
    const graph = page.getByTestId("net-graph");
    await graph.getByText("WebSocket").waitFor();
    assert.equal(await graph.getByRole("row").count(), Object.keys(FIGURES).length);
    // The link of each page takes 75 ms each way; of a stream what it loses comes later.
    await until(page, "roundTripMs", (ms) => ms >= 150);
    await until(page, "jitterMs", (ms) => ms > 0);
    await until(page, "bytesInPerSecond", (kilobytes) => kilobytes > 0);
    await until(page, "bytesOutPerSecond", (kilobytes) => kilobytes > 0);
    // The server has it, and is asked.
    await until(page, "tickLatenessMs", (ms) => ms > 0);
    await until(page, "inputDepth", (ticks) => ticks !== 0);
    await shown(page, "lossShare");
    // Once a second everything is held for 180 ms. Over WebRTC snapshots would not be sent then, and so not
    // be late.
    await page.getByTestId("link-bursts").click();
    await until(page, "jitterMs", (ms) => ms >= 120);
    await page.getByTestId("link-bursts").click();
    // Nobody foretells that the server puts one elsewhere.
    for (let side = 0.4; (await shown(page, "predictionErrorUnits")) === 0; side *= -1) {
      for (const player of match.now.world.all("player")) if (player.name === "Ana") player.at.x += side;
      const { tick } = match.now;
      while (match.now.tick < tick + 10) await ana.frame();
    }
    assert.deepEqual(match.complaints, []);
  },
);

test("its switch makes the link of the match far and lossy, and near again", TIMEOUT, async (t) => {
  const webRtc = webRtcLanes({ port: await freePort(), bindAddress: "127.0.0.1", advertised: "127.0.0.1" });
  t.after(() => webRtc.close());
  const match = await Match.open(t, browser, arenaRoom, { webRtc });
  const { page } = await match.player("Ana");
  await page.keyboard.press("KeyN");
  await page.getByTestId("net-graph").getByText("WebRTC").waitFor();
  const flip = (link: string) => page.getByTestId(`link-${link}`).click();
  // The least round trip of some seconds: over the far link never less than 150 ms, and over the loopback
  // only where a machine stands still for seconds.
  const isNear = (): Promise<void> => until(page, "roundTripMs", (ms) => ms > 0 && ms < 140);
  await isNear();
  await flip("far");
  await until(page, "roundTripMs", (ms) => ms >= 140);
  await until(page, "lossShare", (percent) => percent > 0);
  await flip("far");
  await isNear();
  assert.deepEqual(match.complaints, []);
});
