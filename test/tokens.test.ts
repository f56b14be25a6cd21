// A back end in Python makes tokens; a page in a real browser, lines over TCP and datagrams live with them at
// the built server: they end, and are refreshed.
import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, execFile, spawn } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type * as client from "@zocalo/client";
import { build } from "esbuild";
import { launchBrowser } from "./browser.ts";
import { type Client, TcpClient, UdpClient } from "./e2e-clients.ts";
import { ServerProcess } from "./e2e-server.ts";

const SECRET = "c0ffee-c0ffee-c0ffee-c0ffee-c0ffee";
/** What the server allows clocks to be apart, in seconds: a token is good for so much longer. */
const TOLERANCE_S = 5;
const CHANNEL = "sala:general";
const COMMAND = fileURLToPath(new URL("../packages/zocalo/dist/bin.js", import.meta.url));

/** What the page has of the test. */
declare global {
  interface Window {
    zocalo: typeof client;
    watched: { session: client.Session; said: unknown[]; states: string[]; tokens: number };
  }
}

const directory = mkdtempSync(join(tmpdir(), "zocalo-tokens-"));
let backEnd: ChildProcessWithoutNullStreams;
let origin = "";
let server: ServerProcess;

before(async () => {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("../packages/client/src/index.ts", import.meta.url))],
    bundle: true,
    write: false,
    format: "iife",
    globalName: "zocalo",
    conditions: ["zocalo-source"],
  });
  const page = join(directory, "page.html");
  // The test's own loader marks functions by a call of this.
  const script = `var __name = (run) => run;${outputFiles[0]?.text}`;
  writeFileSync(page, `<!doctype html><meta charset="utf-8"><script>${script}</script>`);
  backEnd = spawn("python3", [fileURLToPath(new URL("back-end.py", import.meta.url)), SECRET, page]);
  const [port] = (await once(backEnd.stdout.setEncoding("utf8"), "data")) as [string];
  origin = `http://127.0.0.1:${Number(port)}`;

  const secretFile = join(directory, "secret");
  writeFileSync(secretFile, `${SECRET}\n`);
  const config = join(directory, "zocalo.json");
  const namespaces = { sala: { subscribe: "anyone", publish: "users" } };
  writeFileSync(config, JSON.stringify({ namespaces, tokenAudience: ["chat"], tokenSecretFile: secretFile }));
  const args = ["--config", config, "--allowed-origins", origin, "--arena", "off"];
  server = await ServerProcess.start(undefined, args);
});

after(async () => {
  await server.kill("SIGTERM");
  backEnd.kill();
  rmSync(directory, { recursive: true });
});

/** A token of the back end, good at the server for so many seconds. */
async function tokenFor(user: string, seconds: number): Promise<string> {
  const response = await fetch(`${origin}/token?user=${user}&seconds=${seconds - TOLERANCE_S}`);
  assert.equal(response.status, 200);
  return response.text();
}

/** Begins a session by hand. */
async function begin(of: Client, token: string) {
  of.send({ type: "connect", id: 1, token, key: "k1" });
  return of.received.next("connected");
}

for (const [door, open] of [
  ["tcp", (port: number) => TcpClient.connect(port)],
  ["udp", (port: number) => UdpClient.connect(port)],
] as const) {
  test(`over ${door} a session goes on with another token, and ends with the last one`, async () => {
    await using ana: Client = await open(server.ports[door]);
    const connected = await begin(ana, await tokenFor("ana", 30));
    const { session, user, info, tokenMs = 0 } = connected;
    assert.deepEqual([user, info], ["ana", { name: "Ana" }]);
    assert.ok(tokenMs > 0 && tokenMs <= 30_000, String(tokenMs));
    ana.send({ type: "refresh", id: 2, session, token: await tokenFor("eve", 30) });
    ana.send({ type: "refresh", id: 3, session, token: "not.one.atall" });
    for (const id of [2, 3]) {
      const refused = await ana.received.next("error", (error) => error.id === id);
      assert.equal(refused.code, "unauthorized");
    }
    ana.send({ type: "publish", id: 4, session, channel: CHANNEL, data: `hola from ${door}` });
    await ana.received.next("published");
    ana.send({ type: "refresh", id: 5, session, token: await tokenFor("ana", 2) });
    const refreshed = await ana.received.next("refreshed");
    assert.ok((refreshed.tokenMs ?? 0) > 0 && (refreshed.tokenMs ?? 0) <= 2_000);
    const { code, reason, reconnect } = await ana.received.next("disconnect");
    assert.deepEqual([code, reason, reconnect], [4401, "the token has expired", false]);
    if (ana instanceof TcpClient) await ana.ended;
    else {
      ana.send({ type: "ping", id: 6, session });
      assert.equal((await ana.received.next("error", ({ id }) => id === 6)).code, "unknown_session");
    }
  });
}

test("a guest may what the namespace says, and a bad token makes nobody a guest", async () => {
  await using guest = await TcpClient.connect(server.ports.tcp);
  guest.send({ type: "publish", id: 1, channel: CHANNEL, data: 1 });
  assert.equal((await guest.received.next("error")).code, "forbidden");
  guest.send({ type: "subscribe", id: 2, channel: CHANNEL });
  await guest.received.next("subscribed");

  const [header = "", claims = ""] = (await tokenFor("ana", 30)).split(".");
  const none = Buffer.from('{"alg":"none"}').toString("base64url");
  const forged = createHmac("sha256", "another-secret-of-thirty-two-bytes").update(`${header}.${claims}`);
  const attempts = [
    [`${none}.${claims}.`, "algorithm_not_allowed"],
    [`${header}.${claims}.${forged.digest("base64url")}`, "bad_signature"],
    [await tokenFor("ana", -1), "expired"],
    ["a.b.c", "malformed"],
  ] as const;
  for (const [token, reason] of attempts) {
    await using eve = await TcpClient.connect(server.ports.tcp);
    eve.send({ type: "connect", id: 1, token });
    assert.equal((await eve.received.next("error")).code, "unauthorized");
    assert.equal((await eve.received.next("disconnect")).code, 4401);
    await eve.ended;
    assert.match(server.stderr, new RegExp(`"reason":"${reason}"`));
    for (const part of token.split("."))
      assert.ok(part.length < 5 || !server.stderr.includes(part), "nothing of a token is in the log");
  }
  assert.ok(!server.stderr.includes(SECRET));
});

test("a page watches while its token ends and is refreshed, and leaves when there is no other one", async () => {
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage();
    await page.goto(origin);
    const url = `ws://localhost:${server.ports.http}/ws`;
    await page.evaluate(
      ([to, seconds]) => {
        const token = async (): Promise<string> => {
          const response = await fetch(`/token?user=tina&seconds=${seconds}`);
          if (!response.ok) throw new Error(`the back end answers ${response.status}`);
          window.watched.tokens++;
          return response.text();
        };
        const session = window.zocalo.connect(to, { token });
        const said: unknown[] = [];
        const states: string[] = [];
        session.onState((state) =>
          states.push(state.name === "waiting" ? `waiting: ${state.cause.code}` : state.name),
        );
        session
          .channel("sala:general")
          .subscribe({}, { publication: ({ data }) => said.push(data), gap() {} });
        window.watched = { session, said, states, tokens: 0 };
      },
      [url, 4 - TOLERANCE_S] as const,
    );
    // The third token is of the second refresh: each lasts four seconds.
    await page.waitForFunction(() => window.watched.tokens >= 3, null, { timeout: 90_000 });
    await using ana = await TcpClient.connect(server.ports.tcp);
    await begin(ana, await tokenFor("ana", 30));
    ana.send({ type: "publish", id: 2, channel: CHANNEL, data: "are you there?" });
    await page.waitForFunction(() => window.watched.said.includes("are you there?"));
    const { states, user } = await page.evaluate(() => ({
      states: window.watched.states,
      user: window.watched.session.user,
    }));
    assert.deepEqual([states, user], [["connected"], "tina"], "one connection, all the time");

    await fetch(`${origin}/down`);
    await page.waitForFunction(() => window.watched.states.some((state) => state.startsWith("waiting")));
    const after = await page.evaluate(() => window.watched.states);
    assert.deepEqual(after.slice(0, 2), ["connected", "waiting: unauthorized"]);
  } finally {
    await browser.close();
  }
});

test("zocalo token makes one that the server of the same settings takes", async () => {
  const run = promisify(execFile);
  const environment = {
    PATH: process.env["PATH"],
    ZOCALO_TOKEN_SECRET: SECRET,
    ZOCALO_TOKEN_AUDIENCE: "chat",
  };
  const args = [COMMAND, "token", "--user", "ana", "--expires", "90s", "--info", '{"name":"Ana"}'];
  const { stdout } = await run(process.execPath, args, { env: environment, cwd: directory });
  await using ana = await TcpClient.connect(server.ports.tcp);
  const { user, info, tokenMs = 0 } = await begin(ana, stdout.trim());
  assert.deepEqual([user, info], ["ana", { name: "Ana" }]);
  assert.ok(tokenMs > 60_000 && tokenMs <= 95_000, String(tokenMs));
  const without = run(process.execPath, args, { env: { PATH: process.env["PATH"] }, cwd: directory });
  await assert.rejects(without, (error: Error & { code?: number; stderr?: string }) => {
    assert.equal(error.code, 2);
    assert.match(error.stderr ?? "", /^zocalo: A token is signed with a secret/);
    return true;
  });
});
