// What the chat page looks like where there is little room: on a phone, beside long names, without colours.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { committed, connected, plaza, say, visitor } from "./plaza-page.ts";

const PHONE = { viewport: { width: 320, height: 568 }, isMobile: true, hasTouch: true };

/** The height and width of what is shown, in pixels. */
async function sizeOf(page: Page, selector: string) {
  const box = await page.locator(selector).first().boundingBox();
  return { height: box?.height ?? 0, width: box?.width ?? 0 };
}

test("a name that is long and shared takes one line of the list, with its mark", async (t) => {
  const { browser, ports } = await plaza(t);
  const name = "Ana María de los Ángeles de la Cruz";
  const { page } = await visitor(browser, ports, name);
  const alone = await sizeOf(page, ".person");
  const { page: other } = await visitor(browser, ports, name);
  await other.locator(".person .mark").nth(1).waitFor();
  assert.deepEqual(await sizeOf(other, ".person"), alone);
  const [mark, you] = await Promise.all([sizeOf(other, ".person .mark"), sizeOf(other, ".person .you")]);
  assert.ok(mark.height < 1.5 * 16 && you.height < 1.5 * 16, `${mark.height} px, ${you.height} px`);
});

test("a phone's page has a heading, its help begins at the beginning, and it says in a word that it is offline", async (t) => {
  const { browser, ports, stop } = await plaza(t);
  const { page } = await visitor(browser, ports, "Ana", { options: PHONE, hasClock: true });
  assert.deepEqual(await page.getByRole("heading", { level: 1 }).allInnerTexts(), ["#general"]);
  assert.equal(await page.getByRole("heading", { level: 2, name: "general" }).count(), 1, "where it begins");

  await page.getByRole("button", { name: "Rooms" }).click();
  await page.getByRole("button", { name: "Help and keys" }).click();
  const dialog = page.getByRole("dialog");
  assert.equal(await dialog.evaluate((element) => element.scrollTop), 0);
  assert.ok(await dialog.getByRole("heading").evaluate((element) => element === document.activeElement));
  assert.ok(await dialog.getByRole("button", { name: "Close" }).isVisible());
  assert.equal(await dialog.getByRole("table").count(), 0, "a phone has no such keys");
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Enter"); // the button that closes it: Tab stays inside
  await dialog.waitFor({ state: "detached" });

  await stop("SIGKILL");
  await page.clock.fastForward(10_000);
  const state = page.locator('[data-testid="connection-state"][data-state="waiting"]');
  await state.waitFor();
  const word = await state.getByText("Offline").boundingBox();
  assert.ok((word?.width ?? 0) > 20, "it is there for a screen reader alone");
  const title = await sizeOf(page, ".room-name h1");
  assert.ok(title.width > 80, `${title.width} px are left for the name of the room`);
});

test("a drawer takes the focus when it opens, and gives it back", async (t) => {
  const { browser, ports } = await plaza(t);
  const { page } = await visitor(browser, ports, "Ana", { options: PHONE });
  for (const [opener, side] of [
    [page.getByRole("button", { name: "Rooms" }), ".rooms"],
    [page.getByRole("button", { name: "People here: 1" }), ".people"],
  ] as const) {
    await opener.focus();
    await page.keyboard.press("Enter");
    await page.locator(`${side} :focus`).waitFor();
    await page.keyboard.press("Escape");
    await page.locator(".room-header :focus").waitFor();
    assert.ok(await opener.evaluate((element) => element === document.activeElement));
  }
});

test("a draft is seen whole after a phone was turned", async (t) => {
  const { browser, ports } = await plaza(t);
  const { page } = await visitor(browser, ports, "Ana", {
    options: { ...PHONE, viewport: { width: 800, height: 640 } },
  });
  const composer = page.getByTestId("composer-input");
  await composer.fill("a word and ".repeat(15));
  await page.setViewportSize({ width: 320, height: 800 });
  await page.waitForFunction(() => {
    const area = document.querySelector("textarea");
    return area !== null && area.scrollHeight <= area.clientHeight;
  });
});

test("times are in the language of the page, whatever the browser's is", async (t) => {
  const { browser, ports } = await plaza(t);
  const { page } = await visitor(browser, ports, "Ana", { locale: "de-DE" });
  await say(page, "hola");
  const time = committed(page, "hola").locator("time");
  assert.match((await time.getAttribute("title")) ?? "", /^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, /);
});

test("where the system chooses the colours the room that is open still stands out, and so does the lamp", async (t) => {
  const { browser, ports } = await plaza(t);
  const { page } = await visitor(browser, ports, "Ana", { options: { forcedColors: "active" } });
  await connected(page);
  const look = (selector: string) =>
    page
      .locator(selector)
      .first()
      .evaluate((element) => {
        const { backgroundColor, outlineStyle } = getComputedStyle(element);
        return `${backgroundColor} ${outlineStyle}`;
      });
  const [current, other, lamp, ground] = await Promise.all(
    [".room-link[aria-current]", ".room-link:not([aria-current])", ".lamp", ".room"].map(look),
  );
  assert.notEqual(current, other);
  assert.notEqual(lamp, ground);
});
