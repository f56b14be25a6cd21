// Run by allocation-room.test.ts, with --expose-gc and a young generation in which no collection is due
// meanwhile, and with what is enough. Prints the bytes that a tick of a warm room allocates: all that the
// server does from ten players' packets to what each is told, and, apart, what sealing and opening as many
// datagrams take.
import assert from "node:assert/strict";
import { getHeapStatistics } from "node:v8";
import type { CallContext, Hub } from "@zocalo/hub";
import { type Clock, defineRoom, InputSender, Rooms, SnapshotReader } from "../src/index.ts";
import { Kind, Opener, Sealer } from "../src/lanes/seal.ts";
import { square, squareRoom } from "./square.ts";

const PLAYERS = 10;
const TICKS = 30;
/** Rounds until functions are compiled, and those that are measured at most. */
const WARM_ROUNDS = 60;
// A newer Node compiles later: some 400 rounds were seen until nothing falls any more.
const MOST_ROUNDS = 800;
const TICK_MS = 1_000 / square.ticksPerSecond;

/** A clock that stands still until it is told, with the one timer that a room at work has. */
class StillClock implements Clock {
  now = 0;
  due: (() => void) | undefined;
  readonly #cancel = (): void => {};

  uptime(): number {
    return this.now;
  }

  after(_ms: number, run: () => void): () => void {
    this.due = run;
    return this.#cancel;
  }
}

type Handler = (context: CallContext, data: unknown) => Promise<unknown>;
type CastHandler = (context: { readonly session: string }, data: unknown) => void;

/** A hub that gives away what it is told at once. */
class StillHub {
  readonly handlers = new Map<string, Handler>();
  cast: CastHandler = () => {};
  told: (session: string, bytes: Uint8Array) => void = () => {};
  readonly #sent = { sent: 1, waiting: 0, refused: 0 };

  handle(method: string, handler: Handler): () => void {
    this.handlers.set(method, handler);
    return () => {};
  }

  onCast(_method: string, handler: CastHandler): () => void {
    this.cast = handler;
    return () => {};
  }

  send({ session }: { readonly session: string }, _topic: string, data: unknown): object {
    if (data instanceof Uint8Array) this.told(session, data);
    return this.#sent;
  }

  publish(): Promise<void> {
    return Promise.resolve();
  }

  history(): Promise<object> {
    return Promise.resolve({ head: 0, publications: [] });
  }
}

const clock = new StillClock();
const hub = new StillHub();
const mode = defineRoom({ ...squareRoom, seats: PLAYERS, bots: 0, step() {} });
const rooms = new Rooms(hub as unknown as Hub, { square: mode }, { clock, checkpointMs: 86_400_000 });
await rooms.open();

interface Player {
  readonly context: { readonly session: string };
  readonly sender: InputSender;
  readonly reader: SnapshotReader;
  /** What was told last. */
  told: Uint8Array;
  length: number;
  readonly packets: Uint8Array[];
}

const players: Player[] = [];
const bySession = new Map<string, Player>();
for (let number = 0; number < PLAYERS; number++) {
  const session = `player-${number}`;
  const player: Player = {
    context: { session },
    sender: new InputSender(square.input.cells),
    reader: new SnapshotReader(square.layout),
    told: new Uint8Array(1_150),
    length: 0,
    packets: Array.from({ length: TICKS }, () => new Uint8Array(200)),
  };
  players.push(player);
  bySession.set(session, player);
  const peer = { addr: { network: "tcp", host: "127.0.0.1", port: 1 } };
  await hub.handlers.get("room.join")?.({ session, user: session, peer } as never, {
    mode: "square",
    hash: square.layout.hash,
    key: session.padEnd(22, "_"),
    name: session,
  });
}

let tick = 0;
/** The last of what was told in this round is read afterwards: a page that reads has its own memory. */
hub.told = (session, bytes) => {
  const player = bySession.get(session);
  if (player === undefined) return;
  player.told.set(bytes);
  player.length = bytes.length;
};
const row = new Int32Array(square.input.cells.length);

/** Writes what all send in the next ticks; they have seen all that was told until now. */
function prepare(): void {
  for (const [number, player] of players.entries()) {
    if (player.length > 0) player.reader.read(player.told.slice(0, player.length));
    for (let ahead = 0; ahead < TICKS; ahead++) {
      const at = tick + ahead + 2;
      square.input.toCells({ move: [Math.sin(at / 7 + number), Math.cos(at / 9 - number)] }, row, 0);
      if (at > player.sender.newest) player.sender.add(at, row);
      const whole = new Uint8Array(1_150);
      const length = player.sender.write(whole, player.reader.acknowledgement, at - 3);
      player.packets[ahead] = whole.slice(0, length);
    }
  }
}

function runTicks(): void {
  for (let ahead = 0; ahead < TICKS; ahead++) {
    for (let number = 0; number < PLAYERS; number++) {
      const player = players[number];
      const packet = player?.packets[ahead];
      if (player !== undefined && packet !== undefined) hub.cast(player.context, packet);
    }
    clock.now += TICK_MS;
    clock.due?.();
  }
  tick += TICKS;
}

const { gc } = globalThis;
assert.ok(gc);
const bytesUsed = (): number => getHeapStatistics().used_heap_size;

/**
 * Bytes that each tick's share of `run` leaves behind: the least of some rounds, or the first that is enough.
 */
function least(enough: number, run: () => void, before: () => void = () => {}): number {
  let bytes = Infinity;
  for (let round = 0; round < WARM_ROUNDS; round++) {
    before();
    run();
  }
  for (let round = 0; round < MOST_ROUNDS && bytes > enough; round++) {
    before();
    gc?.();
    const from = bytesUsed();
    run();
    const used = bytesUsed() - from;
    // Less than nothing: there was a collection.
    if (used >= 0) bytes = Math.min(bytes, used / TICKS);
  }
  return bytes;
}

const [enoughRoom, enoughSealing] = process.argv.slice(2).map(Number);
const room = least(enoughRoom ?? 0, runTicks, prepare);
assert.equal(rooms.stats().players, PLAYERS);
for (const { reader } of players) {
  const { newest } = reader;
  assert.ok(newest !== undefined && newest.tick >= tick - TICKS, "all were told");
  assert.notEqual(newest.cells[0], 0, "and moved");
}

const id = new Uint8Array(8);
const key = new Uint8Array(32);
const sealer = new Sealer(id, key);
const opener = new Opener(key);
const content = new Uint8Array(100);
const sealing = least(enoughSealing ?? 0, () => {
  for (let datagram = 0; datagram < PLAYERS * TICKS; datagram++) {
    const sealed = sealer.seal(Kind.message, content);
    if (sealed !== undefined) opener.open(sealed);
  }
});
console.log(JSON.stringify({ room, sealing }));
process.exit();
