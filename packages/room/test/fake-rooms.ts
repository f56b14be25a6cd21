import { defineRoom, type RoomDefinition, Rooms, type RoomsOptions } from "../src/index.ts";
import { FakeHub, type Logs } from "./fake-hub.ts";
import { square, squareRoom } from "./square.ts";
import { VirtualClock } from "./time/virtual-clock.ts";

/** A mode without bots. */
export const quiet = defineRoom({ ...squareRoom, bots: 0 });

/** What a player calls `room.join` and `room.match` with: the key is the name's. */
export function asked(name: string, more: object = {}): never {
  const key = name.padEnd(22, "_");
  return { mode: "square", hash: square.layout.hash, key, name, ...more } as never;
}

/** The answer of a join, as far as tests look at it. */
export interface Joined {
  readonly room: string;
  readonly seat: number;
  readonly isReturn: boolean;
}

/** Rooms of `square`, and of `more`, on a hub without connections, by a clock that the test moves. */
export async function openRooms(
  mode: Partial<RoomDefinition> = {},
  options: RoomsOptions = {},
  more: { readonly [mode: string]: Partial<RoomDefinition> } = {},
  logs: Logs = new Map(),
) {
  const hub = new FakeHub(logs);
  const clock = new VirtualClock(50);
  const errors: unknown[] = [];
  const modes = Object.fromEntries(
    Object.entries({ square: mode, ...more }).map(([name, one]) => [name, { ...quiet, ...one }]),
  );
  const wall = (): number => 1_700_000_000_000 + clock.uptime();
  const onError = (error: unknown): number => errors.push(error);
  const rooms = new Rooms(hub.asHub, modes, { clock, wall, onError, ...options });
  await rooms.open();
  const join = async (session: string, name: string, given: object = {}): Promise<Joined> =>
    (await hub.call(session, "room.join", asked(name, given))) as Joined;
  return { hub, clock, rooms, errors, join };
}
