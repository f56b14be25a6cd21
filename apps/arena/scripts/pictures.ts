// `npm run pictures --workspace apps/arena`: the pictures of docs/images, on desktop and phone, by day and by
// night: the title, the match, the end of a match, and the net graph. Installs Debian's webp where it may;
// for the look of most people's machines it needs the fonts Inter and Noto Color Emoji.
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { ensureWebp, IMAGES, play, studio } from "./film.ts";

const SEED = 129;
const DESKTOP = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

async function main(): Promise<void> {
  await ensureWebp("cwebp");
  const { open, close } = await studio();
  try {
    await session(await open(DESKTOP, SEED), "");
    await session(await open(PHONE, SEED), "-phone");
    const page = await open(DESKTOP, SEED, true);
    await play(page, 20_000);
    await untilLively(page, false);
    await page.getByTestId("net-button").click();
    await page.clock.runFor(100);
    await take(page, "arena-net");
  } finally {
    await close();
  }
}

async function session(page: Page, device: string): Promise<void> {
  await page.clock.runFor(6_000);
  await both(page, `arena-title${device}`);
  await play(page, 20_000);
  await untilLively(page, device !== "");
  await both(page, `arena${device}`);
  while (!(await page.getByTestId("result-dialog").isVisible())) await page.clock.runFor(1_000);
  await both(page, `arena-end${device}`);
}

/** Goes on until there is much to see: the piñata is hit by many, or has burst, and the player is near. */
async function untilLively(page: Page, isBurst: boolean): Promise<void> {
  for (;;) {
    await page.clock.runFor(200);
    const { sweets, hits, away } = await page.evaluate(() => window.moment());
    if (isBurst ? sweets >= 7 && away < 4 : hits >= 6 && sweets >= 2 && away < 9) return;
  }
}

/** By day and by night. */
async function both(page: Page, name: string): Promise<void> {
  for (const colorScheme of ["dark", "light"] as const) {
    await page.emulateMedia({ colorScheme });
    await page.clock.runFor(50);
    await take(page, colorScheme === "dark" ? `${name}-dark` : name);
  }
}

async function take(page: Page, name: string): Promise<void> {
  const png = join(IMAGES, `${name}.tmp.png`);
  await page.screenshot({ path: png, animations: "disabled" });
  const to = join(IMAGES, `${name}.webp`);
  const { status, stderr } = spawnSync("cwebp", [
    "-quiet",
    "-preset",
    "drawing",
    "-q",
    "82",
    "-m",
    "6",
    png,
    "-o",
    to,
  ]);
  rmSync(png);
  if (status !== 0) throw new Error(`cwebp: ${stderr.toString()}`);
}

await main();
