// What a screen reader hears of arena: each control has a name, on every screen and in both languages.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { arenaRoom, matchOf } from "@zocalo/arena";
import type { Browser, Page } from "playwright-core";
import { Match } from "./arena-match.ts";
import { launchBrowser } from "./browser.ts";

const TIMEOUT = { timeout: 240_000 };
const CONTROLS = new Set([
  "button",
  "checkbox",
  "combobox",
  "dialog",
  "DisclosureTriangle",
  "link",
  "listbox",
  "menuitem",
  "option",
  "radio",
  "searchbox",
  "slider",
  "spinbutton",
  "switch",
  "tab",
  "textbox",
  "toggle button",
  "ToggleButton",
]);

let browser: Browser;
before(async () => (browser = await launchBrowser()));
after(() => browser.close());

/** The names of all controls, and of all else that can have the focus, of the whole tree. */
async function namesOn(page: Page, screen: string): Promise<string[]> {
  const devtools = await page.context().newCDPSession(page);
  const { nodes } = await devtools.send("Accessibility.getFullAXTree");
  await devtools.detach();
  const names: string[] = [];
  for (const { ignored, role, name, properties } of nodes) {
    const kind = String(role?.value ?? "");
    const canFocus = properties?.some(({ name, value }) => name === "focusable" && value.value === true);
    if (ignored || kind === "RootWebArea" || !(CONTROLS.has(kind) || canFocus === true)) continue;
    const said = String(name?.value ?? "").trim();
    assert.notEqual(said, "", `a ${kind} of ${screen} has no name`);
    names.push(said);
  }
  return names;
}

/** Goes through every screen. @returns what is heard on each of them. */
async function walk(match: Match, locale: string): Promise<Map<string, string[]>> {
  const heard = new Map<string, string[]>();
  const { page } = await match.page({ locale });
  const hear = async (screen: string): Promise<void> => {
    heard.set(screen, await namesOn(page, screen));
  };
  const press = (id: string) => page.getByTestId(id).click();
  await page.locator("summary").click();
  await hear("the title");

  await press("practice");
  await page.locator("main[data-mode=practice][data-phase=play]").waitFor();
  await page.keyboard.press("Tab");
  await hear("a match against bots");
  await press("menu-button");
  await page.locator("summary").click();
  await hear("the menu against bots");
  await press("leave");

  await press("play");
  await page.locator("main[data-mode=online]").waitFor();
  await press("net-button");
  await page.getByTestId("net-graph").waitFor();
  await hear("a match, and its net graph");
  await press("menu-button");
  await page.locator("summary").click();
  await hear("the menu");
  await page.getByTestId("key-dash").click();
  await hear("the menu, while a key is asked for");
  await press("resume");
  matchOf(match.now.world).left = 30;
  await page.getByTestId("watch-again").waitFor();
  await hear("the end of a match");
  await press("watch-again");
  await page.locator("main[data-mode=replay]").waitFor();
  await hear("a match that is played again");
  await press("to-match");
  await page.locator("main[data-mode=online]").waitFor();
  await page.locator("main[data-phase=play]").waitFor();
  await press("menu-button");
  await press("leave");

  await press("watch");
  await page.locator("main[data-mode=watch]").waitFor();
  await hear("a match that one watches");
  await press("stop-watching");
  await page.evaluate(() => (location.hash = "#room=gone"));
  await page.getByTestId("invited").waitFor();
  await press("play");
  await page.getByTestId("reason").waitFor();
  await hear("the title, with a reason");
  await page.context().close();
  return heard;
}

test("every control of every screen has a name, in English and in Spanish", TIMEOUT, async (t) => {
  const match = await Match.open(t, browser, {
    ...arenaRoom,
    open: (room) => {
      arenaRoom.open?.(room);
      matchOf(room.world).phase = "play";
    },
  });
  const english = await walk(match, "en-US");
  const spanish = await walk(match, "es-MX");
  assert.deepEqual([...spanish.keys()], [...english.keys()]);
  for (const [screen, names] of english) {
    t.diagnostic(`${screen}: ${names.join(" | ")}`);
    assert.ok(names.length >= 2, `${screen} has controls`);
    const other = spanish.get(screen) ?? [];
    assert.equal(other.length, names.length, screen);
    // How fast something is played again is said with digits.
    const untranslated = other.filter((name) => names.includes(name) && /\p{L}/u.test(name));
    assert.deepEqual(untranslated, [], screen);
  }
  assert.deepEqual(match.complaints, []);
});
