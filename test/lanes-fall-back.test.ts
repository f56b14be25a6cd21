// Lanes of the SDK's session and a real hub, beside real datagrams, over a link that the test makes bad.
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { connect, type Json } from "@zocalo/client";
import { Hub } from "@zocalo/hub";
import { listenPacket } from "@zocalo/net";
import {
  BestLane,
  dialLane,
  type Lane,
  type LaneTicket,
  LinkRelay,
  sessionLane,
  SessionLanes,
  udpLanes,
} from "@zocalo/room";
import * as websocket from "@zocalo/websocket";

const TIMEOUT = { timeout: 120_000 };

function onError(error: unknown): void {
  throw error;
}

/** A hub with lanes behind two bad links, and a session of it. */
async function begin(t: TestContext) {
  const [datagrams, stream] = [new LinkRelay(3), new LinkRelay(4)];
  const hub = new Hub({ namespaces: {} });
  const listener = await websocket.listen("127.0.0.1:0");
  const serving = hub.serve(listener);
  const packets = await listenPacket("udp", "127.0.0.1:0");
  const lanes = udpLanes(packets, { advertised: await datagrams.udp(String(packets.localAddr)) });
  const sessions = new SessionLanes(hub, { onError });
  const session = connect(`ws://${await stream.tcp(String(listener.addr))}`, { dial: websocket.dial });
  t.after(async () => {
    await session.close();
    sessions.close();
    await lanes.close();
    await datagrams.close();
    await stream.close();
    await hub.close();
    await serving;
  });
  return { hub, lanes, sessions, session, datagrams, stream };
}

/** Resolves when the lane carries by this, and is open. */
function carriesBy(lane: Lane, carrier: Lane["carrier"]): Promise<void> {
  const isSo = (): boolean => lane.carrier === carrier && lane.state === "open";
  if (isSo()) return Promise.resolve();
  return new Promise((resolve) => lane.onState(() => isSo() && resolve()));
}

/** Sends `text` until it comes to the other side. */
async function passes(from: Lane, to: Lane, text: string): Promise<void> {
  const came = new Promise<void>((resolve) => {
    to.onMessage((bytes) => Buffer.from(bytes).toString() === text && resolve());
  });
  const again = setInterval(() => from.send(Buffer.from(text)), 20);
  await came;
  clearInterval(again);
}

/** The server's lane of the session, and the session's own. */
async function lanesOf(
  { hub, sessions, session, lanes }: Awaited<ReturnType<typeof begin>>,
  hasDatagrams = true,
) {
  let seated: (server: BestLane) => void = () => {};
  const seat = new Promise<BestLane>((resolve) => (seated = resolve));
  let server: BestLane | undefined;
  hub.handle("game.lane", ({ session: name }) => {
    server ??= new BestLane(sessions.open(name), { onError });
    seated(server);
    const better = hasDatagrams ? lanes.open("127.0.0.1") : undefined;
    if (better === undefined) return Promise.resolve(null);
    server.use(better);
    return Promise.resolve(better.ticket as unknown as Json);
  });
  const better = async (): Promise<Lane | undefined> => {
    const ticket = await session.call<LaneTicket | null>("game.lane", null);
    return ticket === null ? undefined : dialLane(ticket);
  };
  const client = new BestLane(sessionLane(session, { onError }), { better, onError });
  return { client, server: await seat };
}

test("datagrams carry while they arrive, the session whenever they do not", TIMEOUT, async (t) => {
  const parts = await begin(t);
  const { client, server } = await lanesOf(parts);
  t.after(() => {
    client.close();
    server.close();
  });
  await Promise.all([carriesBy(client, "udp"), carriesBy(server, "udp")]);
  await passes(client, server, "input by udp");
  await passes(server, client, "snapshot by udp");
  parts.datagrams.set({ isSilent: true }, "down");
  await Promise.all([carriesBy(client, "session"), carriesBy(server, "session")]);
  await passes(client, server, "input by the session");
  await passes(server, client, "snapshot by the session");
  parts.datagrams.set({ isSilent: false });
  await Promise.all([carriesBy(client, "udp"), carriesBy(server, "udp")]);
  await passes(client, server, "input by udp again");
});

test("a link that stands still drops old snapshots and keeps the newest", TIMEOUT, async (t) => {
  const parts = await begin(t);
  const { client, server } = await lanesOf(parts, false);
  t.after(() => {
    client.close();
    server.close();
  });
  await passes(server, client, "first");
  const count = 20_000;
  const came: number[] = [];
  const newest = new Promise<void>((resolve) => {
    client.onMessage((bytes) => {
      const number = Buffer.from(bytes).readUInt32BE(0);
      came.push(number);
      if (number === count - 1) resolve();
    });
  });
  parts.stream.set({ isSilent: true }, "down");
  const snapshot = Buffer.alloc(1_150);
  for (let number = 0; number < count; number++) {
    snapshot.writeUInt32BE(number);
    assert.equal(server.send(snapshot), true);
    if (number % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  parts.stream.set({ isSilent: false });
  await newest;
  assert.ok(came.length < count / 2, `${came.length} of ${count} came`);
  assert.deepEqual(
    came,
    came.toSorted((a, b) => a - b),
  );
});
