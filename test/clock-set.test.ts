// The wall clock of real processes is set by Debian's faketime, forward and back. Their monotonic one is not.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "node:test";
import { ClockProgram, PING_MS, TIMEOUT_MS } from "./clock-programs.ts";
import { HoldingRelay } from "./holding-relay.ts";

const DAY_S = 86_400;
const portOf = (address: string): number => Number(/\d+$/.exec(address)?.[0]);

interface Answer {
  readonly offset: number;
  readonly duplicate?: boolean;
  readonly publications: readonly { readonly at: number }[];
}

test("on a server whose clock is set, keys and history are kept, and times are right when it is right again", {
  timeout: 60_000,
}, async () => {
  await using server = new ClockProgram(["server"], true);
  const socket = connect(portOf(await server.says(/:\d+$/)), "127.0.0.1");
  const answers = createInterface(socket);
  const ask = async (command: object): Promise<Answer> => {
    socket.write(`${JSON.stringify({ id: 1, channel: "plaza:a", ...command })}\n`);
    const [line] = (await once(answers, "line")) as [string];
    return JSON.parse(line) as Answer;
  };
  const keyed = { type: "publish", data: "once", key: "k" };
  const { offset } = await ask(keyed);
  const steps = [301, DAY_S + 1, 3_650 * DAY_S, -301, -60 * DAY_S];
  for (const seconds of steps) {
    server.setWall(seconds);
    const again = await ask(keyed);
    assert.deepEqual([again.offset, again.duplicate], [offset, true], `${seconds} s`);
    await ask({ type: "publish", data: seconds });
  }
  server.setWall(0);
  await ask({ type: "publish", data: "right again" });
  const { publications } = await ask({ type: "history" });
  assert.equal(publications.length, steps.length + 2);
  assert.ok(Math.abs((publications.at(-1)?.at ?? 0) - Date.now()) < 60_000);
  socket.destroy();
});

test("a client whose clock is set keeps its connection, pings on, and finds a dead server in time", {
  timeout: 60_000,
}, async () => {
  await using server = new ClockProgram(["server"]);
  await using relay = await HoldingRelay.start(portOf(await server.says(/:\d+$/)));
  await using client = new ClockProgram(["client", relay.address], true);
  await client.says(/connected/);
  for (const seconds of [3_600, -3_600, -60 * DAY_S, 0]) {
    relay.isSilent = true; // A slow answer is under way.
    client.child.stdin.write("ask\n");
    await relay.hears();
    client.setWall(seconds);
    await sleep(TIMEOUT_MS / 2);
    relay.speak();
    await relay.hears(); // A ping, and the next one.
    await relay.hears();
  }
  await client.says(/answered/);
  assert.deepEqual(client.said, ["connected", ...Array<string>(4).fill("answered")]);
  client.setWall(-3_600);
  relay.isSilent = true;
  const before = performance.now();
  await client.says(/waiting/);
  const tookMs = performance.now() - before;
  assert.ok(tookMs < 2 * (PING_MS + TIMEOUT_MS), `${tookMs} ms`);
});
