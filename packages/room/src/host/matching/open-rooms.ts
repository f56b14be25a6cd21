import { RoomError, shown } from "../../contracts/errors.ts";

/** Who asks for a place in an open room. */
export interface PlaceSeeker {
  /** Whose place it is. */
  readonly key: string;
  readonly user: string;
}

/** An open room that players may join. */
export interface OpenRoom {
  /** Its id. */
  readonly room: string;
  /** How many may join. */
  readonly free: number;
  /** Of those who are in it, their mean say; a finite number. */
  readonly skill: number;
  /** True for who may not join it, as one who is banned. Default: nobody. */
  readonly refuses?: (player: PlaceSeeker) => boolean;
}

/** Rooms of one skill. */
interface Step {
  readonly skill: number;
  /** Those with the fewest free places come last, and are filled first. */
  readonly rooms: (Pick<OpenRoom, "room" | "refuses"> & { free: number })[];
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
    for (const { room, free, skill, refuses } of sorted) {
      let step = this.#steps.at(-1);
      if (step?.skill !== skill) this.#steps.push((step = { skill, rooms: [] }));
      step.rooms.push({ room, free, ...(refuses && { refuses }) });
    }
    const { length } = this.#steps;
    this.#below = Int32Array.from({ length: length + 2 }, (_, at) => at);
    this.#above = Int32Array.from({ length: length + 2 }, (_, at) => (at > length ? 0 : at));
  }

  /** Takes a place in the room of the nearest skill within the window that does not refuse them: which? */
  take(who: PlaceSeeker, skill: number, window: number): string | undefined {
    const at = this.#firstFrom(skill);
    let below = find(this.#below, at);
    let above = find(this.#above, at + 1);
    // As often as there are rooms of other skills that all refuse this one.
    for (;;) {
      const low = this.#steps[below - 1];
      const high = this.#steps[above - 1];
      const isLow = low !== undefined && (high === undefined || skill - low.skill < high.skill - skill);
      const step = isLow ? low : high;
      if (step === undefined || Math.abs(step.skill - skill) > window) return undefined;
      const index = step.rooms.findLastIndex(({ refuses }) => refuses?.(who) !== true);
      if (index >= 0) return this.#takeIn(step, index, isLow ? below : above);
      if (isLow) below = find(this.#below, below - 1);
      else above = find(this.#above, above + 1);
    }
  }

  #takeIn({ rooms }: Step, index: number, number: number): string | undefined {
    const room = rooms[index];
    if (room === undefined) return undefined;
    room.free--;
    // Those with more free places come before it: it was the last of them, unless others refuse somebody.
    let at = index;
    for (let next = rooms[at + 1]; next !== undefined && next.free > room.free; next = rooms[at + 1]) {
      rooms[at++] = next;
    }
    rooms[at] = room;
    if (room.free < 1) rooms.pop();
    if (rooms.length === 0) {
      this.#below[number] = number - 1;
      this.#above[number] = number + 1;
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
