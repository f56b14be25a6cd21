// DNS rebinding with a real browser: the page of an attacker whose name leads to this machine after it was
// loaded.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { launchBrowser } from "./browser.ts";
import { ServerProcess } from "./e2e-server.ts";

const ARGS = [
  "--host-resolver-rules=MAP evil.example 127.0.0.1",
  // Today's Chromium refuses by itself what a page of the public network asks of this machine. Pages of the
  // same network, and other browsers, go on.
  "--disable-features=LocalNetworkAccessChecks",
];

/** Runs in the page: what it reads of its server, and whether it opens a WebSocket there. */
const attempt = `(async () => {
  const { status } = await fetch("/");
  const end = await new Promise((resolve) => {
    const ws = new WebSocket("ws://" + location.host + "/ws");
    ws.onopen = () => resolve("open");
    ws.onclose = ({ code }) => resolve(code);
  });
  return [status, end];
})()`;

/**
 * A page that was loaded from the attacker's server, once; what it asks for now goes to `port` of this
 * machine.
 */
async function attack(browser: Browser, port: number): Promise<Page> {
  const evil = `http://evil.example:${port}/`;
  const page = await browser.newPage();
  const answer = { contentType: "text/html", body: "<!doctype html><title>attack</title>" };
  await page.route(evil, (route) => route.fulfill(answer), { times: 1 });
  await page.goto(evil);
  assert.equal(await page.title(), "attack");
  return page;
}

test("a rebound page reads no page and opens no WebSocket; the server's own page does both", async () => {
  await using server = await ServerProcess.start();
  await using told = await ServerProcess.start(undefined, ["--allowed-hosts", "evil.example"]);
  const browser = await launchBrowser(ARGS);
  try {
    const rebound = await attack(browser, server.ports.http);
    assert.deepEqual(await rebound.evaluate(attempt), [421, 1006]);
    const own = await browser.newPage();
    await own.goto(`http://localhost:${server.ports.http}/`);
    assert.deepEqual(await own.evaluate(attempt), [200, "open"]);
    const lines = server.stderr.match(/--allowed-hosts evil\.example allows it/g);
    assert.equal(lines?.length, 1, server.stderr); // One for both.
    // As it says: so it was the server that refused, and not the browser.
    const allowed = await attack(browser, told.ports.http);
    assert.deepEqual(await allowed.evaluate(attempt), [200, "open"]);
  } finally {
    await browser.close();
  }
});
