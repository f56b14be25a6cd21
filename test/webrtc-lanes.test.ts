// Lanes over WebRTC between a real Chromium and this process.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type WebRtcLane, LinkRelay, webRtcLanes, type WebRtcLanes } from "@zocalo/room";
import type * as room from "@zocalo/room/client";
import { build } from "esbuild";
import type { Browser, Page } from "playwright-core";
import { launchBrowser } from "./browser.ts";
import { freePort, relayedLanes } from "./relayed-lanes.ts";

/** What the page has of the test. */
declare global {
  interface Window {
    room: typeof room;
    lane: room.WebRtcLane;
    /** What the lanes of the page are carried by. */
    channels: RTCDataChannel[];
    came: number[];
    states: string[];
    signal(offer: string): Promise<string | undefined>;
  }
}

const TIMEOUT = { timeout: 120_000 };

let browser: Browser;
let pages: ReturnType<typeof createServer>;
before(async () => {
  browser = await launchBrowser();
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("../packages/room/src/client.ts", import.meta.url))],
    bundle: true,
    write: false,
    format: "iife",
    globalName: "room",
    conditions: ["zocalo-source"],
  });
  // The test's own loader marks functions by a call of this.
  const script = `var __name = (run) => run;${outputFiles[0]?.text}`;
  pages = createServer((_, response) => {
    response.setHeader("content-type", "text/html").end(`<!doctype html><script>${script}</script>`);
  });
  pages.listen(0, "localhost");
  await once(pages, "listening");
});
after(async () => {
  await browser.close();
  pages.close();
  pages.closeAllConnections();
});

/** Resolves when the lane is open; at once if it is. */
function opened(lane: WebRtcLane): Promise<void> {
  if (lane.state === "open") return Promise.resolve();
  return new Promise((resolve) => lane.onState((state) => state === "open" && resolve()));
}

/** A page, and the server's side of the lane that it opens. */
async function openPage(lanes: WebRtcLanes) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  let lane: WebRtcLane | undefined;
  await page.exposeFunction("signal", async (offer: string) => {
    const found = await lanes.open(offer, "127.0.0.1");
    lane = found?.lane;
    return found?.answer;
  });
  await page.goto(`http://localhost:${(pages.address() as AddressInfo).port}/`);
  await page.evaluate(async () => {
    window.came = [];
    window.states = [];
    window.channels = [];
    globalThis.RTCPeerConnection = class extends RTCPeerConnection {
      override createDataChannel(...options: Parameters<RTCPeerConnection["createDataChannel"]>) {
        const channel = super.createDataChannel(...options);
        window.channels.push(channel);
        return channel;
      }
    };
    window.lane = window.room.openWebRtcLane((offer) => window.signal(offer));
    window.lane.onMessage((bytes) => window.came.push(bytes.length));
    await new Promise<void>((resolve) => {
      window.lane.onState((state) => {
        window.states.push(state);
        if (state === "open" || state === "closed") resolve();
      });
    });
  });
  return { page, context, errors, lane };
}

async function cameAtPage(page: Page, count: number): Promise<number[]> {
  await page.waitForFunction((least) => window.came.length >= least, count);
  return await page.evaluate(() => window.came);
}

test("pages open lanes on one port, and messages of the longest length pass both ways", TIMEOUT, async () => {
  const lanes = webRtcLanes({ port: await freePort(), bindAddress: "127.0.0.1" });
  const peers = await Promise.all([openPage(lanes), openPage(lanes), openPage(lanes)]);
  assert.equal(lanes.size, 3);
  for (const [index, { page, lane, errors }] of peers.entries()) {
    assert.ok(lane);
    const atServer = new Promise<Uint8Array>((resolve) => lane.onMessage(resolve));
    await opened(lane);
    const sent = await page.evaluate((number) => {
      const { lane } = window;
      const bytes = new Uint8Array(1_150).fill(number);
      return [lane.carrier, lane.send(new Uint8Array(1_151)), lane.send(bytes)];
    }, index);
    assert.deepEqual(sent, ["webrtc", false, true]);
    assert.deepEqual(await atServer, new Uint8Array(1_150).fill(index));
    assert.deepEqual([lane.send(Buffer.alloc(1_151)), lane.send(Buffer.alloc(1_150))], [false, true]);
    assert.deepEqual(await cameAtPage(page, 1), [1_150]);
    assert.deepEqual(errors, []);
  }
  const [first, ...others] = peers;
  assert.ok(first?.lane);
  const closed = new Promise<void>((resolve) =>
    first.lane?.onState((state) => state === "closed" && resolve()),
  );
  await first.page.evaluate(() => window.lane.close());
  await closed;
  assert.equal(lanes.size, 2);
  lanes.close();
  for (const { page } of others) await page.waitForFunction(() => window.lane.state === "closed");
  for (const { context } of peers) await context.close();
});

test(
  "a lane's channel is unordered, and has a life time and no count of retransmissions",
  TIMEOUT,
  async () => {
    const lanes = webRtcLanes({ port: await freePort(), bindAddress: "127.0.0.1" });
    const { page, context } = await openPage(lanes);
    const settings = await page.evaluate(() =>
      window.channels.map(({ ordered, maxPacketLifeTime, maxRetransmits, readyState }) => {
        return { ordered, maxPacketLifeTime, maxRetransmits, readyState };
      }),
    );
    const unordered = { ordered: false, maxPacketLifeTime: 100, maxRetransmits: null, readyState: "open" };
    assert.deepEqual(settings, [unordered]);
    await context.close();
    lanes.close();
  },
);

/**
 * Sends 1,100 bytes at each tick, 60 a second, over 75 ms and 5 % loss each way, and the page says what came.
 * The server's side of a channel cannot be asked for its settings: what it does shows them.
 *
 * @returns how many ticks were begun until the page's word of each message was there, in order of that.
 */
async function agesInTicks(count: number): Promise<number[]> {
  await using link = new LinkRelay(5, { delayMs: 75, loss: 0.05 });
  const lanes = await relayedLanes(link);
  const { page, context, lane } = await openPage(lanes);
  assert.ok(lane);
  await opened(lane);
  await page.evaluate(() => window.lane.onMessage((bytes) => window.lane.send(bytes.slice(0, 4))));
  let tick = 0;
  const ages: number[] = [];
  lane.onMessage((bytes) => ages.push(tick - Buffer.from(bytes).readUInt32BE(0)));
  const message = Buffer.alloc(1_100);
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      message.writeUInt32BE((tick += 1));
      lane.send(message);
      if (ages.length < count) return;
      clearInterval(timer);
      resolve();
    }, 1_000 / 60);
  });
  assert.ok(link.counts("down").lost > 0);
  await context.close();
  lanes.close();
  return ages;
}

test("over a bad link what comes is not old, though nothing holds the sender back", TIMEOUT, async (t) => {
  const ages = (await agesInTicks(500)).slice(300).toSorted((a, b) => a - b);
  const median = ages[Math.floor(ages.length / 2)] ?? Number.NaN;
  t.diagnostic(`there and back over 2 × 75 ms and 5 %: p50 ${median} ticks, at most ${ages.at(-1)}`);
  assert.ok(median < 30, `${median} ticks of 60 a second`);
});

test("of a page that floods a second's messages are taken at once, and then its rate", TIMEOUT, async () => {
  const lanes = webRtcLanes({ port: await freePort(), bindAddress: "127.0.0.1", maxReceivedPerSecond: 20 });
  const { page, context, lane } = await openPage(lanes);
  assert.ok(lane);
  await opened(lane);
  let came = 0;
  const last = new Promise<void>((resolve) => {
    lane.onMessage((bytes) => {
      came += 1;
      if (bytes[0] === 9) resolve();
    });
  });
  const begunAt = performance.now();
  await page.evaluate(() => {
    for (let count = 0; count < 300; count++) window.lane.send(Uint8Array.of(0));
    setInterval(() => window.lane.send(Uint8Array.of(9)), 10);
  });
  await last;
  const seconds = (performance.now() - begunAt) / 1_000;
  assert.ok(came <= 20 + 20 * seconds + 1, `${came} in ${seconds} s`);
  assert.ok(came + lanes.excess > 100 && lanes.excess > came, `${came} came, ${lanes.excess} did not`);
  lanes.close();
  await context.close();
});

test("a link that falls silent is noticed by both, and so is its return", TIMEOUT, async () => {
  await using link = new LinkRelay(5);
  const lanes = await relayedLanes(link);
  const { page, context, lane } = await openPage(lanes);
  assert.ok(lane);
  await opened(lane);
  link.set({ isSilent: true });
  const silent = new Promise<void>((resolve) => lane.onState((state) => state === "silent" && resolve()));
  await Promise.all([silent, page.waitForFunction(() => window.lane.state === "silent")]);
  assert.equal(lane.send(Buffer.of(1)), false);
  link.set({ isSilent: false });
  await Promise.all([opened(lane), page.waitForFunction(() => window.lane.state === "open")]);
  await context.close();
  lanes.close();
});

test("without a free lane, and with a signal that fails, the page's lane is closed", TIMEOUT, async () => {
  const lanes = webRtcLanes({ port: await freePort(), bindAddress: "127.0.0.1", maxLanes: 1 });
  const first = await openPage(lanes);
  const second = await openPage(lanes);
  assert.deepEqual(await second.page.evaluate(() => window.states), ["closed"]);
  const told = await first.page.evaluate(async () => {
    const errors: unknown[] = [];
    const refused = () => Promise.reject(new Error("not connected"));
    const lane = window.room.openWebRtcLane(refused, { onError: (error) => errors.push(String(error)) });
    await new Promise<void>((resolve) => lane.onState(() => resolve()));
    return [lane.state, ...errors];
  });
  assert.deepEqual(told, ["closed", "Error: not connected"]);
  for (const { context } of [first, second]) await context.close();
  lanes.close();
});
