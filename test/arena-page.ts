import type { TestContext } from "node:test";
import type { BrowserContextOptions, Page } from "playwright-core";
import { launchBrowser } from "./browser.ts";
import { ServerProcess } from "./e2e-server.ts";

/** A page with the title on it, and what its console complained of. */
export async function arena(
  t: TestContext,
  options: BrowserContextOptions = {},
  prepare?: (page: Page) => Promise<unknown>,
) {
  const server = await ServerProcess.start();
  const browser = await launchBrowser();
  t.after(async () => {
    await browser.close();
    await server.kill("SIGKILL");
  });
  const context = await browser.newContext({ locale: "en-US", ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  await prepare?.(page);
  await page.goto(`http://localhost:${server.ports.http}/arena/?seed=5`);
  await page.getByTestId("play").waitFor();
  return { page, complaints };
}

/** A page on which a match against bots has begun. */
export async function match(
  t: TestContext,
  options: BrowserContextOptions = {},
  prepare?: (page: Page) => Promise<unknown>,
) {
  const opened = await arena(t, options, prepare);
  await opened.page.getByLabel("Your name").fill("Ana");
  await opened.page.getByTestId("practice").click();
  await opened.page.locator("main[data-phase=play]").waitFor();
  return opened;
}
