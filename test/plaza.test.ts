// The chat page in a real browser, with a server that keeps its channels on disk.
import assert from "node:assert/strict";
import { test } from "node:test";
import { durable } from "@zocalo/hub";
import {
  committed,
  connected,
  openTab,
  plaza,
  say,
  seesHere,
  stopClock,
  texts,
  visitor,
} from "./plaza-page.ts";

test("a restart of the server is not noticed: nothing is said of it, lost or doubled, and one goes on writing", async (t) => {
  const { browser, ports, start, stop } = await plaza(t);
  const { page } = await visitor(browser, ports, "Ana", { hasClock: true });
  const { page: other } = await visitor(browser, ports, "Ben", { hasClock: true });
  await say(page, "before");
  await committed(other, "before").waitFor();
  const clocks = [await stopClock(page), await stopClock(other)];
  const pass = async (ms: number) => void (await Promise.all(clocks.map((goOn) => goOn(ms))));
  /** Lets time pass until both pages show a message. */
  const shows = async (text: string) => {
    while ((await committed(page, text).count()) + (await committed(other, text).count()) < 2)
      await pass(100);
  };
  for (const each of [page, other]) {
    // Whatever is said of the connection, and in the room between messages, from now on.
    await each.evaluate(() => {
      const heard: string[] = [];
      const look = () => {
        for (const place of document.querySelectorAll(
          ".connection, .banners, .line.loss, .delivery.problem",
        )) {
          const text = place.textContent ?? "";
          if (heard.at(-1) !== text) heard.push(text);
        }
      };
      new MutationObserver(look).observe(document.body, {
        subtree: true,
        childList: true,
        attributes: true,
        characterData: true,
      });
      Object.assign(globalThis, { heard });
    });
  }
  const composer = page.getByTestId("composer-input");
  for (const [round, signal] of (["SIGKILL", "SIGTERM"] as const).entries()) {
    await composer.fill("half a sen");
    // The browser complains of an attempt: the server was really away. How long it takes to start is this
    // machine's business, so the pages' clocks stand still meanwhile.
    const isAway = page.waitForEvent("console", (message) => message.text().includes("WebSocket"));
    await stop(signal);
    await composer.press("End");
    await page.keyboard.type(`tence ${round}`);
    await page.keyboard.press("Enter");
    await pass(1_000);
    await isAway;
    await composer.fill("and the next");
    await start();
    await shows(`half a sentence ${round}`);
    assert.equal(await composer.inputValue(), "and the next");
    assert.ok(await composer.evaluate((element) => element === document.activeElement));
    await say(other, `answer ${round}`);
    await shows(`answer ${round}`);
    await pass(10_000); // nothing is said later, either
  }
  const expected = ["before", "half a sentence 0", "answer 0", "half a sentence 1", "answer 1"];
  for (const each of [page, other]) {
    assert.deepEqual(await texts(each), expected);
    const heard = await each.evaluate(() => (globalThis as unknown as { heard: string[] }).heard);
    assert.deepEqual(new Set(heard.filter((text) => text !== "")), new Set(["Connected"]));
  }
});

test("who is in the room is shown, not who is in the square", async (t) => {
  const { browser, ports } = await plaza(t);
  const { page: ana, context } = await visitor(browser, ports, "Ana");
  const { page: ben } = await visitor(browser, ports, "Ben");
  await seesHere(ana, ["Ana", "Ben"]);
  await ben.getByRole("button", { name: "New room" }).click();
  await ben.keyboard.type("Quiet");
  await ben.keyboard.press("Enter");
  await seesHere(ben, ["Ben"]);
  await seesHere(ana, ["Ana"]);
  // What is said there is heard all the same.
  await say(ben, "anybody?");
  await ana.locator('[data-room="quiet"][data-unread="yes"]').waitFor();
  // Somebody is in all rooms that their tabs show.
  const second = await openTab(context, ports, "#quiet");
  await seesHere(ben, ["Ana", "Ben"]);
  await seesHere(ana, ["Ana"]);
  await second.close();
  await seesHere(ben, ["Ben"]);
  await ana.locator('[data-room="quiet"]').click();
  await seesHere(ana, ["Ana", "Ben"]);
  assert.deepEqual(await texts(ana), ["anybody?"]);
});

test("a name and what has been read travel between the tabs of one browser", async (t) => {
  const { browser, ports } = await plaza(t);
  const { page: one, context } = await visitor(browser, ports, "Ana");
  const other = await openTab(context, ports, "#help");
  await connected(other);
  const { page: ben } = await visitor(browser, ports, "Ben");
  const badge = other.locator('[data-room="general"] .badge');
  await one.bringToFront();
  await say(ben, "hola");
  await committed(one, "hola").waitFor();
  await one.locator('[data-room="general"]:not([data-unread])').waitFor();
  await other.locator('[data-room="general"]:not([data-unread])').waitFor();
  assert.equal(await badge.count(), 0);

  await one.locator(".me-name").click();
  await one.getByTestId("name-input").fill("Ana María");
  await one.getByTestId("join-button").click();
  await other.locator(".me-name bdi", { hasText: "Ana María" }).waitFor();
  await other.bringToFront();
  await other.locator('[data-room="general"]').click();
  await say(other, "from the other tab");
  await committed(ben, "from the other tab").waitFor();
  assert.equal(await ben.locator(".author", { hasText: "Ana María" }).count(), 1);
  await seesHere(ben, ["Ana María", "Ben"]);
});

test("20,000 messages lead back to the first, in place, a few at a time", async (t) => {
  const COUNT = 20_000;
  const { browser, ports } = await plaza(t, async (data) => {
    const engine = await durable(data);
    const retention = { publications: COUNT, bytes: 2 ** 30, ttlMs: 86_400_000, keyMs: 1 };
    for (let first = 1; first <= COUNT; first += 1_000) {
      const batch = Array.from({ length: 1_000 }, (_, i) =>
        engine.publish(
          "plaza:general",
          {
            user: `guest-${i % 7}`,
            data: JSON.stringify({ text: `message ${first + i}${" and more".repeat(i % 40)}` }),
          },
          retention,
        ),
      );
      await Promise.all(batch);
    }
    await engine.close();
  });
  const { page } = await visitor(browser, ports, "Ana");
  await committed(page, `message ${COUNT} `)
    .or(committed(page, `message ${COUNT}`))
    .first()
    .waitFor();
  // As with the wheel: up a piece whenever there is something above, looking at each step at what is there.
  const found = await page.evaluate(async () => {
    const scroller = document.querySelector<HTMLElement>(".scroller");
    if (scroller === null) throw new Error("there is no room");
    const rows = () => Array.from(scroller.querySelectorAll<HTMLElement>("[data-offset]"));
    const first = () => Number(rows()[0]?.dataset["offset"]);
    const seen = new Set<number>();
    let [most, worstShift, worstFrame] = [0, 0, 0];
    const frame = () => new Promise<number>((resolve) => void requestAnimationFrame(resolve));
    while (scroller.querySelector('[data-testid="beginning"]') === null) {
      scroller.scrollTop = 0;
      const before = first();
      const anchor = rows()[0];
      const top = anchor?.getBoundingClientRect().top ?? 0;
      let last = await frame();
      while (first() === before && scroller.querySelector('[data-testid="beginning"]') === null) {
        const now = await frame();
        worstFrame = Math.max(worstFrame, now - last);
        last = now;
      }
      worstShift = Math.max(worstShift, Math.abs((anchor?.getBoundingClientRect().top ?? 0) - top));
      const offsets = rows().map(({ dataset }) => Number(dataset["offset"]));
      for (const offset of offsets) seen.add(offset);
      most = Math.max(most, offsets.length);
      if (offsets.some((offset, i) => i > 0 && offset !== (offsets[i - 1] ?? 0) + 1))
        throw new Error(`a hole: ${offsets.join()}`);
    }
    return { seen: seen.size, most, worstShift, worstFrame };
  });
  t.diagnostic(`the longest frame while scrolling took ${Math.round(found.worstFrame)} ms`);
  assert.equal(found.seen, COUNT);
  assert.ok(found.most <= 500, `${found.most} messages in the page`);
  assert.ok(found.worstShift <= 1, `${found.worstShift} px`);
  const beginning = page.getByTestId("beginning");
  assert.equal(await beginning.getAttribute("data-what"), "complete");
  assert.ok((await beginning.innerText()).includes("Here the conversation begins."));

  // The keyboard goes the whole way at once, and down page by page.
  await page.locator(".scroller").focus();
  await page.keyboard.press("End");
  await page.locator(`[data-offset="${COUNT}"]`).waitFor();
  await page.keyboard.press("Home");
  await page.locator('[data-offset="1"]').waitFor();
  await beginning.waitFor();
  assert.equal(await page.locator(".scroller").evaluate((element) => element.scrollTop), 0);
  while ((await page.locator('[data-offset="301"]').count()) === 0) await page.keyboard.press("PageDown");
});
