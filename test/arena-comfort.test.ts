// Arena for who is easily disturbed, and for who has a gamepad alone: in a real browser.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { arena, match } from "./arena-page.ts";

/** Counts what could be heard: in `window.heard`. */
function listen(page: Page): Promise<unknown> {
  return page.addInitScript(() => {
    const heard = { contexts: 0, tones: 0 };
    Object.assign(window, { heard });
    window.AudioContext = class extends AudioContext {
      constructor(...options: ConstructorParameters<typeof AudioContext>) {
        super(...options);
        heard.contexts++;
      }
      override createOscillator(): OscillatorNode {
        heard.tones++;
        return super.createOscillator();
      }
    };
  });
}

const heard = (page: Page) =>
  page.evaluate(() => (window as unknown as { heard: { contexts: number; tones: number } }).heard);

/** Waits for so many frames of the page. */
const frames = (page: Page, count: number) =>
  page.evaluate(async (left) => {
    for (let i = 0; i < left; i++) await new Promise(requestAnimationFrame);
  }, count);

test("nothing is heard before a gesture, nor once sound is off, and that is kept", async (t) => {
  const { page, complaints } = await arena(t, {}, listen);
  await frames(page, 90);
  assert.deepEqual(await heard(page), { contexts: 0, tones: 0 });
  await page.getByTestId("practice").click();
  await page.waitForFunction(() => (window as unknown as { heard: { tones: number } }).heard.tones > 0);
  assert.equal((await heard(page)).contexts, 1);

  await page.getByTestId("menu-button").click();
  await page.getByTestId("sound").click();
  await page.getByTestId("resume").click();
  await page.locator("main[data-phase=play]").waitFor();
  const { tones } = await heard(page);
  await page.mouse.move(900, 400);
  await page.mouse.down();
  await page.locator("canvas[data-thrown]").waitFor();
  await frames(page, 60);
  assert.equal((await heard(page)).tones, tones, "an egg was thrown without a sound");

  await page.reload();
  await page.getByRole("switch", { name: "Sound", checked: false }).waitFor();
  await page.getByTestId("practice").click();
  await page.locator("main[data-phase=play]").waitFor();
  await page.mouse.down();
  await page.locator("canvas[data-thrown]").waitFor();
  assert.deepEqual(await heard(page), { contexts: 0, tones: 0 });
  assert.deepEqual(complaints, []);
});

test("who asks for less motion gets a calm picture, at once, and words that do not move", async (t) => {
  const { page } = await match(t, { reducedMotion: "reduce" });
  await page.locator("main[data-motion=calm]").waitFor();
  const banner = page.getByTestId("banner");
  assert.ok(
    Number.parseFloat(await banner.evaluate((each) => getComputedStyle(each).animationDuration)) < 0.001,
  );
  await page.emulateMedia({ reducedMotion: "no-preference" });
  await page.locator("main[data-motion=full]").waitFor();
  await page.emulateMedia({ reducedMotion: "reduce" });
  await page.locator("main[data-motion=calm]").waitFor();
});

interface Padded {
  pad: (button: number) => Promise<void>;
}

/** A gamepad of which `window.pad(button)` pushes a button for two frames. */
function plug(page: Page): Promise<unknown> {
  return page.addInitScript(() => {
    const buttons = Array.from({ length: 17 }, () => ({ pressed: false, touched: false, value: 0 }));
    const pad = { mapping: "standard", axes: [0, 0, 0, 0], buttons, connected: true, index: 0, id: "test" };
    // Members, not names: the compiler of the tests keeps names by a function that pages lack.
    navigator.getGamepads = () => [null, pad as unknown as Gamepad];
    (window as unknown as Padded).pad = async (index) => {
      const button = buttons[index];
      if (button === undefined) return;
      for (const pressed of [true, false]) {
        button.pressed = pressed;
        for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
      }
    };
  });
}

const push = (page: Page, button: number) =>
  page.evaluate((index) => (window as unknown as Padded).pad(index), button);
const [A, B, START, UP, DOWN] = [0, 1, 9, 12, 13];
/** What has the focus. */
const focused = (page: Page) =>
  page.evaluate(() => {
    const { dataset, tagName } = document.activeElement as HTMLElement;
    return dataset["testid"] ?? tagName.toLowerCase();
  });

test("a gamepad alone begins a match, pauses it, changes a setting and goes on", async (t) => {
  const { page, complaints } = await arena(t, {}, plug);
  await page.evaluate(() => dispatchEvent(new Event("gamepadconnected")));
  assert.equal(await focused(page), "play");
  await push(page, DOWN);
  assert.equal(await focused(page), "practice");
  await push(page, UP);
  assert.equal(await focused(page), "play");
  assert.equal(
    await page.getByTestId("play").evaluate((button) => getComputedStyle(button).outlineStyle),
    "solid",
    "what has the focus is marked",
  );
  await push(page, DOWN);
  await push(page, A);
  await page.locator("main[data-screen=match][data-phase=play]").waitFor();

  await push(page, START);
  await page.locator("main[data-screen=menu]").waitFor();
  assert.equal(await focused(page), "resume");
  for (let i = 0; (await focused(page)) !== "sound"; i++) {
    assert.ok(i < 5, "the switch is reached");
    await push(page, DOWN);
  }
  await push(page, A);
  await page.getByRole("switch", { name: "Sound", checked: false }).waitFor();
  // What is folded is passed over until it is unfolded.
  await push(page, DOWN);
  assert.equal(await focused(page), "summary");
  await push(page, DOWN);
  assert.equal(await focused(page), "resume");
  await push(page, UP);
  await push(page, A);
  await push(page, DOWN);
  assert.equal(await focused(page), "key-up");
  await push(page, B);
  await page.locator("main[data-screen=match]").waitFor();
  await push(page, START);
  await push(page, START);
  await page.locator("main[data-screen=match]").waitFor();
  assert.deepEqual(complaints, []);
});
