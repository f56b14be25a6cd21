import type { Hub } from "@zocalo/hub";
import type { Clock } from "../timing/clock.ts";
import { LIST_NAMESPACE } from "./namespaces.ts";

/** A room in the list of its mode. */
export interface ListedRoom {
  /** Its id, to join it by. */
  readonly room: string;
  /** People who play. */
  readonly players: number;
  /** Bots that play; each leaves for a person. */
  readonly bots: number;
  /** People who only watch. */
  readonly watchers: number;
  /** Of all who may play. */
  readonly seats: number;
}

/** What the channel `rooms:MODE` says: how many there are, and the rooms with people first. */
export interface ListedRooms {
  /** Rooms of this mode that are not private. */
  readonly total: number;
  /** People who play in them. */
  readonly players: number;
  /** At most 100. */
  readonly rooms: readonly ListedRoom[];
}

/** Rooms in a list at most. */
const MOST = 100;
/** From one list to the next at least, in milliseconds. */
const PAUSE_MS = 500;

/** Publishes which rooms there are, at most twice a second for each mode. */
export class RoomList {
  readonly #hub: Pick<Hub, "publish">;
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  /** Modes whose list is told after a pause, and whether it is another one by then. */
  readonly #pausing = new Map<string, { isOld: boolean; readonly cancel: () => void }>();
  readonly #told = new Map<string, string>();
  #isClosed = false;

  constructor(hub: Pick<Hub, "publish">, clock: Clock, onError: (error: unknown) => void) {
    this.#hub = hub;
    this.#clock = clock;
    this.#onError = onError;
  }

  /** Something of it has changed. */
  changed(mode: string, now: () => Iterable<ListedRoom>): void {
    if (this.#isClosed) return;
    const pausing = this.#pausing.get(mode);
    if (pausing !== undefined) {
      pausing.isOld = true;
      return;
    }
    const cancel = this.#clock.after(PAUSE_MS, () => {
      const { isOld } = this.#pausing.get(mode) ?? { isOld: false };
      this.#pausing.delete(mode);
      if (isOld) this.changed(mode, now);
    });
    this.#pausing.set(mode, { isOld: false, cancel });
    this.#tell(mode, [...now()]);
  }

  close(): void {
    this.#isClosed = true;
    for (const { cancel } of this.#pausing.values()) cancel();
  }

  #tell(mode: string, all: readonly ListedRoom[]): void {
    const rooms = all.toSorted((a, b) => b.players - a.players || b.watchers - a.watchers).slice(0, MOST);
    const players = all.reduce((sum, room) => sum + room.players, 0);
    // Spread, since TypeScript knows no interface as JSON.
    const list = {
      total: all.length,
      players,
      rooms: rooms.map((room) => ({ ...room })),
    } satisfies ListedRooms;
    const text = JSON.stringify(list);
    if (this.#told.get(mode) === text) return;
    this.#told.set(mode, text);
    this.#hub.publish(`${LIST_NAMESPACE}:${mode}`, list).catch((error: unknown) => {
      this.#told.delete(mode);
      this.#onError(error);
    });
  }
}
