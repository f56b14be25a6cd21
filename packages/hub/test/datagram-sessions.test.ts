// Over datagrams: in which session a command is carried out, as whom, and how much comes back.
import assert from "node:assert/strict";
import { test } from "node:test";
import { dial, listenPacket, peers } from "@zocalo/net";
import type { Command, ServerMessage } from "@zocalo/protocol";
import { settle } from "./fake-clock.ts";
import type { FakeConn } from "./fake-conn.ts";
import { type Square, square } from "./square.ts";
import { codeOf } from "./visitors.ts";

/** Tokens are names; without one everybody is another guest. */
function named(limits = {}): Square {
  let guests = 0;
  return square({
    limits,
    authenticate: ({ token }) =>
      token === undefined ? { user: `guest-${++guests}`, isGuest: true } : { user: token, isGuest: false },
  });
}

const device = ({ conn }: Square): FakeConn => conn({ transport: "udp", maxSendBytes: 65_507 });

async function begun(conn: FakeConn, command: Omit<Extract<Command, { type: "connect" }>, "type"> = {}) {
  const connected = await conn.ask({ type: "connect", ...command });
  assert.ok(connected.type === "connected", JSON.stringify(connected));
  return connected;
}

const EACH: readonly Command[] = [
  { type: "publish", channel: "plaza:x", data: 1 },
  { type: "history", channel: "plaza:x" },
  { type: "presence", channel: "plaza:x" },
  { type: "subscribe", channel: "plaza:x" },
  { type: "unsubscribe", channel: "plaza:x" },
  { type: "ping" },
];

test("from an address without a session every command but connect has no effect, and is told so", async () => {
  const plaza = named();
  const ana = device(plaza);
  for (const command of EACH) {
    assert.equal(codeOf(await ana.ask(command)), "unknown_session", command.type);
    assert.equal(codeOf(await ana.ask({ ...command, session: "gone" })), "unknown_session", command.type);
  }
  assert.deepEqual([plaza.hub.stats().published, plaza.hub.stats().subscriptions], [0, 0]);
  await plaza.hub.close();
});

test("as a guest one needs no connect, and acts in no session that began with one", async () => {
  const plaza = named();
  const ana = device(plaza);
  const seen = new Set<string>();
  for (const command of EACH) {
    const answer = (await ana.ask({ ...command, guest: true })) as { session?: string; user?: string };
    seen.add(`${answer.session} ${answer.user}`);
  }
  const [only] = seen;
  assert.ok(seen.size === 1 && only?.endsWith(" guest-1"), only);
  await begun(ana, { key: "k", token: "ana" });
  for (const command of EACH) {
    assert.equal(codeOf(await ana.ask({ ...command, guest: true })), "unknown_session", command.type);
  }
  assert.equal(plaza.hub.stats().published, 1);
  await plaza.hub.close();
});

test("a command in another session's name has no effect, over any transport", async () => {
  const plaza = named();
  for (const transport of ["udp", "tcp", "websocket"] as const) {
    const ana = plaza.conn({ transport });
    const { session } = await begun(ana, { token: "ana" });
    for (const command of EACH) {
      assert.equal(codeOf(await ana.ask({ ...command, session: `${session}x` })), "unknown_session");
    }
    for (const command of EACH) {
      assert.notEqual((await ana.ask({ ...command, session })).type, "error", command.type);
    }
    await ana.close();
  }
  assert.equal(plaza.hub.stats().published, 3);
  await plaza.hub.close();
});

test("an answer says in which session and as whom, where the command did not", async () => {
  const plaza = named();
  const ana = device(plaza);
  const { session } = await begun(ana, { token: "ana" });
  const told = (message: ServerMessage): unknown => {
    const { session: name, user } = message as { session?: string; user?: string };
    return [name, user];
  };
  for (const command of EACH) {
    assert.deepEqual(told(await ana.ask(command)), [session, "ana"], command.type);
    const again = await ana.ask({ ...command, session });
    assert.deepEqual(told(again), [undefined, undefined], command.type);
  }
  const refused = await ana.ask({ type: "subscribe", channel: "closed:x" });
  assert.deepEqual([codeOf(refused), told(refused)], ["forbidden", [session, "ana"]]);
  const twice = await ana.ask({ type: "connect", token: "ben" });
  assert.deepEqual([codeOf(twice), told(twice)], ["already_connected", [session, "ana"]]);
  await plaza.hub.close();
});

test("a connect that is sent again with its key is answered with the session that it began", async () => {
  const plaza = named();
  const ana = device(plaza);
  const { session, user } = await begun(ana, { key: "k1" });
  await ana.ask({ type: "subscribe", channel: "plaza:x", session });
  const again = await begun(ana, { key: "k1" });
  assert.deepEqual([again.session, again.user], [session, user]);
  assert.equal(plaza.hub.stats().subscriptions, 1);
  await plaza.hub.close();
});

test("with another key it is another session, and the one before is over, with what it had", async () => {
  const plaza = named();
  const watcher = plaza.conn();
  await watcher.ask({ type: "subscribe", channel: "plaza:x", presence: true, gather: true });
  plaza.clock.advance(0);
  const address = device(plaza); // That of two clients, one after the other.
  const ana = await begun(address, { key: "k1", token: "ana" });
  await address.ask({ type: "subscribe", channel: "plaza:x", session: ana.session });
  const ben = await begun(address, { key: "k2", token: "ben" });
  assert.notEqual(ben.session, ana.session);
  assert.deepEqual([ben.user, plaza.hub.stats().subscriptions], ["ben", 1]);
  plaza.clock.advance(0);
  assert.deepEqual(
    watcher.all("changes").flatMap(({ changes }) => changes.map(({ type, user }) => `${type} ${user}`)),
    ["join ana", "leave ana"],
  );
  const late = await address.ask({
    type: "publish",
    channel: "plaza:x",
    data: "ana's",
    session: ana.session,
  });
  assert.equal(codeOf(late), "unknown_session");
  const own = await address.ask({ type: "publish", channel: "plaza:x", data: "ben's", session: ben.session });
  assert.equal(own.type, "published");
  assert.deepEqual(
    watcher.all("publication").map(({ user, data }) => [user, data]),
    [["ben", "ben's"]],
  );
  await plaza.hub.close();
});

test("who began with a key must say the session: an address may be another's, or forged", async () => {
  const plaza = named();
  const ana = device(plaza);
  const { session } = await begun(ana, { key: "k1", token: "ana" });
  for (const command of EACH) assert.equal(codeOf(await ana.ask(command)), "unknown_session", command.type);
  for (const command of EACH) assert.notEqual((await ana.ask({ ...command, session })).type, "error");
  await plaza.hub.close();
});

test("a publication that was on its way in the former session is answered in its name", async () => {
  const plaza = named();
  const address = device(plaza);
  await begun(address, { token: "ana" });
  address.say({ type: "publish", channel: "plaza:x", data: 1, id: 7 });
  address.say({ type: "connect", key: "k2", token: "ben", id: 8 });
  await address.until(({ type }) => type === "published");
  const published = address.all("published")[0];
  assert.deepEqual([published?.user, published?.id], ["ana", 7]);
  await plaza.hub.close();
});

test("without key a second connect is refused, as on a stream", async () => {
  const plaza = named();
  const stream = plaza.conn({ transport: "tcp" });
  await begun(stream, { key: "k1" });
  for (const key of ["k1", "k2"]) {
    assert.equal(codeOf(await stream.ask({ type: "connect", key })), "already_connected");
  }
  await plaza.hub.close();
});

test("whoever catches up is sent so many bytes a second, in order, and nothing is lost for it", async () => {
  const plaza = named({ datagramBytesPerSecond: 100_000 });
  const { epoch } = await plaza.hub.publish("quiet:x", "x".repeat(1_000));
  for (let count = 1; count < 400; count++) await plaza.hub.publish("quiet:x", "x".repeat(1_000));
  const ana = device(plaza);
  const { session } = await begun(ana);
  await ana.ask({ type: "subscribe", channel: "quiet:x", since: { epoch, offset: 0 }, session });
  const bytes = (): number => ana.texts.reduce((sum, text) => sum + text.length, 0);
  await settle();
  assert.ok(bytes() <= 65_536 && bytes() > 60_000, `${bytes()} at once`);
  for (let second = 1; bytes() < 400_000; second++) {
    for (let step = 0; step < 100; step++) {
      if (step % 20 === 0) ana.say({ type: "ping", session });
      plaza.clock.advance(10);
      await settle();
    }
    const most = 65_536 + second * 100_000;
    assert.ok(bytes() <= most && bytes() > Math.min(most - 5_000, 400_000), `${bytes()} of ${most}`);
  }
  assert.deepEqual(
    ana.all("publication").map(({ offset }) => offset),
    Array.from({ length: 400 }, (_, index) => index + 1),
  );
  assert.ok(ana.all("pong").length >= 3, "answers come between");
  await plaza.hub.close();
});

test("whoever says nothing is sent no more than it has earned, and goes on with its next word", async () => {
  const plaza = named({ datagramBytesPerByte: 100 });
  const ana = device(plaza);
  const { session } = await begun(ana);
  await ana.ask({ type: "subscribe", channel: "quiet:x", session });
  for (let count = 0; count < 100; count++) {
    await plaza.hub.publish("quiet:x", "x".repeat(1_000));
    plaza.clock.advance(1_000);
    await settle();
  }
  const before = ana.all("publication").length;
  assert.ok(before >= 55 && before <= 65, `${before}`);
  const ping = { type: "ping", session } as const;
  await ana.ask(ping);
  await settle();
  const earned = (JSON.stringify(ping).length + 13) * 100;
  const after = ana.all("publication").length - before;
  assert.ok(after >= 1 && after * 1_000 <= earned, `${after} for ${earned}`);
  await plaza.hub.close();
});

test("answers wait for their time, in order, and pages asked for in a burst are paced", async () => {
  const plaza = named({ datagramBytesPerSecond: 100_000, datagramBytesPerByte: 4_096 });
  for (let count = 0; count < 50; count++) await plaza.hub.publish("quiet:x", "x".repeat(1_000));
  const ana = device(plaza);
  const { session } = await begun(ana);
  for (let id = 1; id <= 5; id++) ana.say({ type: "history", channel: "quiet:x", limit: 50, id, session });
  ana.say({ type: "ping", id: 6, session });
  const answered = (): number[] =>
    ana.received.flatMap((message) => ("id" in message && (message.id ?? 99) < 10 ? [message.id ?? 0] : []));
  await settle();
  assert.deepEqual(answered(), [1]);
  for (let step = 0; step < 300; step++) {
    plaza.clock.advance(10);
    await settle();
  }
  assert.deepEqual(answered(), [1, 2, 3, 4, 5, 6]);
  await plaza.hub.close();
});

test("over UDP, after a restart of the server, nothing is carried out as somebody else", async (t) => {
  let plaza = named();
  const packets = await listenPacket("udp", "127.0.0.1:0");
  const address = String(packets.localAddr);
  let served = plaza.hub.serve(peers(packets));
  const ana = await dial("udp", address);
  t.after(() => ana.close());
  const ask = async (command: Command): Promise<ServerMessage> => {
    await ana.send(JSON.stringify(command));
    for (;;) {
      const message = JSON.parse(Buffer.from((await ana.receive()) ?? []).toString()) as ServerMessage;
      if ("id" in message && message.id === command.id) return message;
    }
  };
  const connected = await ask({ type: "connect", id: 1, token: "ana" });
  assert.ok(connected.type === "connected");
  const { session } = connected;
  const publish = { type: "publish", channel: "plaza:x", data: "ana's" } as const;
  const before = await ask({ ...publish, id: 2 });
  assert.ok(before.type === "published");
  assert.deepEqual([before.session, before.user], [session, "ana"]);

  await plaza.hub.close();
  await served;
  plaza = named();
  served = plaza.hub.serve(peers(await listenPacket("udp", address)));
  assert.equal(codeOf(await ask({ ...publish, id: 3 })), "unknown_session");
  assert.equal(codeOf(await ask({ ...publish, id: 4, session })), "unknown_session");
  assert.equal(plaza.hub.stats().published, 0);
  const again = await ask({ type: "connect", id: 5, token: "ana" });
  assert.ok(again.type === "connected" && again.session !== session);
  assert.equal((await ask({ ...publish, id: 6, session: again.session })).type, "published");
  await plaza.hub.close();
  await served;
});

test("who begins anew as somebody else does not count for whom it was before", async () => {
  const plaza = named({ commandsPerSecondPerUser: 10, commandBurstPerUser: 20 });
  const ana = device(plaza);
  await begun(ana, { key: "a", token: "ana" });
  plaza.clock.advance(0);
  const forgottenAt = plaza.clock.uptime() + 2_000;
  assert.notEqual(plaza.clock.nextAt, forgottenAt);
  await begun(ana, { key: "b", token: "ben" });
  plaza.clock.advance(0);
  // Nobody is Ana any more: she is forgotten once her rate is as that of somebody new.
  assert.equal(plaza.clock.nextAt, forgottenAt);
  await plaza.hub.close();
});
