// `net` and `websocket` on Bun and on Deno, in both roles against Node, and `hub`, `client` and `protocol`
// there: a smoke test, not a promise of support.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ensureRuntime, RUNTIMES } from "../scripts/runtimes.ts";
import { ALL_ANSWERS, askEchoes, echoes, type Places } from "./runtimes/echo.ts";
import { HEARD } from "./runtimes/square.ts";

const PEER = fileURLToPath(new URL("runtimes/peer.ts", import.meta.url));

/** It says nothing for so long only if it hangs. */
const HANGS_AFTER_MS = 120_000;

const others = {
  Bun: { runtime: RUNTIMES.bun, args: ["--conditions=zocalo-source"] },
  Deno: { runtime: RUNTIMES.deno, args: ["run", "--allow-all", "--no-lock", "--conditions=zocalo-source"] },
};

for (const [name, { runtime, args }] of Object.entries(others)) {
  const installed = ensureRuntime(runtime);
  const options = { timeout: HANGS_AFTER_MS, skip: "reason" in installed && installed.reason };
  const start = (t: TestContext, ...rest: readonly string[]): Peer => {
    assert.ok("path" in installed);
    const peer = new Peer(installed.path, [...args, PEER, ...rest]);
    t.after(() => peer.kill());
    return peer;
  };

  test(`Node dials ${name}, over TCP and WebSocket`, options, async (t) => {
    const peer = start(t, "listen");
    const places = JSON.parse(await peer.line()) as Places;
    assert.equal(await askEchoes(places), ALL_ANSWERS);
    assert.equal(await peer.line(), "all closed in order");
    assert.deepEqual(await peer.ended, [0, null]);
  });

  test(`${name} dials Node, over TCP and WebSocket`, options, async (t) => {
    const { places, done } = await echoes();
    const peer = start(t, "dial", places.tcp, places.ws);
    assert.equal(await peer.line(), `${ALL_ANSWERS} answers`);
    assert.deepEqual(await peer.ended, [0, null]);
    await done;
  });

  test(
    `a hub and its clients on ${name}: what is published over WebSocket is received over TCP`,
    options,
    async (t) => {
      const peer = start(t, "square");
      assert.equal(await peer.line(), HEARD);
      assert.deepEqual(await peer.ended, [0, null]);
    },
  );
}

/** The program on another runtime. */
class Peer {
  readonly ended: Promise<unknown[]>;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #said = "";

  constructor(program: string, args: readonly string[]) {
    this.#child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.ended = once(this.#child, "exit");
    this.#child.stderr?.on("data", (text: Buffer) => (this.#said += String(text)));
    const { stdout } = this.#child;
    assert.ok(stdout);
    this.#lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  /** The next line that it prints. */
  async line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    assert.ok(done !== true, `it printed no more lines, but:\n${this.#said}`);
    return value;
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }
}
