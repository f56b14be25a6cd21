// What one attacker does, for `hostile.ts`, as fast as it can and within what `docs/protocol.md` lets it.
import { createSocket } from "node:dgram";
import { type Got, inTurn, LineClient, pause, retryMs } from "./hostile-line.ts";

/** Where the attacker is, and what it counts. */
export interface World {
  readonly address: string;
  readonly port: number;
  readonly udpPort: number;
  readonly got: Got;
}

/** Never resolves. `ready` is called when it is at it. */
export type Attack = (world: World, ready: () => void) => Promise<void>;

/** Connections that are opened at a time: fewer than may be half open. */
const AT_ONCE = 20;
/** Commands that are sent without waiting for the answers: as many as a burst has. */
const BURST = 1_000;

const HISTORY_SMALL = '{"type":"history","id":1,"channel":"quiet:small","limit":1000}';
const HISTORY_LARGE = '{"type":"history","id":1,"channel":"quiet:large","limit":1000}';
const COME = '{"type":"subscribe","id":1,"channel":"plaza:crowd"}';
const GO = '{"type":"unsubscribe","id":1,"channel":"plaza:crowd"}';
const RUBBISH = `{"type":"x","id":1,"a":${"[".repeat(60_000)}`;
const large = `"${"x".repeat(48_000)}"`;
const publish = (channel: string, data: string): string =>
  `{"type":"publish","id":1,"channel":"${channel}","data":${data}}`;
const LARGE_TO_CROWD = publish("plaza:crowd", large);
const SMALL_TO_CROWD = publish("plaza:crowd", '"hola"');
const LARGE_ALONE = publish("quiet:attacker", large);
/** As many empty arrays as the largest data has room for. */
const TINY = publish("large:attacker", `[${"[],".repeat(349_520)}[]]`);
/** Of a page of presence others ask for each is another one. */
const presence = (count: number): string =>
  `{"type":"presence","id":1,"channel":"plaza:crowd","limit":${1_000 - (count % 100)}}`;
const DEAREST = [HISTORY_SMALL, HISTORY_LARGE, LARGE_ALONE, COME, presence(0), GO] as const;

/** The attacks, by what is shown of them. */
export const ATTACKS: Readonly<Record<string, Attack>> = {
  nothing: async (_world, ready) => ready(),
  "the dearest commands in bursts, 1 connection": bursts(1, (count) => DEAREST[count % DEAREST.length] ?? GO),
  "the dearest commands in bursts, 100 connections": bursts(
    100,
    (count) => DEAREST[count % DEAREST.length] ?? GO,
    120,
  ),
  "history of 1,000, 100 connections": bursts(100, () => HISTORY_SMALL),
  "largest history pages, 100 connections": bursts(100, () => HISTORY_LARGE, 64),
  "pages of presence, 100 connections": bursts(100, presence),
  "coming and going, 100 connections": bursts(100, (count) => (count % 2 === 0 ? COME : GO)),
  "connections that come and go": comingConnections,
  "answers that nobody reads, 100 connections": unread,
  "half lines, 900 connections": halfLines,
  "resumes far behind, 100 connections": resumes,
  "largest publications to all, 100 connections": bursts(100, () => LARGE_TO_CROWD, 8),
  "small publications to all, 100 connections": bursts(100, () => SMALL_TO_CROWD),
  "1 MiB of tiny arrays, 20 connections": bursts(20, () => TINY, 2),
  "rubbish, 100 connections": bursts(100, () => RUBBISH, 10),
  "keyed publications, 100 connections": bursts(100, (_count, connection) =>
    publish(`quiet:k${connection}`, `"hola","key":"${Math.random()}"`),
  ),
  "UDP flood": udpFlood,
};

/** Many connections that each send a burst, wait for all answers and as long as they are told, and again. */
function bursts(
  connections: number,
  next: (count: number, connection: number) => string,
  atOnce = BURST,
): Attack {
  return async (world, ready) => {
    const first: LineClient[] = [];
    await inTurn(connections, AT_ONCE, async () => void first.push(await open(world)));
    ready();
    await Promise.all(
      first.map(async (begun, index) => {
        for (let client = begun; ; client = await open(world)) {
          await press(client, atOnce, (count) => next(count, index));
          await pause(10); // It was ended.
        }
      }),
    );
  };
}

async function open({ address, port, got }: World): Promise<LineClient> {
  return LineClient.open(address, port, got);
}

/** Until the connection is ended. */
async function press(client: LineClient, atOnce: number, next: (count: number) => string): Promise<void> {
  for (let count = 0; !client.isClosed; ) {
    let left = atOnce;
    let waitMs = 0;
    await new Promise<void>((resolve) => {
      client.heard = (start) => {
        if (!/^\{"type":"(?:error"|\w+","id":)/.test(start)) return;
        waitMs = Math.max(waitMs, retryMs(start));
        if (--left === 0) resolve();
      };
      client.ended = resolve;
      for (let said = 0; said < atOnce; said++) client.say(next(count++));
    });
    await pause(waitMs);
  }
}

async function comingConnections(world: World, ready: () => void): Promise<void> {
  ready();
  await inTurn(Number.POSITIVE_INFINITY, AT_ONCE, async () => {
    const client = await open(world);
    if (client.isClosed) return pause(10);
    await client.ask(COME, "subscribed").catch(() => undefined); // It was ended.
    client.leave();
  });
}

async function unread(world: World, ready: () => void): Promise<void> {
  ready();
  await inTurn(Number.POSITIVE_INFINITY, 100, async () => {
    const client = await open(world);
    client.socket.pause();
    for (let said = 0; said < 100; said++) client.say(said % 2 === 0 ? HISTORY_LARGE : HISTORY_SMALL);
    while (!client.isClosed) await pause(100);
  });
}

async function halfLines(world: World, ready: () => void): Promise<void> {
  ready();
  await inTurn(Number.POSITIVE_INFINITY, 900, async (index) => {
    await pause(Math.min(index, 900)); // So many may not be half open at once.
    const client = await open(world);
    client.say('{"type":"ping"}');
    client.socket.write(`{"type":"publish","channel":"quiet:half","data":"${"x".repeat(60_000)}`);
    while (!client.isClosed) {
      await pause(100);
      client.socket.write("x");
    }
  });
}

async function resumes(world: World, ready: () => void): Promise<void> {
  const probe = await open(world);
  const page = await probe.ask('{"type":"history","id":1,"channel":"quiet:large","limit":1}', "history");
  const epoch = /"epoch":"([^"]+)"/.exec(page)?.[1] ?? "";
  const head = /"head":(\d+)/.exec(page)?.[1] ?? "";
  const last = `"channel":"quiet:large","offset":${head},`;
  ready();
  await inTurn(Number.POSITIVE_INFINITY, 100, async () => {
    const client = await open(world);
    const arrived = new Promise<void>((resolve) => {
      client.ended = resolve;
      client.heard = (start) => {
        if (start.includes(last) || start.startsWith('{"type":"error"')) resolve();
      };
    });
    client.say(`{"type":"subscribe","id":1,"channel":"quiet:large","since":{"epoch":"${epoch}","offset":0}}`);
    await arrived;
    client.leave();
  });
}

/** Of all kinds, from many ports. */
async function udpFlood({ address, udpPort, got }: World, ready: () => void): Promise<void> {
  const kinds = [
    '{"type":"ping","id":1}',
    '{"type":"connect","id":1}',
    '{"type":"history","id":1,"channel":"quiet:large","limit":1000}',
    '{"type":"publish","id":1,"guest":true,"channel":"quiet:udp","data":"hola"}',
    "rubbish",
    "x".repeat(60_000),
  ].map((text) => Buffer.from(text));
  const sockets = Array.from({ length: 100 }, () => createSocket("udp4"));
  for (const socket of sockets) {
    socket.on("message", (bytes) => {
      got.bytes += bytes.length;
      got.messages["datagram"] = (got.messages["datagram"] ?? 0) + 1;
    });
    await new Promise<void>((resolve) => void socket.bind(0, address, resolve));
    socket.connect(udpPort, "127.0.0.1");
    await new Promise<void>((resolve) => void socket.once("connect", resolve));
  }
  ready();
  for (let count = 0; ; ) {
    await Promise.all(
      sockets.map(
        (socket) =>
          new Promise((resolve) => {
            socket.send(kinds[count++ % kinds.length] ?? "", resolve);
          }),
      ),
    );
    await new Promise((resolve) => setImmediate(resolve)); // Sent at once: nothing else would get its turn.
  }
}
