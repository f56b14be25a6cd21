import { defineRoom, type RoomDefinition, Rooms, type RoomsOptions } from "../src/index.ts";
import { FakeHub, type Logs } from "./fake-hub.ts";
import { square, squareRoom } from "./square.ts";
import { VirtualClock } from "./time/virtual-clock.ts";

export const TICK_MS = 1_000 / square.ticksPerSecond;
export const WALL = 1_700_000_000_000;
/** What the clock begins with. */
export const BEGIN_MS = 50;

const quiet = defineRoom({ ...squareRoom, bots: 0 });

/** A key of the right length that says whose it is. */
export function keyOf(name: string): string {
  return name.padEnd(22, "_");
}

/** What somebody of this name calls `room.join` and `room.match` with. */
export function asked(name: string, more: object = {}): never {
  return { mode: "square", hash: square.layout.hash, key: keyOf(name), name, ...more } as never;
}

/** The answer of a join, as far as tests look at it. */
export interface Joined {
  readonly room: string;
  readonly seat: number;
  readonly isReturn: boolean;
}

/** What else there is than `square`, and what the process before has left. */
export interface Beside {
  readonly modes?: { readonly [mode: string]: Partial<RoomDefinition> };
  readonly logs?: Logs;
  /** What the wall says when the clock is at 0. */
  readonly wallAt?: number;
}

/** Rooms of `square` without bots, on a hub without connections, by a clock that the test moves. */
export async function openRooms(
  mode: Partial<RoomDefinition> = {},
  options: RoomsOptions = {},
  { modes = {}, logs = new Map(), wallAt = WALL }: Beside = {},
) {
  const hub = new FakeHub(logs);
  const clock = new VirtualClock(BEGIN_MS);
  const errors: unknown[] = [];
  const all = Object.fromEntries(
    Object.entries({ square: mode, ...modes }).map(([name, one]) => [name, { ...quiet, ...one }]),
  );
  const wall = (): number => wallAt + clock.uptime();
  const onError = (error: unknown): number => errors.push(error);
  const rooms = new Rooms(hub.asHub, all, { clock, wall, onError, ...options });
  await rooms.open();
  const join = async (session: string, name: string, given: object = {}): Promise<Joined> =>
    (await hub.call(session, "room.join", asked(name, given))) as Joined;
  return { hub, clock, rooms, errors, join };
}
