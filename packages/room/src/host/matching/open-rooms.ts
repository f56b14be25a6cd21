import { RoomError, shown } from "../../contracts/errors.ts";

/** An open room that players may join. */
export interface OpenRoom {
  /** Its id. */
  readonly room: string;
  /** How many may join. */
  readonly free: number;
  /** Of those who are in it, their mean say; a finite number. */
  readonly skill: number;
}

/** Rooms of one skill. */
interface Step {
  readonly skill: number;
  /** Those with the fewest free places come last, and are filled first. */
  readonly rooms: { readonly room: string; free: number }[];
}

/** Free places of open rooms, which are taken one by one. */
export class OpenRooms {
  /** By skill. */
  readonly #steps: Step[] = [];
  /**
   * By step and 1: itself while it has places, else one nearer to the next below or above that has; 0 for
   * none.
   */
  readonly #below: Int32Array;
  readonly #above: Int32Array;

  /** @throws RoomError `invalid_value` for a skill that is not finite. */
  constructor(places: readonly OpenRoom[]) {
    const sorted = places.filter(({ free }) => free >= 1);
    for (const { room, skill } of sorted) {
      if (Number.isFinite(skill)) continue;
      const what = `the skill of room ${shown(room)} is ${shown(skill)}`;
      throw new RoomError("invalid_value", `${what}; allowed: finite numbers`);
    }
    sorted.sort((a, b) => a.skill - b.skill || b.free - a.free || (a.room < b.room ? 1 : -1));
    for (const { room, free, skill } of sorted) {
      let step = this.#steps.at(-1);
      if (step?.skill !== skill) this.#steps.push((step = { skill, rooms: [] }));
      step.rooms.push({ room, free });
    }
    const { length } = this.#steps;
    this.#below = Int32Array.from({ length: length + 2 }, (_, at) => at);
    this.#above = Int32Array.from({ length: length + 2 }, (_, at) => (at > length ? 0 : at));
  }

  /** Takes a place in the room of the nearest skill that is within the window. Says in which. */
  take(skill: number, window: number): string | undefined {
    const at = this.#firstFrom(skill);
    const below = find(this.#below, at);
    const above = find(this.#above, at + 1);
    const low = this.#steps[below - 1];
    const high = this.#steps[above - 1];
    const isLow = low !== undefined && (high === undefined || skill - low.skill < high.skill - skill);
    const step = isLow ? low : high;
    const room = step?.rooms.at(-1);
    if (step === undefined || room === undefined || Math.abs(step.skill - skill) > window) return undefined;
    room.free--;
    if (room.free < 1) step.rooms.pop();
    if (step.rooms.length === 0) {
      const empty = isLow ? below : above;
      this.#below[empty] = empty - 1;
      this.#above[empty] = empty + 1;
    }
    return room.room;
  }

  /** How many steps are below this skill. */
  #firstFrom(skill: number): number {
    let least = 0;
    let most = this.#steps.length;
    while (least < most) {
      const middle = (least + most) >> 1;
      if ((this.#steps[middle]?.skill ?? 0) < skill) least = middle + 1;
      else most = middle;
    }
    return least;
  }
}

/** Follows the way from here to what has places, and makes it shorter. */
function find(next: Int32Array, from: number): number {
  let at = from;
  while (next[at] !== at && at !== 0) {
    const further = next[at] ?? 0;
    next[at] = next[further] ?? 0;
    at = further;
  }
  return at;
}
