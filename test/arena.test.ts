// Arena in a real browser, under the policy that its server sends: a match against bots.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { arena, match } from "./arena-page.ts";

const PHONE = { viewport: { width: 360, height: 720 }, isMobile: true, hasTouch: true };

/** Waits until the player is further right than `x`, and further down than `y`. */
function untilPast(page: Page, x: number, y: number): Promise<unknown> {
  return page.waitForFunction(
    ([x, y]) => {
      const [atX = 0, atY = 0] = (document.querySelector("canvas")?.dataset["at"] ?? "")
        .split(" ")
        .map(Number);
      return atX > x && atY > y;
    },
    [x, y] as const,
  );
}

test("a match is played by keys and mouse, paused, and gone on with", async (t) => {
  const { page, complaints } = await match(t);
  const how = page.getByTestId("how");
  assert.match(await how.innerText(), /W\s*A\s*S\s*D\s+walk\s+Click throw\s+Space dash/);
  await untilPast(page, 2, 7);
  await page.keyboard.down("KeyD");
  await untilPast(page, 6, 0);
  await page.keyboard.press("Space");
  await page.keyboard.up("KeyD");
  await page.keyboard.down("ArrowDown");
  await untilPast(page, 0, 8.5);
  await page.keyboard.up("ArrowDown");
  await page.mouse.move(640, 430);
  await page.mouse.down();
  await page.locator("canvas[data-thrown]").waitFor();
  await page.mouse.up();
  await how.waitFor({ state: "detached" });
  await page.keyboard.press("Tab");
  assert.equal(await page.getByTestId("board").locator("tbody tr").count(), 10);
  await page.getByTestId("board").getByText("Ana").waitFor();

  await page.keyboard.press("Escape");
  const paused = await page.getByTestId("clock").textContent();
  await page.getByText("Controls").click();
  await page.getByTestId("key-dash").click();
  await page.keyboard.press("KeyX");
  assert.match((await page.getByTestId("key-dash").textContent()) ?? "", /X$/);
  assert.equal(await page.getByTestId("clock").textContent(), paused);
  await page.getByTestId("resume").click();
  await page.locator("main[data-screen=match]").waitFor();
  assert.deepEqual(complaints, []);

  await page.reload();
  await page.getByText("Controls").click();
  assert.match((await page.getByTestId("key-dash").textContent()) ?? "", /X$/);
  assert.equal(await page.getByLabel("Your name").inputValue(), "Ana");
});

test("a match is played by two thumbs", async (t) => {
  const { page, complaints } = await match(t, PHONE);
  const fingers = await page.context().newCDPSession(page);
  const touch = (type: "touchStart" | "touchMove" | "touchEnd", ...touchPoints: object[]) =>
    fingers.send("Input.dispatchTouchEvent", { type, touchPoints: touchPoints as never });
  await untilPast(page, 2, 7);
  const places = await Promise.all(
    [".how-thumb[data-side=right]", ".dash", ".how-thumb[data-side=left]"].map((each) =>
      page.locator(each).boundingBox(),
    ),
  );
  const [right, dash] = places;
  assert.ok(
    places.every((place) => place !== null && place.y > 720 / 2),
    "where thumbs reach",
  );
  assert.ok(right && dash && right.y + right.height < dash.y, "the button is not under the thumb that aims");
  const left = { x: 140, y: 560, id: 1 };
  await touch("touchStart", { ...left, x: 80 });
  await touch("touchMove", left);
  await untilPast(page, 6, 0);
  await touch("touchStart", left, { x: 260, y: 600, id: 2 });
  await touch("touchMove", left, { x: 310, y: 600, id: 2 });
  await page.locator("canvas[data-thrown]").waitFor();
  await page.getByTestId("how").waitFor({ state: "detached" });
  await touch("touchEnd");
  assert.deepEqual(complaints, []);
});

test("the page speaks Spanish to whom speaks it, and every control has a name", async (t) => {
  const { page } = await arena(t, { locale: "es-MX" });
  await page.getByRole("button", { name: "Practicar contra robots" }).waitFor();
  await page.getByRole("dialog", { name: "¡Dulces!" }).waitFor();
  await page.getByRole("switch", { name: "Sonido", checked: true }).click();
  await page.getByRole("switch", { name: "Sonido", checked: false }).waitFor();
  assert.equal(await page.locator("html").getAttribute("lang"), "es-MX");
});

test("play joins the match of the server that the page comes from", async (t) => {
  const { page, complaints } = await arena(t);
  await page.getByLabel("Your name").fill("Ana");
  await page.getByTestId("play").click();
  await page.locator("main[data-mode=online][data-phase=play]").waitFor();
  // Of which team one is, and so on which side, the server says.
  const x = (): Promise<number> => {
    return page.evaluate(() =>
      Number(document.querySelector("canvas")?.dataset["at"]?.split(" ")[0] ?? Number.NaN),
    );
  };
  while (Number.isNaN(await x())) await page.evaluate(() => new Promise(requestAnimationFrame));
  const from = await x();
  await page.keyboard.down(from < 20 ? "KeyD" : "KeyA");
  while (!(Math.abs((await x()) - from) > 2)) await page.evaluate(() => new Promise(requestAnimationFrame));
  await page.keyboard.press("Escape");
  assert.equal(await page.getByTestId("here").textContent(), "1 player, 9 bots");
  await page.reload();
  await page.locator("main[data-mode=online]").waitFor();
  assert.deepEqual(complaints, []);
});
