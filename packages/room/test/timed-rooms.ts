import { defineRoom, type RoomDefinition, Rooms, type RoomsOptions } from "../src/index.ts";
import { FakeHub, type Logs } from "./fake-hub.ts";
import { square, squareRoom } from "./square.ts";
import { VirtualClock } from "./time/virtual-clock.ts";

export const TICK_MS = 1_000 / square.ticksPerSecond;
export const WALL = 1_700_000_000_000;
/** What the clock begins with. */
export const BEGIN_MS = 50;

/** A key of the right length that says whose it is. */
export function keyOf(name: string): string {
  return name.padEnd(22, "_");
}

/** What somebody of this name asks `room.join`. */
export function join(name: string, more: object = {}): never {
  return { mode: "square", hash: square.layout.hash, key: keyOf(name), name, ...more } as never;
}

const quiet = defineRoom({ ...squareRoom, bots: 0 });

/** Rooms of the small square without bots, by a clock that the test moves. */
export async function begin(
  mode: Partial<RoomDefinition> = {},
  options: RoomsOptions = {},
  logs: Logs = new Map(),
  wallAt = WALL,
) {
  const hub = new FakeHub(logs);
  const clock = new VirtualClock(BEGIN_MS);
  const errors: unknown[] = [];
  const rooms = new Rooms(
    hub.asHub,
    { square: { ...quiet, ...mode } },
    { clock, wall: () => wallAt + clock.uptime(), onError: (error) => errors.push(error), ...options },
  );
  await rooms.open();
  return { hub, clock, rooms, errors };
}
