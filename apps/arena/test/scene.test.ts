// What the picture does to eyes: flashes as WCAG 2.3.1 counts them, and stillness for who asks for it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { launchBrowser } from "../scripts/browser.ts";
import { bundle } from "../scripts/bundle.ts";
import { FlashMeter } from "./flash-meter.ts";
import type { Film, Seen } from "./scene-page.ts";

/** A picture of 400 × 300 cells of one pixel, of which a rectangle is lit in some frames. */
function flashes(
  lit: (frame: number) => boolean,
  part = { width: 400, height: 300 },
  dark = 0.1,
  bright = 0.9,
) {
  const meter = new FlashMeter(400, 300, 1, 60);
  const picture = new Float32Array(400 * 300);
  for (let frame = 0; frame < 90; frame++) {
    picture.fill(dark);
    for (let y = 0; y < part.height; y++) {
      picture.fill(lit(frame) ? bright : dark, y * 400, y * 400 + part.width);
    }
    meter.frame(picture);
  }
  return meter;
}
const hertz = (count: number) => (frame: number) => Math.floor((frame * count * 2) / 60) % 2 === 1;

test("the meter finds a flash that is too fast, large, and deep, and no other", () => {
  assert.equal(flashes(hertz(4)).worstShare, 1);
  assert.equal(flashes(hertz(4)).mostChanges, 8);
  assert.equal(flashes(hertz(3)).worstShare, 0, "three a second are allowed");
  assert.ok(Math.abs(flashes(hertz(10), { width: 170, height: 127 }).worstShare - 0.25) < 0.01);
  assert.equal(flashes(hertz(10), undefined, 0.5, 0.59).worstShare, 0, "less than a tenth is no change");
  assert.equal(flashes(hertz(10), undefined, 0.5, 0.61).worstShare, 1);
  assert.equal(flashes(hertz(10), undefined, 0.81, 0.95).worstShare, 0, "both are bright");
  assert.equal(flashes((frame) => frame > 30).mostChanges, 1, "one change of scene is no flash");
});

test("the picture has names in the colours of their teams, never flashes more than three times a second, and stands still for who asks", async (t) => {
  const browser = await launchBrowser();
  t.after(() => browser.close());
  const page = await browser.newPage({ viewport: { width: 1024, height: 768 } });
  const { script } = await bundle(fileURLToPath(new URL("scene-page.ts", import.meta.url)));
  await page.addScriptTag({ content: script });
  const film = (options: Film): Promise<Seen> =>
    page.evaluate((given) => (window as unknown as { film: (film: Film) => Seen }).film(given), options);

  const names = await page.evaluate(() =>
    (window as unknown as { namesOf: (text: string) => number }).namesOf("Beto"),
  );
  const [once, thrice] = await page.evaluate(() => {
    const { nameHeight } = window as unknown as { nameHeight: (sharpness: number) => number };
    return [nameHeight(1), nameHeight(3)] as const;
  });
  assert.ok(Math.abs(thrice - 3 * once) <= 3, `as large to the eye on a sharp screen: ${once}, ${thrice}`);
  assert.equal(names, 3, "a name has the colour of its team, or is one's own");
  for (const isDark of [false, true]) {
    for (const isWild of [false, true]) {
      const seen = await film({ isDark, isCalm: false, seconds: isWild ? 6 : 24, isWild });
      const name = `${isDark ? "dark" : "light"}, ${isWild ? "wild" : "as played"}`;
      t.diagnostic(`${name}: ${JSON.stringify(seen)}`);
      assert.ok(isWild || (seen.bursts > 0 && seen.hits > 5), `${name}: nothing dear was seen`);
      assert.ok(seen.worstShare < 0.25, `${name}: ${seen.worstShare} of a field flashes`);
    }
  }
  // In the same match nothing of what shakes and scatters is seen.
  const still = { isDark: false, isCalm: true, seconds: 6 };
  const plain = await film({ ...still, isWild: false });
  assert.equal((await film({ ...still, isWild: true })).last, plain.last);
  const moved = await film({ ...still, isCalm: false, isWild: true });
  assert.notEqual(moved.last, plain.last);
});
