// `zocalo serve --rooms`: no door is open before the rooms are there, however long a game takes to load.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { connect } from "@zocalo/client";
import * as websocket from "@zocalo/websocket";
import { Zocalo } from "./zocalo-process.ts";

const ROOM = new URL("../../room/dist/index.js", import.meta.url).href;
const HALL = `
import { once } from "node:events";
import { connect } from "node:net";
import { bool, defineGame, defineRoom } from ${JSON.stringify(ROOM)};
await once(connect(PORT, "127.0.0.1"), "data");
const game = defineGame({
  version: 1,
  ticksPerSecond: 20,
  kinds: { player: { jumps: bool() } },
  input: { jumps: bool() },
});
console.error("hash " + game.layout.hash);
export default { hall: defineRoom({ game, seats: 2, join: ({ world }) => world.add("player", {}) }) };
`;

async function listening(): Promise<[Server, number]> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  return [server, Object(server.address()).port as number];
}

test("`/readyz` is answered once the rooms are there, and not while a game loads", async (t) => {
  const directory = mkdtempSync(join(tmpdir(), "zocalo-ready-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const [gate, gatePort] = await listening();
  t.after(() => gate.close());
  const file = join(directory, "hall.mjs");
  writeFileSync(file, HALL.replace("PORT", String(gatePort)));
  const [free, port] = await listening();
  free.close();
  await once(free, "close");

  const loads = once(gate, "connection") as Promise<[Socket]>;
  const args = ["serve", "--tcp-port", "off", "--udp-port", "off", "--arena", "off", "--rooms", file];
  await using zocalo = new Zocalo([...args, "--http-port", String(port)]);
  const [held] = await loads;
  const ready = (): Promise<Response> => fetch(`http://127.0.0.1:${port}/readyz`);
  await assert.rejects(ready(), ({ cause }: Error) => Object(cause).code === "ECONNREFUSED");

  // From now on it is asked in a loop: the first answer comes when rooms may be joined.
  held.end("go on");
  let answer: Response | undefined;
  while (answer === undefined) answer = await ready().catch(() => undefined);
  assert.deepEqual([answer.status, await answer.text()], [200, "ready\n"]);
  const [, hash] = await zocalo.says("stderr", /hash (\d+)/);
  const session = connect(`ws://127.0.0.1:${port}/ws`, { dial: websocket.dial });
  t.after(() => session.close());
  const request = { mode: "hall", hash: Number(hash), key: "k".repeat(22), name: "Ana" };
  assert.equal(Object(await session.call("room.join", request)).seat, 0);
});
