// A real browser as the peer of `listen`: its frames, its fragments, its compression, its closes.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { attach, type AttachOptions, type WebSocketConn } from "@zocalo/websocket";
import type { Browser, Page } from "playwright-core";
import { launchBrowser } from "./browser.ts";

let browser: Browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

/** A page, and a WebSocket at `/ws` of the same server; `handle` serves each connection. */
async function visit(
  options: AttachOptions,
  handle: (conn: WebSocketConn) => void | Promise<void>,
): Promise<{ page: Page; port: number } & AsyncDisposable> {
  const server = createServer((_request, response) => {
    response.setHeader("Content-Type", "text/html").end("<!doctype html><title>peer</title>");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const listener = attach(server, { path: "/ws", ...options });
  const serving = (async () => {
    for await (const conn of listener) void handle(conn);
  })();
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${port}/`);
  return {
    page,
    port,
    async [Symbol.asyncDispose]() {
      await page.close();
      await listener.abort();
      await serving;
      server.closeAllConnections();
      server.close();
    },
  };
}

const echo = (conn: WebSocketConn): void => conn.serve({ message: (message) => void conn.trySend(message) });

/** Runs in the page: sends text and bytes of many sizes, and tells what came back different. */
const exchange = `new Promise((resolve, reject) => {
  const sizes = [0, 1, 125, 126, 65535, 65536, 300000];
  const sent = sizes.flatMap((size) => ["a", "ñ", "𝄞"].map((char) => char.repeat(size / 4)));
  for (const size of sizes) sent.push(Uint8Array.from({ length: size }, (_, i) => i));
  const ws = new WebSocket("ws://" + location.host + "/ws", ["a", "b"]);
  ws.binaryType = "arraybuffer";
  let received = 0;
  const different = [];
  ws.onopen = () => sent.forEach((message) => ws.send(message));
  ws.onmessage = ({ data }) => {
    const expected = sent[received];
    const isSame = typeof data === "string" ? data === expected
      : data.byteLength === expected.length && new Uint8Array(data).every((byte, i) => byte === expected[i]);
    if (!isSame) different.push(received);
    if (++received === sent.length) ws.close(3001, "adiós");
  };
  ws.onclose = ({ code, reason, wasClean }) =>
    resolve({ different, received, total: sent.length, code, reason, wasClean, protocol: ws.protocol, extensions: ws.extensions });
})`;

for (const compression of [false, true]) {
  test(`a browser's messages come back as they were, ${compression ? "with" : "without"} compression`, async () => {
    const options = { compression, subprotocols: ["b"], sendLimitBytes: 16_777_216 };
    await using visitor = await visit(options, echo);
    const told: Record<string, unknown> = await visitor.page.evaluate(exchange);
    const { extensions, ...rest } = told;
    assert.deepEqual(rest, {
      different: [],
      received: 28,
      total: 28,
      code: 3001,
      reason: "", // The answer to a close repeats its code alone.
      wasClean: true,
      protocol: "b",
    });
    assert.equal(String(extensions).startsWith("permessage-deflate"), compression);
  });
}

test("a browser hears the server's close, and a cut as 1006", async () => {
  let count = 0;
  await using visitor = await visit({}, async (conn) => {
    if (count++ > 0) return conn.abort();
    await conn.close(4001, "enough");
  });
  const outcome = `new Promise((resolve) => {
    new WebSocket("ws://" + location.host + "/ws").onclose = ({ code, reason, wasClean }) => resolve({ code, reason, wasClean });
  })`;
  assert.deepEqual(await visitor.page.evaluate(outcome), { code: 4001, reason: "enough", wasClean: true });
  assert.deepEqual(await visitor.page.evaluate(outcome), { code: 1006, reason: "", wasClean: false });
});

test("a browser answers pings, and one that leaves its page closes with 1001", async () => {
  const conns: WebSocketConn[] = [];
  let isThere: () => void = () => undefined;
  const there = new Promise<void>((resolve) => {
    isThere = resolve;
  });
  await using visitor = await visit({}, (conn) => {
    conns.push(conn);
    isThere();
  });
  await visitor.page.evaluate(`void new WebSocket("ws://" + location.host + "/ws")`);
  await there;
  const [conn] = conns;
  assert.ok(conn !== undefined);
  assert.ok((await conn.ping()) >= 0);
  const closed = new Promise((resolve) => {
    conn.serve({ message: () => undefined, close: ({ code, wasClean }) => resolve({ code, wasClean }) });
  });
  await visitor.page.goto("about:blank");
  assert.deepEqual(await closed, { code: 1001, wasClean: true });
});

test("a page of another origin does not get in", async () => {
  await using own = await visit({}, echo);
  await using other = await visit({}, echo);
  const attempt = `new Promise((resolve) => {
    const ws = new WebSocket("ws://127.0.0.1:${own.port}/ws");
    ws.onopen = () => resolve("open");
    ws.onclose = ({ code }) => resolve(code);
  })`;
  assert.equal(await other.page.evaluate(attempt), 1006);
  assert.equal(await own.page.evaluate(attempt), "open");
});
