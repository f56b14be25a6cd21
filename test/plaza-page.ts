// Plaza in a real browser, for its tests.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from "playwright-core";
import { launchBrowser } from "./browser.ts";
import { type Ports, ServerProcess } from "./e2e-server.ts";

/** A browser and a server that keeps its channels on disk, for one test. */
export async function plaza(t: TestContext, fill?: (data: string) => Promise<void>) {
  const data = mkdtempSync(join(tmpdir(), "zocalo-plaza-"));
  await fill?.(data);
  const args = ["--engine", "durable", "--data", data];
  let server = await ServerProcess.start(undefined, args);
  const browser = await launchBrowser();
  t.after(async () => {
    await browser.close();
    await server.kill("SIGKILL");
    rmSync(data, { recursive: true });
  });
  const { ports } = server;
  const start = async () => {
    server = await ServerProcess.start(ports, args);
  };
  return { browser, ports, start, stop: (signal: NodeJS.Signals) => server.kill(signal) };
}

/** What a visitor's browser is like. */
export interface VisitorOptions {
  readonly locale?: string;
  /** The page's clock is the test's. */
  readonly hasClock?: boolean;
  readonly options?: BrowserContextOptions;
}

/** A browser profile of its own, and a page of it on which somebody has come in by that name. */
export async function visitor(
  browser: Browser,
  ports: Ports,
  name: string,
  { locale = "en-US", hasClock = false, options = {} }: VisitorOptions = {},
) {
  const context = await browser.newContext({ ...options, locale });
  if (hasClock) await context.clock.install();
  // What keeps the names of functions for stack traces calls this, in functions that run in the page, too.
  await context.addInitScript("globalThis.__name = (named) => named;");
  const page = await openTab(context, ports);
  await page.getByTestId("name-input").fill(name);
  await page.getByTestId("join-button").click();
  await connected(page);
  return { context, page };
}

/** The page's clock stands still. @returns lets it go on for so many milliseconds */
export async function stopClock(page: Page): Promise<(ms: number) => Promise<void>> {
  await page.clock.pauseAt((await page.evaluate(() => Date.now())) + 1_000);
  return (ms) => page.clock.runFor(ms);
}

/** One more tab of a profile. */
export async function openTab(context: BrowserContext, ports: Ports, hash = ""): Promise<Page> {
  const page = await context.newPage();
  await page.goto(`http://localhost:${ports.http}/${hash}`);
  return page;
}

export async function connected(page: Page): Promise<void> {
  await page
    .locator('[data-testid="connection-state"][data-state="connected"]')
    .waitFor({ state: "attached" });
}

export async function say(page: Page, text: string): Promise<void> {
  await page.getByTestId("composer-input").fill(text);
  await page.keyboard.press("Enter");
}

/** A message that the server has committed. */
export function committed(page: Page, text: string): Locator {
  return page.locator('[data-testid="message"][data-delivery="committed"]', { hasText: text });
}

/** The texts of all messages, from top to bottom. */
export function texts(page: Page): Promise<string[]> {
  return page.getByTestId("message-text").allInnerTexts();
}

/** Waits until those and no others are listed as being here. */
export async function seesHere(page: Page, names: readonly string[]): Promise<void> {
  await page.waitForFunction((expected) => {
    const people = document.querySelectorAll('[data-testid="people-list"] .person-name');
    return JSON.stringify(Array.from(people, (each) => each.textContent).sort()) === expected;
  }, JSON.stringify(names.toSorted()));
}
