import type { Holder } from "@zocalo/net";
import type { Cell } from "../contracts/layout.ts";
import { InputBuffer, type InputBufferOptions, type SavedInputs } from "../input/buffer.ts";
import { InputReport } from "../input/report.ts";
import type { JoinAnswer } from "../contracts/wire.ts";
import type { BestLane } from "../lanes/best-lane.ts";
import { Outbox, type SavedOutbox } from "./outbox.ts";
import type { Receiver } from "../snapshot/receiver.ts";
import type { SnapshotView } from "../snapshot/snapshots.ts";

/** Who comes into a room. */
export interface Newcomer {
  /** SHA-256 of the key, as base64url: the key itself is kept nowhere. */
  readonly keyHash: string;
  readonly user: string;
  readonly name: string;
  /** As they were matched by. Default 0. */
  readonly skill?: number | undefined;
}

/** What is kept of a place, see `SavedRoom`. */
export type SavedParticipant = {
  readonly keyHash: string;
  readonly user: string;
  readonly name: string;
  readonly skill: number;
  readonly seat: number;
  readonly isAway: boolean;
  readonly inputs: SavedInputs;
  /** What was said to them; left out of a checkpoint, after which more may be said before a crash. */
  readonly said?: SavedOutbox;
};

/** The number of a place that only watches. */
export const WATCHES = -1;

/** A person's place in a room: a seat, or only eyes. It outlives connections and sessions. */
export class Participant implements Newcomer {
  readonly keyHash: string;
  readonly user: string;
  readonly name: string;
  readonly skill: number;
  /** `WATCHES` for a spectator. */
  readonly seat: number;
  readonly inputs: InputBuffer;
  readonly report = new InputReport();
  readonly outbox: Outbox;
  /** The session that has it now, by its public name; empty while none has. */
  session = "";
  lane: BestLane | undefined;
  /** What it is shown, and what tells it. */
  view: SnapshotView | undefined;
  receiver: Receiver | undefined;
  /**
   * Of what both sides remember of each other; empty: the client has to begin anew before it is told more.
   */
  incarnation = "";
  /** Where it counts for its address. */
  holder: Holder | undefined;
  /** When something came last, in milliseconds of the clock's uptime. */
  heardAt: number;
  isAway = false;
  /** Nothing came since it was given: it is kept for a shorter time. */
  isReserved = false;
  /** How it came from another process, until its client was heard. */
  restored: JoinAnswer["restored"];
  /** The tick of its first snapshot. */
  toldSince = 0;
  /** Which id its own entity has, and since which tick it is told until that is acknowledged; NaN: it was. */
  own = -1;
  /** Another entity may have the same id the tick after. */
  ownGeneration = 0;
  ownSince = Number.NaN;

  constructor(
    who: Newcomer,
    seat: number,
    outbox: Outbox,
    cells: readonly Cell[],
    options: InputBufferOptions | undefined,
    now: number,
  ) {
    this.keyHash = who.keyHash;
    this.user = who.user;
    this.name = who.name;
    this.skill = who.skill ?? 0;
    this.seat = seat;
    this.outbox = outbox;
    this.inputs = new InputBuffer(cells, options);
    this.heardAt = now;
  }

  get watches(): boolean {
    return this.seat === WATCHES;
  }

  /** @param mostCharacters of what was said to them, in UTF-16 code units; `undefined`: nothing of it */
  save(mostCharacters: number | undefined): SavedParticipant {
    const { keyHash, user, name, skill, seat, isAway } = this;
    const said = mostCharacters === undefined ? {} : { said: this.outbox.save(mostCharacters) };
    return { keyHash, user, name, skill, seat, isAway, inputs: this.inputs.save(), ...said };
  }
}
