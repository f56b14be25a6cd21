// `npm run frames --workspace apps/arena [-- --seconds 10 --throttle 4]`: what a frame costs the main thread
// of a phone, in Chromium with its CPU throttled four times. Needs `npm run build`. The throttle spins for as
// long as it was kept waiting: where others need this machine, too, take `--throttle 1`, and four times what
// it says.
//
// Without a graphics card Chromium draws the canvas on the main thread as well, within the same throttle; a
// phone does that on its graphics card. So it is told apart, and the whole is a bound from above. The times
// are those of the thread's CPU, so that others on this machine do not count.
import { parseArgs } from "node:util";
import type { Page } from "playwright-core";
import { PHONE, Served } from "./page.ts";

/** Of a frame at 60 a second, in milliseconds. */
const BUDGET_MS = 1_000 / 60;
const CATEGORIES = ["devtools.timeline", "cc"];

/** An event of a trace that has a beginning and an end, in microseconds; `tdur` is CPU time of its thread. */
interface Span {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly dur: number;
  readonly tdur?: number;
}

/** Rows of what is printed: their names, and the span that is summed up in each frame. */
const PARTS = [
  ["script (requestAnimationFrame)", "FireAnimationFrame"],
  ["style and layout", "UpdateLayoutTree", "Layout"],
  ["drawing the canvas in software", "LayerTreeHost::DoUpdateLayers"],
  ["the whole frame", "ProxyMain::BeginMainFrame"],
] as const;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "10" },
      /** So much slower than this machine. */
      throttle: { type: "string", default: "4" },
    },
  });
  const rate = Number(values.throttle);
  const served = await Served.start();
  try {
    const page = await served.open(PHONE, 7);
    await page.getByLabel("Your name").fill("Ana");
    await page.getByTestId("practice").click();
    await page.locator("main[data-phase=play]").waitFor();
    const devtools = await page.context().newCDPSession(page);
    await devtools.send("Emulation.setCPUThrottlingRate", { rate });
    await walkAndThrow(page);
    // Until the compilers of the browser have seen what is hot, and the page what it can afford.
    await page.waitForTimeout(8_000);
    await served.browser.startTracing(page, { categories: CATEGORIES });
    await page.waitForTimeout(Number(values.seconds) * 1_000);
    print(await served.browser.stopTracing(), rate);
    const sharpness = await page
      .locator("canvas")
      .evaluate((canvas: HTMLCanvasElement) => canvas.width / canvas.clientWidth);
    console.log(`  the page draws ${sharpness.toFixed(1)} device pixels for each of CSS`);
  } finally {
    await served.close();
  }
}

/** Both thumbs are down: the camera moves, and eggs fly. */
async function walkAndThrow(page: Page): Promise<void> {
  const fingers = await page.context().newCDPSession(page);
  const touch = (type: "touchStart" | "touchMove", ...touchPoints: { x: number; y: number; id: number }[]) =>
    fingers.send("Input.dispatchTouchEvent", { type, touchPoints });
  const left = { x: 130, y: 700, id: 1 };
  await touch("touchStart", { ...left, x: 80 });
  await touch("touchMove", left);
  await touch("touchStart", left, { x: 280, y: 700, id: 2 });
  await touch("touchMove", left, { x: 330, y: 690, id: 2 });
}

function print(trace: Buffer, rate: number): void {
  const { traceEvents } = JSON.parse(trace.toString()) as { traceEvents: readonly Span[] };
  const spans = traceEvents.filter(({ ph }) => ph === "X").sort((a, b) => a.ts - b.ts);
  // Frames in which nothing ran are those of another page of the browser.
  const frames = spans.filter(
    (frame) =>
      frame.name === "ProxyMain::BeginMainFrame" &&
      within(spans, frame, ["FireAnimationFrame"]).some(({ dur }) => dur > 0),
  );
  console.log(`${frames.length} frames, CPU throttled ${rate} times; milliseconds of CPU (p50, p95, most)`);
  for (const [title, ...names] of PARTS) {
    const times = frames
      .map((frame) => within(spans, frame, names).reduce((sum, { tdur = 0 }) => sum + tdur / 1_000, 0))
      .sort((a, b) => a - b);
    const at = (share: number) => times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? 0;
    const row = [at(0.5), at(0.95), at(1)].map((each) => each.toFixed(2).padStart(7)).join("");
    console.log(`  ${title.padEnd(34)}${row}`);
    if (title !== "the whole frame") continue;
    const inTime = times.filter((time) => time <= BUDGET_MS).length / times.length;
    console.log(`  ${(inTime * 100).toFixed(1)} % of the frames within ${BUDGET_MS.toFixed(1)} ms`);
  }
}

/** Those of a name that began in a frame, itself included. */
function within(spans: readonly Span[], frame: Span, names: readonly string[]): Span[] {
  const end = frame.ts + frame.dur;
  return spans.filter(
    ({ name, tid, pid, ts }) =>
      ts >= frame.ts && ts < end && tid === frame.tid && pid === frame.pid && names.includes(name),
  );
}

await main();
