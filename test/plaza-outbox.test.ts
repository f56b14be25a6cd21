// What is written on the chat page while there is no server, in a real browser: sent, and sent once.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { committed, connected, openTab, plaza, say, texts, visitor } from "./plaza-page.ts";

/** Waits until the browser keeps so many messages, and a draft. */
async function keeps(page: Page, messages: number, drafts: number): Promise<void> {
  await page.waitForFunction(
    async (expected) => {
      const counts = await new Promise((resolve, reject) => {
        const opening = indexedDB.open("zocalo:plaza");
        opening.onerror = () => reject(new Error(`${opening.error}`));
        opening.onsuccess = () => {
          const stores = ["outbox", "drafts"].map((name) =>
            opening.result.transaction(name).objectStore(name).count(),
          );
          Promise.all(
            stores.map(
              (request) =>
                new Promise((counted) => {
                  request.onsuccess = () => counted(request.result);
                }),
            ),
          ).then((found) => {
            opening.result.close();
            resolve(found);
          }, reject);
        };
      });
      return JSON.stringify(counts) === expected;
    },
    JSON.stringify([messages, drafts]),
  );
}

test("what is written while the server is away is sent once: after a reload, from a closed tab, from two tabs", async (t) => {
  const { browser, ports, start, stop } = await plaza(t);
  const { page: ben } = await visitor(browser, ports, "Ben");
  const { page: ana, context } = await visitor(browser, ports, "Ana");
  await say(ana, "before");
  await committed(ben, "before").waitFor();

  // Reloaded as soon as the server is back.
  await stop("SIGKILL");
  await say(ana, "reloaded");
  await ana.getByTestId("composer-input").fill("and a draft");
  await keeps(ana, 1, 1);
  await start();
  await ana.reload();
  await committed(ben, "reloaded").waitFor();
  await committed(ana, "reloaded").waitFor();
  const composer = ana.getByTestId("composer-input");
  await ana.waitForFunction(() => document.querySelector("textarea")?.value === "and a draft");
  await ana.locator('[data-room="help"]').click();
  assert.equal(await ana.getByTestId("composer-input").inputValue(), "");
  await ana.locator('[data-room="general"]').click();
  assert.equal(await composer.inputValue(), "and a draft");
  await composer.fill("");

  // The only tab is closed before the server is back.
  await stop("SIGKILL");
  await say(ana, "closed");
  await keeps(ana, 1, 0);
  await ana.close();
  await start();
  const again = await openTab(context, ports);
  await committed(ben, "closed").waitFor();
  await committed(again, "closed").waitFor();

  // Two tabs write, one is closed: the other sends for both.
  const other = await openTab(context, ports);
  await connected(other);
  await stop("SIGKILL");
  await say(again, "one tab");
  await say(other, "the other tab");
  await keeps(other, 2, 0);
  await again.close();
  await start();
  for (const page of [ben, other]) {
    await committed(page, "one tab").waitFor();
    await committed(page, "the other tab").waitFor();
  }
  await say(ben, "end");
  for (const page of [ben, other]) {
    await committed(page, "end").waitFor();
    const found = await texts(page);
    assert.deepEqual(found.toSorted(), ["before", "closed", "end", "one tab", "reloaded", "the other tab"]);
  }
  await keeps(other, 0, 0);
});
