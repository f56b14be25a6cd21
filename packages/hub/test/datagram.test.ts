import assert from "node:assert/strict";
import { test } from "node:test";
import { settle } from "./fake-clock.ts";
import type { FakeConn } from "./fake-conn.ts";
import { type Square, square } from "./square.ts";

/** A peer on UDP whose address is not verified until it has sent the cookie. */
function unverified({ conn }: Square, maxSendBytes = 1_200): { eve: FakeConn; tried: string[] } {
  const tried: string[] = [];
  const verification = {
    cookie: "c00kie",
    verify(cookie: string): boolean {
      tried.push(cookie);
      return cookie === "c00kie";
    },
  };
  return { eve: conn({ transport: "udp", maxSendBytes, idleTimeoutMs: 60_000, verification }), tried };
}

test("an unverified peer is served what costs little, and asked to verify for the rest", async () => {
  const plaza = square();
  const { eve } = unverified(plaza);
  const connected = await eve.ask({ type: "connect" });
  assert.ok(connected.type === "connected");
  assert.deepEqual([connected.expiresMs, connected.pingMs], [60_000, 20_000]);
  assert.equal((await eve.ask({ type: "ping" })).type, "pong");
  assert.equal((await eve.ask({ type: "publish", channel: "quiet:x", data: 1 })).type, "published");
  for (const type of ["subscribe", "history", "presence"] as const) {
    const answer = await eve.ask({ type, channel: "plaza:x" });
    assert.deepEqual(answer, {
      type: "verify",
      id: answer.type === "verify" ? answer.id : 0,
      cookie: "c00kie",
    });
  }
  assert.equal(plaza.hub.stats().subscriptions, 0);
  await plaza.hub.close();
});

test("the right cookie verifies, in any command and for good; a wrong one does not", async () => {
  const plaza = square();
  const { eve, tried } = unverified(plaza);
  await eve.ask({ type: "connect" });
  assert.equal((await eve.ask({ type: "subscribe", channel: "quiet:x", cookie: "forged" })).type, "verify");
  const subscribed = await eve.ask({ type: "subscribe", channel: "quiet:x", cookie: "c00kie" });
  assert.equal(subscribed.type === "subscribed" && subscribed.expiresMs, 60_000);
  assert.equal((await eve.ask({ type: "history", channel: "quiet:x" })).type, "history");
  assert.deepEqual(tried, ["forged", "c00kie"]);
  await plaza.hub.publish("quiet:x", 1);
  assert.equal(eve.all("publication").length, 1);
  await plaza.hub.close();
});

test("rubbish from an unverified address is met with silence, and from a verified one with an error", async () => {
  const plaza = square();
  const { eve } = unverified(plaza);
  for (const rubbish of ["", "{", '{"type":"nonsense","id":4}', new Uint8Array([0, 255])]) eve.say(rubbish);
  await settle();
  assert.equal(eve.received.length, 0);
  assert.equal(plaza.hub.stats().refused, 4);
  await eve.ask({ type: "connect" });
  await eve.ask({ type: "ping", cookie: "c00kie" });
  eve.say('{"type":"nonsense","id":4}');
  eve.say(new Uint8Array([0, 255]));
  await settle();
  assert.deepEqual(
    eve.received.slice(2).map((message) => message.type === "error" && [message.id, message.code]),
    [
      [4, "unknown_command"],
      [undefined, "bad_json"],
    ],
  );
  await plaza.hub.close();
});

test("past the limits there is silence, and no disconnect", async () => {
  const plaza = square({ limits: { badCommands: 3, commandBurst: 11, excessCommands: 5 } });
  const { eve } = unverified(plaza);
  await eve.ask({ type: "connect" });
  await eve.ask({ type: "ping", cookie: "c00kie" });
  for (let bad = 0; bad < 8; bad++) eve.say("rubbish");
  await settle();
  assert.equal(eve.received.length, 2 + 3);
  for (let count = 0; count < 100; count++) eve.say({ type: "ping" });
  await settle();
  assert.equal(eve.received.length, 2 + 3 + 1);
  assert.equal(eve.closed, undefined);
  await plaza.hub.close();
});

test("an answer for which there is no room is lost, and the peer may ask again", async () => {
  const plaza = square();
  const eve = plaza.conn({ transport: "udp", highWater: 300, maxBuffered: 300 });
  await eve.ask({ type: "connect" });
  eve.pause();
  for (let id = 1; id <= 50; id++) eve.say({ type: "ping", id });
  eve.say({ type: "subscribe", channel: "quiet:x" });
  await settle();
  assert.equal(eve.held, 0);
  assert.ok(eve.peakBuffered <= 300);
  eve.resume();
  assert.equal(plaza.hub.stats().subscriptions, 0);
  const roomy = plaza.conn({ transport: "udp" });
  await roomy.ask({ type: "connect" });
  assert.equal((await roomy.ask({ type: "subscribe", channel: "quiet:x" })).type, "subscribed");
  await plaza.hub.close();
});

test("subscribing again starts the flow where it is asked for, and the user does not leave in between", async () => {
  const plaza = square();
  const ana = plaza.conn();
  await ana.ask({ type: "subscribe", channel: "plaza:x", presence: true });
  const eve = plaza.conn({ transport: "udp" });
  await eve.ask({ type: "connect" });
  await eve.ask({ type: "subscribe", channel: "plaza:x" });
  const { epoch } = await plaza.hub.publish("plaza:x", 1);
  await plaza.hub.publish("plaza:x", 2);
  const again = await eve.ask({ type: "subscribe", channel: "plaza:x", since: { epoch, offset: 1 } });
  assert.equal(again.type === "subscribed" && again.recovered, true);
  await plaza.hub.publish("plaza:x", 3);
  assert.deepEqual(
    eve.all("publication").map(({ offset }) => offset),
    [1, 2, 2, 3],
  );
  plaza.clock.advance(0);
  assert.deepEqual([ana.all("join").length, ana.all("leave").length], [1, 0]);
  assert.deepEqual([plaza.hub.stats().subscriptions, plaza.hub.stats().channels], [2, 1]);
  eve.cut();
  await settle();
  plaza.clock.advance(0);
  assert.equal(ana.all("leave").length, 1);
  await plaza.hub.close();
});

test("what does not fit in a datagram is left out, cut, or told as a gap", async () => {
  const plaza = square();
  const eve = plaza.conn({ transport: "udp", maxSendBytes: 500 });
  const info = { name: "x".repeat(600) };
  const connected = await eve.ask({ type: "connect", info });
  assert.equal(connected.type === "connected" && connected.info, undefined);
  const others = Array.from({ length: 20 }, () => plaza.conn());
  for (const other of others) await other.ask({ type: "subscribe", channel: "plaza:x" });
  const subscribed = await eve.ask({ type: "subscribe", channel: "plaza:x", presence: true });
  assert.ok(subscribed.type === "subscribed" && subscribed.presence);
  assert.ok(subscribed.presence.users.length > 0 && subscribed.presence.users.length < 20);
  assert.deepEqual([subscribed.presence.total, subscribed.presence.next === undefined], [21, false]);
  await plaza.hub.publish("plaza:x", "x".repeat(500));
  assert.equal(eve.received.at(-1)?.type, "gap");
  await plaza.hub.close();
});
