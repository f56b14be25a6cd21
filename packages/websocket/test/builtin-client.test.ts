// Node's own WebSocket client, which others wrote: global from Node 22 on, behind a flag before. So it runs
// in a process of its own.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import type { WebSocketConn } from "../src/index.ts";
import { accepting, echoAll, ended } from "./peers.ts";

/** The oldest Node that has the client without asking. */
const GLOBAL_SINCE = 22;

/**
 * Runs a script in which `client` is a connection to `url`, and `next(type)` waits for one of its events;
 * what it prints, as JSON.
 */
async function inClient(url: string, script: string, protocols: readonly string[] = []): Promise<unknown> {
  const isGlobal = Number(process.versions.node.split(".")[0]) >= GLOBAL_SINCE;
  const code = `
    const client = new WebSocket(${JSON.stringify(url)}, ${JSON.stringify(protocols)});
    client.binaryType = "arraybuffer";
    const next = (type) => new Promise((resolve, reject) => {
      client.addEventListener(type, resolve, { once: true });
      if (type !== "error") client.addEventListener("error", ({ error }) => reject(error), { once: true });
    });
    const closing = new Promise((resolve) => client.addEventListener("close", ({ code, reason, wasClean }) => resolve({ code, reason, wasClean })));
    await next("open");
    ${script}`;
  const flags = isGlobal ? [] : ["--experimental-websocket", "--no-warnings"];
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...flags,
    "--input-type=module",
    "-e",
    code,
  ]);
  return JSON.parse(stdout);
}

for (const contextTakeover of [undefined, false, true]) {
  const compression = contextTakeover === undefined ? false : { contextTakeover, thresholdBytes: 0 };
  const mode = `compression: ${JSON.stringify(compression)}`;

  test(`Node's own client echoes, ${mode}`, async () => {
    await using server = await accepting({ compression });
    void echoAll(server.listener);
    const answer = await inClient(
      server.url,
      `
      const same = [];
      const messages = ["", "hola", "ñandú €𝄞".repeat(8_000), new Uint8Array(70_000).fill(7), new Uint8Array(0)];
      for (let i = 0; i < 300; i++) messages.push(JSON.stringify({ i, text: "message ".repeat(i) }));
      for (const message of messages) {
        const echoed = next("message");
        client.send(message);
        const { data } = await echoed;
        same.push(typeof message === "string" ? data === message : Buffer.from(data).equals(message));
      }
      client.close(4000, "bye");
      console.log(JSON.stringify({ echoed: same.filter(Boolean).length, of: messages.length, extensions: client.extensions, ...await closing }));`,
    );
    const { extensions, ...rest } = answer as { extensions: string };
    assert.deepEqual(rest, { echoed: 305, of: 305, code: 4000, reason: "", wasClean: true });
    assert.equal(extensions.startsWith("permessage-deflate"), compression !== false);
  });

  test(`Node's own client takes what is sent in parts, and a close with its reason, ${mode}`, async () => {
    await using server = await accepting({ compression, subprotocols: ["chat"] });
    const served = (async (): Promise<WebSocketConn> => {
      const conn = await server.listener.accept();
      await conn.sendStream(["ho", "la ", "ñ".repeat(70_000)]);
      assert.equal(await conn.receive(), "thanks");
      assert.ok((await conn.ping()) >= 0);
      await conn.close(3001, "enough");
      return conn;
    })();
    const answer = await inClient(
      server.url,
      `
      const { data } = await next("message");
      client.send("thanks");
      console.log(JSON.stringify({ length: data.length, protocol: client.protocol, ...await closing }));`,
      ["other", "chat"],
    );
    assert.deepEqual(answer, {
      length: 70_005,
      protocol: "chat",
      code: 3001,
      reason: "enough",
      wasClean: true,
    });
    assert.deepEqual(await ended(await served), { code: 3001, reason: "", wasClean: true });
  });
}
