// `npm run recording --workspace apps/arena`: nine seconds of a match as an animated WebP, in docs/images.
// The page's clock is faked, so the film is smooth however slow the machine is. Installs Debian's webp where
// it may.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureWebp, IMAGES, play, studio } from "./film.ts";

/** In this match the piñata bursts, and sweets are gathered, stolen, and brought home, from this time on. */
const SEED = 129;
const FROM_MS = 59_800;
const LASTS_MS = 9_000;
/** Of a frame of the film: four of the page. */
const FRAME_MS = 64;
const SIZE = { viewport: { width: 1040, height: 680 }, deviceScaleFactor: 0.8 };
const MOST_BYTES = 3_000_000;

async function main(): Promise<void> {
  await ensureWebp("img2webp");
  const folder = mkdtempSync(join(tmpdir(), "arena-film-"));
  const { open, close } = await studio();
  try {
    const page = await open(SIZE, SEED);
    await play(page, FROM_MS);
    const frames: string[] = [];
    for (let at = 0; at < LASTS_MS; at += FRAME_MS) {
      const frame = join(folder, `${frames.length}.png`);
      await page.screenshot({ path: frame });
      frames.push(frame);
      await page.clock.runFor(FRAME_MS);
    }
    const film = join(IMAGES, "arena-match.webp");
    const lossy = ["-lossy", "-q", "70", "-m", "6", "-d", String(FRAME_MS)];
    const { status, stderr } = spawnSync("img2webp", [
      "-loop",
      "0",
      "-kmax",
      "60",
      ...lossy,
      ...frames,
      "-o",
      film,
    ]);
    if (status !== 0) throw new Error(`img2webp: ${stderr.toString()}`);
    const { size } = statSync(film);
    console.log(`${film}: ${frames.length} frames, ${size} bytes`);
    if (size > MOST_BYTES) throw new Error(`more than ${MOST_BYTES} bytes`);
  } finally {
    await close();
    rmSync(folder, { recursive: true });
  }
}

await main();
