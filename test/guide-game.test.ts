// docs/guide-game.md, typed in as it stands there: two pages in Chromium play, the server is restarted under
// them, a program plays over UDP, a page over WebRTC, and the guide's own tests pass.
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Browser, Page } from "playwright-core";
import { launchBrowser } from "./browser.ts";
import { fencedBlocks } from "./fenced-blocks.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
mkdirSync(join(root, ".cache"), { recursive: true });
// Inside the repository, so that the packages are found by their names.
const work = mkdtempSync(join(root, ".cache", "guide-game-"));
after(() => rmSync(work, { recursive: true, force: true }));

/** The files of the guide, in its order; a later one takes the place of an earlier one. */
const guide = readFileSync(join(root, "docs/guide-game.md"), "utf8");
const files = fencedBlocks(guide).flatMap(({ code }) => {
  const [, name] = /^(?:\/\/|<!--) ([\w.]+\.(?:ts|html))/.exec(code) ?? [];
  return name === undefined ? [] : [{ name, code }];
});
const first = files.slice(0, 5);
const NODE = ["--conditions=zocalo-source", "--import", import.meta.resolve("tsx")];

function type(some: readonly { readonly name: string; readonly code: string }[]): void {
  for (const { name, code } of some) writeFileSync(join(work, name), `${code}\n`);
}

async function bundle(): Promise<void> {
  await build({
    entryPoints: [join(work, "page.ts")],
    outfile: join(work, "page.js"),
    bundle: true,
    format: "esm",
    conditions: ["zocalo-source"],
    logLevel: "silent",
  });
}

/** Starts the guide's server, and waits until it is ready. */
async function serve(t: TestContext, port = 0): Promise<{ server: ChildProcess; port: number }> {
  const env = { ...process.env, PORT: String(port) };
  const server = spawn(process.execPath, [...NODE, "server.ts"], { cwd: work, env });
  t.after(() => server.kill("SIGKILL"));
  let said = "";
  server.stderr.on("data", (bytes: Buffer) => (said += String(bytes)));
  for await (const bytes of server.stdout) {
    said += String(bytes);
    const [, found] = /ready.*port: (\d+)/s.exec(said) ?? [];
    if (found === undefined) continue;
    server.stderr.resume();
    return { server, port: Number(found) };
  }
  throw new Error(`the server has ended: ${said}`);
}

/** Opens the game. Functions that are sent to a page name those in them, as tsx compiles them. */
async function open(browser: Browser, port: number, name: string): Promise<Page> {
  const page = await browser.newPage();
  await page.addInitScript("globalThis.__name = (named) => named");
  await page.goto(`http://localhost:${port}/#${name}`);
  return page;
}

/** Walks to the coins that it sees, until the page says that a player of this name has one. */
async function collect(page: Page, name: string): Promise<void> {
  await page.waitForFunction((who) => {
    const canvas = document.querySelector("canvas") as HTMLCanvasElement;
    const { data } = (canvas.getContext("2d") as CanvasRenderingContext2D).getImageData(0, 0, 500, 500);
    const at = (red: number, green: number, blue: number): [number, number] | undefined => {
      for (let i = 0; i < data.length; i += 4)
        if (data[i] === red && data[i + 1] === green && data[i + 2] === blue)
          return [(i / 4) % 500, Math.floor(i / 2_000)];
      return undefined;
    };
    const [me, coin] = [at(255, 255, 255), at(255, 215, 0)];
    if (me !== undefined && coin !== undefined) {
      const [x, y] = [coin[0] + 5 - me[0] - 12, coin[1] + 5 - me[1] - 12];
      const press = (key: string, isDown: boolean): void =>
        void dispatchEvent(new KeyboardEvent(isDown ? "keydown" : "keyup", { key }));
      press("ArrowRight", x > 6);
      press("ArrowLeft", x < -6);
      press("ArrowDown", y > 6);
      press("ArrowUp", y < -6);
    }
    return new RegExp(`${who} [1-9]`).test(document.querySelector("p")?.textContent ?? "");
  }, name);
}

function says(page: Page, text: string): Promise<unknown> {
  const has = (words: string): boolean => (document.querySelector("p")?.textContent ?? "").includes(words);
  return page.waitForFunction(has, text);
}

test("the game of the guide has at most a hundred lines", () => {
  assert.deepEqual(
    first.map(({ name }) => name),
    ["game.ts", "room.ts", "server.ts", "index.html", "page.ts"],
  );
  const lines = first.reduce((sum, { code }) => sum + code.trimEnd().split("\n").length, 0);
  assert.ok(lines <= 100, `${lines} lines`);
});

test("two pages play the game of the guide", { timeout: 120_000 }, async (t) => {
  type(first);
  await bundle();
  const { port } = await serve(t);
  const browser = await launchBrowser();
  t.after(() => browser.close());
  const ana = await open(browser, port, "Ana");
  const ben = await open(browser, port, "Ben");
  await says(ana, "Ben");
  await says(ben, "Ana");
  await collect(ana, "Ana");
  await ben.waitForFunction(() => /Ana [1-9]/.test(document.querySelector("p")?.textContent ?? ""));
});

test("a page goes on over a restart, and a program plays over UDP", { timeout: 120_000 }, async (t) => {
  type(files);
  await bundle();
  const { server, port } = await serve(t);
  const browser = await launchBrowser();
  t.after(() => browser.close());
  const page = await open(browser, port, "Ana");
  await says(page, "bot");
  await collect(page, "Ana");
  await page.evaluate(() => document.body.setAttribute("data-loaded", "once"));
  server.kill("SIGTERM");
  await once(server, "exit");
  await serve(t, port);
  const walker = spawn(process.execPath, [...NODE, "walker.ts", `127.0.0.1:${port}`], { cwd: work });
  const printed: Buffer[] = [];
  walker.stdout.on("data", (bytes: Buffer) => printed.push(bytes));
  t.after(() => walker.kill("SIGKILL"));
  const [code] = (await once(walker, "close")) as [number];
  assert.equal(code, 0);
  assert.match(Buffer.concat(printed).toString(), /carrier: 'udp'/);
  await page.waitForFunction(() => /Ana [1-9]/.test(document.querySelector("p")?.textContent ?? ""));
  assert.equal(await page.getAttribute("body", "data-loaded"), "once");
});

/** The files of the guide with what section 7 adds for pages, on a UDP port that was free a moment ago. */
async function withWebRtc(): Promise<{ readonly name: string; readonly code: string }[]> {
  const [, lane = "", from = "", lanes = "", given = ""] =
    /^- \*\*Pages\*\* pass `(lane: (?:\w+))`, of `([^`]+)`, and the server `(webRtc: (?:[^`]+))` beside `(\w+)`/m.exec(
      guide,
    ) ?? [];
  const socket = createSocket("udp4").bind(0);
  await once(socket, "listening");
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  const changes: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
    "page.ts": [
      [`import { join } from "${from}"`, `import { join, ${lane.split(": ")[1]} } from "${from}"`],
      [' || "somebody" }', ` || "somebody", ${lane} }`],
      ["draw();", "draw();\nObject.assign(globalThis, { play });"],
    ],
    "server.ts": [
      ["udpLanes }", "udpLanes, webRtcLanes }"],
      [`{ ${given} });`, `{ ${given}, ${lanes.replace("7002", String(port))} });`],
    ],
  };
  return [...new Map(files.map((file) => [file.name, file])).values()].map(({ name, code }) => {
    let changed = code;
    for (const [before, after] of changes[name] ?? []) {
      assert.ok(changed.includes(before), `${name} has no ${before}`);
      changed = changed.replace(before, after);
    }
    return { name, code: changed };
  });
}

test("a page plays over WebRTC as section 7 says", { timeout: 120_000 }, async (t) => {
  type(await withWebRtc());
  await bundle();
  const { port } = await serve(t);
  const browser = await launchBrowser();
  t.after(() => browser.close());
  const page = await open(browser, port, "Ana");
  await page.waitForFunction(() => {
    const { play } = globalThis as { play?: { figures(): { readonly carrier: string } } };
    return play?.figures().carrier === "webrtc";
  });
  await collect(page, "Ana");
});

test("the tests of the guide pass", { timeout: 120_000 }, () => {
  type(files);
  // The runner of this test would take the results of one that it does not know for its own.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const ran = spawnSync(process.execPath, [...NODE, "--test", "game.test.ts"], {
    cwd: work,
    env,
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.equal(ran.status, 0, ran.stdout);
});
