// What arena has of the page beside it, and of its address: in a real browser.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Browser } from "playwright-core";
import { launchBrowser } from "./browser.ts";
import { ServerProcess } from "./e2e-server.ts";
import { plaza, visitor } from "./plaza-page.ts";

test("whoever has a name in plaza has it in arena, until they choose another one there", async (t) => {
  const { browser, ports } = await plaza(t);
  const { context, page } = await visitor(browser, ports, "Luz Marina");
  await page.goto(`http://localhost:${ports.http}/arena/`);
  const name = page.getByLabel("Your name");
  assert.equal(await name.inputValue(), "Luz Marina");
  await page.getByTestId("play").click();
  await page.locator("main[data-mode=online]").waitFor();
  await page.keyboard.press("Tab");
  await page.getByTestId("board").getByText("Luz Marina").waitFor();
  await page.getByTestId("menu-button").click();
  await page.getByTestId("leave").click();
  await name.fill("Lucha");
  await page.getByTestId("practice").click();
  await page.reload();
  assert.equal(await name.inputValue(), "Lucha");
  const square = await context.newPage();
  await square.goto(`http://localhost:${ports.http}/`);
  await square.getByTestId("people-list").getByText("Luz Marina").waitFor();
});

/** What the leader board says, one after the other, of a match against bots whose player does nothing. */
async function boards(browser: Browser, address: string): Promise<string[]> {
  const context = await browser.newContext({ locale: "en-US", viewport: { width: 320, height: 240 } });
  const page = await context.newPage();
  await page.clock.install({ time: 0 });
  await page.goto(address);
  await page.clock.pauseAt(60_000);
  await page.getByTestId("practice").click();
  await page.keyboard.press("Tab");
  const board = await page.getByTestId("board").elementHandle();
  const texts = await page.evaluateHandle((table) => {
    const texts: string[] = [];
    const options = { subtree: true, childList: true, characterData: true };
    if (table !== null)
      new MutationObserver(() => texts.push(table.textContent ?? "")).observe(table, options);
    return texts;
  }, board);
  // Each picture is drawn when the test lets time pass, and none between.
  await page.clock.runFor(10_000);
  const seen = await texts.jsonValue();
  await context.close();
  return seen;
}

test("a seed in the address plays the same match against bots again, and another one another", async (t) => {
  const server = await ServerProcess.start();
  const browser = await launchBrowser();
  t.after(async () => {
    await browser.close();
    await server.kill("SIGKILL");
  });
  const played = (seed: number) =>
    boards(browser, `http://localhost:${server.ports.http}/arena/?seed=${seed}`);
  const first = await played(7);
  const again = await played(7);
  // One of the two may have seen one change more when time was up.
  const count = Math.min(first.length, again.length);
  assert.ok(count >= 8, first.join("\n"));
  assert.deepEqual(again.slice(0, count), first.slice(0, count));
  assert.notDeepEqual((await played(8)).slice(0, count), first.slice(0, count));
});
