import assert from "node:assert/strict";
import { test } from "node:test";
import { CLOSE, COST, LIMITS } from "@zocalo/protocol";
import { type Authenticate, defaultHubLimits } from "../src/index.ts";
import { settle } from "./fake-clock.ts";
import { square } from "./square.ts";

/** Tokens are `user`, or `user milliseconds` that it lasts, or `user milliseconds name` of its info. */
function spoken(wall: () => number): Authenticate {
  return ({ token }) => {
    if (token === undefined) return { user: "somebody", isGuest: true };
    if (token === "broken") throw new Error("the keys cannot be had");
    const [user = "", lasts, name] = token.split(" ");
    if (user === "bad") return null;
    return {
      user,
      isGuest: user.startsWith("guest"),
      info: name === undefined ? undefined : { name },
      ...(lasts === undefined ? {} : { expiresAt: wall() + Number(lasts) }),
    };
  };
}

function clocked() {
  const plaza = square({ authenticate: (request, peer) => spoken(() => plaza.clock.wall())(request, peer) });
  return plaza;
}

test("connected says how long the token lasts, and nothing of one that lasts for ever", async () => {
  const { conn } = clocked();
  const lasting = await conn().ask({ type: "connect", token: "ana" });
  const ending = await conn().ask({ type: "connect", token: "ana 5000" });
  assert.ok(lasting.type === "connected" && ending.type === "connected");
  assert.deepEqual([lasting.tokenMs, ending.tokenMs], [undefined, 5_000]);
});

test("an end in ages is told as a number that every form has, and ends nobody", async () => {
  for (const expiresAt of [Number.MAX_VALUE, Number.MAX_SAFE_INTEGER]) {
    const { conn, clock } = square({ authenticate: () => ({ user: "ana", isGuest: false, expiresAt }) });
    const ana = conn();
    const connected = await ana.ask({ type: "connect", token: "x" });
    assert.ok(connected.type === "connected" && Number.isSafeInteger(connected.tokenMs));
    clock.advance(2 ** 32);
    assert.equal((await ana.ask({ type: "ping" })).type, "pong");
  }
});

test("a session that is not refreshed ends with 4401 at its time, and not before", async () => {
  const { conn, clock } = clocked();
  const ana = conn();
  await ana.ask({ type: "connect", token: "ana 5000" });
  clock.advance(4_999);
  assert.equal((await ana.ask({ type: "ping" })).type, "pong");
  clock.advance(1);
  const { code, reason } = await ana.untilClosed();
  assert.deepEqual([code, reason], [CLOSE.unauthorized, "the token has expired"]);
  assert.deepEqual(ana.all("disconnect"), [{ type: "disconnect", code, reason, reconnect: false }]);
});

test("a wall clock that is set moves no end, whichever way", async () => {
  for (const byMs of [-3_600_000, 3_600_000]) {
    const { conn, clock } = clocked();
    const ana = conn();
    await ana.ask({ type: "connect", token: "ana 5000" });
    clock.setWall(byMs);
    clock.advance(4_999);
    assert.equal((await ana.ask({ type: "ping" })).type, "pong");
    clock.advance(1);
    assert.equal((await ana.untilClosed()).code, CLOSE.unauthorized);
  }
});

test("after its time no command is carried out, be it that the timer is late", async () => {
  const { conn, clock, hub } = clocked();
  // The system's timer comes up to a second late after a pause: here it never does.
  const after = clock.after.bind(clock);
  clock.after = (ms, task) => (ms === 0 ? after(ms, task) : { cancel: () => {} });
  const late = conn();
  await late.ask({ type: "connect", token: "ana 1000" });
  clock.advance(1_000);
  late.say({ type: "publish", channel: "quiet:a", data: "too late" });
  assert.equal((await late.untilClosed()).code, CLOSE.unauthorized);
  assert.deepEqual((await hub.history("quiet:a")).publications, []);
});

test("refresh lengthens the session, and changes what is shown of its user", async () => {
  const { conn, clock } = clocked();
  const ana = conn();
  await ana.ask({ type: "connect", token: "ana 5000 Ana" });
  await ana.ask({ type: "subscribe", channel: "quiet:a" });
  clock.advance(4_000);
  const refreshed = await ana.ask({ type: "refresh", token: "ana 7000 Anita", id: 900 });
  assert.deepEqual(refreshed, { type: "refreshed", id: 900, tokenMs: 7_000, info: { name: "Anita" } });
  clock.advance(6_999);
  await ana.ask({ type: "publish", channel: "quiet:a", data: 1 });
  assert.deepEqual(
    ana.all("publication").map(({ info }) => info),
    [{ name: "Anita" }],
  );
  const forEver = await ana.ask({ type: "refresh", token: "ana", id: 901 });
  assert.deepEqual(forEver, { type: "refreshed", id: 901 });
  clock.advance(10 * 86_400_000);
  assert.equal((await ana.ask({ type: "ping" })).type, "pong");
});

test("refresh without id is answered without one", async () => {
  const { conn } = clocked();
  const ana = conn();
  await ana.ask({ type: "connect", token: "ana 5000" });
  ana.say({ type: "refresh", token: "ana 9000" });
  assert.deepEqual(await ana.until(({ type }) => type === "refreshed"), {
    type: "refreshed",
    tokenMs: 9_000,
  });
});

for (const [what, token, code] of [
  ["that is not accepted", "bad", "unauthorized"],
  ["of somebody else", "eve 9000", "unauthorized"],
  ["that is over already", "ana 0", "unauthorized"],
  ["that cannot be judged now", "broken", "unavailable"],
] as const) {
  test(`a token ${what} is ${code}, and the session goes on with what it had`, async () => {
    const { conn, clock, errors } = clocked();
    const ana = conn();
    await ana.ask({ type: "connect", token: "ana 5000" });
    const answer = await ana.ask({ type: "refresh", token });
    assert.equal(answer.type === "error" && answer.code, code);
    assert.equal(errors.length, token === "broken" ? 1 : 0);
    assert.equal((await ana.ask({ type: "ping" })).type, "pong");
    clock.advance(5_000);
    assert.equal((await ana.untilClosed()).code, CLOSE.unauthorized);
  });
}

test("a guest of that name does not become the user by refresh, nor the user a guest", async () => {
  let isGuest = true;
  const { conn } = square({ authenticate: () => ({ user: "ana", isGuest }) });
  const ana = conn();
  await ana.ask({ type: "connect", token: "x" });
  isGuest = false;
  const answer = await ana.ask({ type: "refresh", token: "x" });
  assert.equal(answer.type === "error" && answer.code, "unauthorized");
});

test("what is no token is told so, at the limit and one past it", async () => {
  const { conn } = square({ authenticate: () => ({ user: "ana", isGuest: false }) });
  const ana = conn();
  await ana.ask({ type: "connect", token: "x" });
  const most = await ana.ask({ type: "refresh", token: "t".repeat(LIMITS.tokenLength) });
  const more = await ana.ask({ type: "refresh", token: "t".repeat(LIMITS.tokenLength + 1) });
  assert.equal(most.type, "refreshed");
  assert.equal(more.type === "error" && more.code, "bad_command");
});

test("a session that ends while its token is judged says nothing more, and holds no place", async () => {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  let asked = 0;
  const { conn } = square({
    limits: { authenticationsPerAddress: 1 },
    authenticate: async () => {
      if (asked++ === 1) await promise;
      return { user: "ana", isGuest: false };
    },
  });
  const ana = conn({ host: "192.0.2.1" });
  await ana.ask({ type: "connect", token: "x" });
  ana.say({ type: "refresh", token: "x" });
  await settle();
  ana.cut();
  resolve();
  await settle();
  assert.deepEqual(ana.all("refreshed"), []);
  assert.equal((await conn({ host: "192.0.2.1" }).ask({ type: "connect", token: "x" })).type, "connected");
});

test("of one address only so many tokens are judged at once, of another one it is its own", async () => {
  const most = defaultHubLimits.authenticationsPerAddress;
  const waiting: (() => void)[] = [];
  const { conn } = square({
    authenticate: async ({ token = "" }) => {
      await new Promise<void>((resolve) => waiting.push(resolve));
      return { user: token, isGuest: false };
    },
  });
  const sessions = Array.from({ length: most + 1 }, () => conn({ host: "192.0.2.1" }));
  for (const session of sessions) session.say({ type: "connect", id: 1, token: "ana" });
  await settle();
  assert.equal(waiting.length, most);
  conn({ host: "192.0.2.2" }).say({ type: "connect", id: 1, token: "tina" });
  await settle();
  assert.equal(waiting.length, most + 1);
  waiting.shift()?.();
  await sessions[0]?.until(({ type }) => type === "connected");
  await settle();
  assert.equal(waiting.length, most + 1, "the one that waited is judged now");
  for (const judged of waiting) judged();
  await sessions.at(-1)?.until(({ type }) => type === "connected");
});

test("a token counts for ten commands", async () => {
  const { conn } = square({
    limits: { commandBurst: 40, commandsPerSecond: 1 },
    authenticate: () => ({ user: "ana", isGuest: false }),
  });
  const ana = conn();
  const commands = COST.token / COST.command + 1;
  await ana.ask({ type: "connect", token: "x" });
  for (let left = 40 - commands; left > 0; left -= commands)
    assert.equal((await ana.ask({ type: "refresh", token: "x" })).type, "refreshed");
  const refused = await ana.ask({ type: "refresh", token: "x" });
  assert.equal(refused.type === "error" && refused.code, "rate_limited");
});

test("an address that may be forged proves itself before a token of it is judged", async () => {
  let asked = 0;
  const { conn } = square({
    authenticate: () => {
      asked++;
      return { user: "ana", isGuest: false };
    },
  });
  const verification = { cookie: "right", verify: (cookie: string) => cookie === "right" };
  const ana = conn({ transport: "udp", verification });
  const connected = await ana.ask({ type: "connect", token: "x", key: "k" });
  assert.ok(connected.type === "connected");
  const { session } = connected;
  assert.deepEqual(await ana.ask({ type: "refresh", id: 7, session, token: "x" }), {
    type: "verify",
    id: 7,
    cookie: "right",
  });
  assert.equal(asked, 1);
  const refreshed = await ana.ask({ type: "refresh", id: 8, session, token: "x", cookie: "right" });
  assert.deepEqual([refreshed.type, asked], ["refreshed", 2]);
});

test("over datagrams the same connect, sent again, tells what is left of the token", async () => {
  const { conn, clock } = clocked();
  const ana = conn({ transport: "udp" });
  await ana.ask({ type: "connect", token: "ana 5000", key: "k" });
  clock.advance(2_000);
  const again = await ana.ask({ type: "connect", token: "ana 5000", key: "k" });
  assert.equal(again.type === "connected" && again.tokenMs, 3_000);
  clock.advance(3_000);
  assert.equal((await ana.untilClosed()).code, CLOSE.unauthorized);
});
