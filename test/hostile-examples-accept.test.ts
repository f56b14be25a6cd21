// Every example that accepts one connection by name, or hears of one peer, and a stranger is there before its
// own client. It may throw, as every program may, and wait for ever; nothing may end in a rejection that no
// line could have caught.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { accepting, alone, bundle, ended, start } from "./examples/examples.ts";

await bundle(accepting);

test("every example meets strangers, but for those that have nothing to do with a network", () => {
  assert.ok(accepting.length > 10, `${accepting.length} accept`);
  assert.deepEqual(alone, [
    // Of a session that is there already.
    "packages/client/README.md: try {",
    "packages/room/README.md: const replay = new Replay(square, bytes);",
    'packages/room/README.md: const ticket = await findMatch(session, game, { mode: "duel", name: "Ana", skill: 1200, onNews: ({ waiting }) => show(waiting), signal });',
    "packages/room/README.md: const lane = new BestLane(sessionLane(session, { onError }), {",
    'packages/room/README.md: const lanes = webRtcLanes({ port: 7002, advertised: "203.0.113.5" });',
    "packages/room/README.md: const time = new ClientTime({ ticksPerSecond: game.ticksPerSecond });",
    "packages/room/README.md: buffer.take(tick, (row, number, displayed) => {",
    "packages/zocalo/README.md: var stdin_default = {",
    "docs/guide-deadlines.md: const [client, server] = pipe();",
    "docs/guide-deadlines.md: const [client, server] = pipe();",
    'docs/guide-durable.md: const directory = join(mkdtempSync(join(tmpdir(), "square-")), "data");',
    "docs/guide-sockets.md: const [client, server] = pipe();",
    // Of a host that is not here.
    'docs/guide-transport.md: const ssh = spawn("ssh", ["host", "nc", "localhost", "8080"], { stdio: ["pipe", "pipe", "inherit"] });',
    'packages/client/src/session/session.ts: session.cast("arena.input", { left: true });',
    'packages/client/src/session/session.ts: session.onMessage("shop.ready", ({ data }) => console.log(data));',
    'packages/client/src/session/session.ts: const { price } = await session.call("shop.price", "hat");',
    'packages/hub/src/durable/durable.ts: const hub = new Hub({ engine: await durable("./data"), namespaces });',
    `packages/hub/src/hub.ts: await hub.publishJson("plaza:general", '{"id":1688888483063664642}');`,
    'packages/hub/src/hub.ts: const { publications, head } = await hub.history("plaza:general", { after: 40, limit: 10 });',
    'packages/hub/src/hub.ts: const stop = hub.handle("shop.price", async ({ user }, item) => {',
    'packages/hub/src/hub.ts: hub.cast("arena:1", { round: 3 }, { key: "round" });',
    'packages/hub/src/hub.ts: const stop = hub.onCast("arena.input", ({ session }, data) => {',
    'packages/hub/src/hub.ts: const { sent } = hub.send({ user: "ana" }, "shop.ready", { order: 7 });',
    'packages/hub/src/session/handlers.ts: hub.handle("shop.buy", () => {',
    'packages/hub/src/tokens/jwt.ts: const authenticate = jwt({ keys: { secret }, audience: "chat", guests: guests() });',
    'packages/net/src/contracts/addr.ts: joinHostPort("::1", 53);',
    // Of an interface and a sender that are not here.
    'packages/net/src/contracts/packet-conn.ts: packets.join("232.1.2.3", { source: "192.0.2.7", interface: "eth0" });',
    'packages/net/src/contracts/parse-addr.ts: parseAddr("tcp", "[::1]:53").port;',
    'packages/net/src/contracts/parse-addr.ts: splitHostPort("[::1]:http");',
    // Whose server is left to the reader.
    "packages/net/src/flow/accept-queue.ts: const queue = new AcceptQueue({ addr, stop: () => server.close() });",
    "packages/net/src/flow/address-limits.ts: const sessions = new AddressCounts(100, exemptSet(void 0));",
    // Sockets that nobody has opened.
    'packages/net/src/networks/inherited.ts: const web = inheritedSockets().find(({ name }) => name === "web");',
    "packages/net/src/stream/pipe.ts: const [a, b] = pipe();",
    `packages/protocol/src/command.ts: decodeCommand('{"id":1,"type":"subscribe","channel":"plaza:general"}').type;`,
    `packages/protocol/src/json.ts: toOneLine('[1,\\n"\\\\n"]');`,
    "packages/protocol/src/limits.ts: commandBytesFor(1048576);",
    'packages/protocol/src/limits.ts: isChannelName("plaza:general");',
    'packages/protocol/src/limits.ts: isMethodName("shop.buy");',
    'packages/websocket/src/core/core.ts: const core = new Core("server", events, defaultReceiveLimits);',
    // A Unix socket, which no stranger here can reach.
    'packages/websocket/src/server/listen.ts: const below = await net.listen("unix", "/run/app/ws.sock", { mode: 432 });',
    'packages/zocalo/src/closest.ts: closest("htpPort", ["httpPort", "tcpPort"]);',
  ]);
});

describe("examples that accept by name", { concurrency: 2 }, () => {
  for (const example of accepting) {
    test(example.place, async () => {
      await ended(start(example, "accepting", ""), example);
    });
  }
});
