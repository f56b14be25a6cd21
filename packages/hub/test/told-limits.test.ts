// What a client is told of its limits, so that it can keep to them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { square } from "./square.ts";

test("connected says how many commands may come: the least that the session, its address and its user may send", async () => {
  const limits = {
    commandsPerSecond: 500,
    commandBurst: 1_000,
    commandsPerSecondPerAddress: 300,
    commandBurstPerAddress: 2_000,
    commandsPerSecondPerUser: 400,
    commandBurstPerUser: 600,
  };
  const { hub, conn } = square({
    limits,
    authenticate: ({ token }) => ({ user: token ?? "guest", isGuest: token === undefined }),
  });
  const address = { transport: "tcp", host: "203.0.113.7" } as const;
  for (const [options, token, expected] of [
    [{}, undefined, [500, 1_000]],
    [{}, "ana", [400, 600]],
    [address, undefined, [300, 1_000]],
    [address, "ana", [300, 600]],
  ] as const) {
    const told = await conn(options).ask({ type: "connect", ...(token === undefined ? {} : { token }) });
    assert.ok(told.type === "connected");
    assert.deepEqual([told.commandsPerSecond, told.commandBurst], expected);
  }
  await hub.close();
});

test("published says what telling those who are subscribed counted for, and so a client can count to the last command", async () => {
  const { hub, conn } = square({ limits: { commandsPerSecond: 1, commandBurst: 100 } });
  const crowd = Array.from({ length: 40 }, () => conn());
  for (const one of crowd) await one.ask({ type: "subscribe", channel: "quiet:crowd" });
  const ana = conn();
  const publish = async (channel: string, data: string): Promise<number | undefined> => {
    const answer = await ana.ask({ type: "publish", channel, data });
    assert.ok(answer.type === "published", JSON.stringify(answer));
    return answer.cost;
  };
  assert.equal(await publish("quiet:alone", "hola"), undefined);
  assert.equal(await publish("quiet:crowd", "hola"), 2_000);
  assert.equal(await publish("quiet:crowd", "x".repeat(2_046)), 40 * (50 + 2 * 125));
  // 100, less three commands, what was told, and the length of one.
  let left = 100_000 - 3 * 1_000 - 2_000 - 12_000 - 2 * 1_000;
  for (; left >= 1_000; left -= 1_000 + 2_000) assert.equal(await publish("quiet:crowd", "hola"), 2_000);
  const refused = await ana.ask({ type: "publish", channel: "quiet:alone", data: "hola" });
  assert.ok(refused.type === "error" && refused.code === "rate_limited");
  await hub.close();
});
