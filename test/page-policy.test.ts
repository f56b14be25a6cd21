// The page in a real browser, under the policy that its server sends.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { test } from "node:test";
import { launchBrowser } from "./browser.ts";
import { ServerProcess } from "./e2e-server.ts";

test("the page works without a violation of its policy, and what is injected reaches no other server", async (t) => {
  await using server = await ServerProcess.start();
  const other = createServer((_, response) =>
    response.setHeader("access-control-allow-origin", "*").end("heard"),
  );
  let heard = 0;
  other.on("connection", () => heard++);
  other.listen(0, "127.0.0.1");
  await once(other, "listening");
  const browser = await launchBrowser();
  t.after(async () => {
    await browser.close();
    other.close();
    other.closeAllConnections();
  });
  const page = await (await browser.newContext()).newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const hasIpv6 = addresses.some(({ address }) => address === "::1");
  for (const host of ["localhost", "127.0.0.1", ...(hasIpv6 ? ["[::1]"] : [])]) {
    await page.goto(`http://${host}:${server.ports.http}/`);
    await page.getByTestId("name-input").fill("Ana");
    await page.getByTestId("join-button").click();
    await page
      .locator('[data-testid="connection-state"][data-state="connected"]')
      .waitFor({ state: "attached" });
    await page.getByTestId("composer-input").fill(`hola de ${host}`);
    await page.getByTestId("send-button").click();
    await page.locator('[data-testid="message"]', { hasText: `hola de ${host}` }).waitFor();
  }
  assert.deepEqual(complaints, []);

  // What the README of the page says it does not take.
  const refused = await page.evaluate(async () => {
    const told: string[] = [];
    document.addEventListener("securitypolicyviolation", (event) => told.push(event.effectiveDirective));
    const script = document.createElement("script");
    script.textContent = "document.title = 'ran'";
    const style = document.createElement("style");
    style.textContent = "body { display: none }";
    document.head.append(script, style);
    document.body.setAttribute("style", "display: none");
    const image = new Image();
    const isOver = new Promise((resolve) => {
      image.onload = image.onerror = resolve;
    });
    image.src = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";
    await isOver;
    const isShown = getComputedStyle(document.body).display !== "none";
    return { told, isShown, title: document.title };
  });
  const expected = ["img-src", "script-src-elem", "style-src-attr", "style-src-elem"];
  assert.deepEqual(refused.told.sort(), expected);
  assert.ok(refused.isShown);
  assert.notEqual(refused.title, "ran");

  // As a script would that got in somehow: each of these is refused by the browser before a byte leaves.
  const { port } = other.address() as AddressInfo;
  const blocked = await page.evaluate(async (place: string) => {
    const told: string[] = [];
    document.addEventListener("securitypolicyviolation", (event) => told.push(event.effectiveDirective));
    await fetch(`http://${place}/`).catch(() => undefined);
    await new Promise((resolve) => {
      try {
        const socket = new WebSocket(`ws://${place}/`);
        socket.onerror = resolve;
        socket.onopen = resolve;
      } catch (error) {
        resolve(error);
      }
    });
    const image = new Image();
    await new Promise((resolve) => {
      image.onerror = resolve;
      image.onload = resolve;
      image.src = `http://${place}/`;
    });
    return told;
  }, `127.0.0.1:${port}`);
  assert.deepEqual([...new Set(blocked)].sort(), ["connect-src", "img-src"]);
  assert.equal(heard, 0);
});
