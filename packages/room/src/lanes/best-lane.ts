import type { LaneRequest } from "../contracts/wire.ts";
import { type Carrier, type Lane, LaneEvents, type LaneState } from "./lane.ts";
import { type LaneClock, laneClock } from "./running-time.ts";

/** What opens the lane of a room: `overWebRtc`, or `overUdp()`. */
export type OpenLane = (session: Lane, means: LaneMeans) => Lane;

/** What a lane can be opened by. */
export interface LaneMeans {
  /** Asks the server. Resolves with a `LaneAnswer` if the server keeps its word. */
  readonly ask: (request: LaneRequest) => Promise<unknown>;
  /** Is told what handlers of the lane throw; nothing ends by it. */
  readonly onError: (error: unknown) => void;
  /** By which the lane measures time. */
  readonly clock: LaneClock;
}

/** Options of `BestLane`. */
export interface BestLaneOptions {
  /**
   * Opens a better lane, or gives `undefined` if there is none: called at the start, and again when it has
   * closed, after 5 seconds and then after twice as long each time, up to a minute. What it throws is told to
   * `onError`. A client asks for a ticket here. Default: only `use` brings one.
   */
  readonly better?: (() => Promise<Lane | undefined>) | undefined;
  /** Is told what handlers and `better` throw; nothing ends by it. */
  readonly onError: (error: unknown) => void;
  /** Default: the system's. */
  readonly clock?: LaneClock | undefined;
}

/** Before `better` is asked again, in milliseconds. */
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 60_000;

/**
 * One lane made of two: the better one as long as it is open, the lane of last resort whenever it is not.
 * What comes by either is given to the handler, so the two sides need not agree at once. Both sides have one.
 *
 * Its state is the state of the lane that carries; `onState` tells each change of that, and of `carrier`. It
 * is `closed` when it was closed, or when the last resort is and nothing better is open.
 *
 * @example
 * const best = new BestLane(sessionLane(session, { onError }), { onError });
 * best.use(dialLane(ticket, { host: "127.0.0.1" })); // datagrams while those pass
 * best.onState(() => console.log(best.state, best.carrier));
 */
export class BestLane implements Lane {
  readonly #events: LaneEvents;
  readonly #last: Lane;
  readonly #options: BestLaneOptions;
  readonly #clock: LaneClock;
  #better: Lane | undefined;
  #carrier: Carrier;
  #pauseMs = FIRST_PAUSE_MS;
  #cancelTimer: (() => void) | undefined;

  /** @param last the lane of last resort: `sessionLane`, or one of `SessionLanes`. It is closed with this. */
  constructor(last: Lane, options: BestLaneOptions) {
    this.#last = last;
    this.#options = options;
    this.#clock = options.clock ?? laneClock;
    this.#events = new LaneEvents(last.state, options.onError);
    this.#carrier = last.carrier;
    this.#listen(last);
    void this.#ask();
  }

  get carrier(): Carrier {
    return this.#carrier;
  }

  get state(): LaneState {
    return this.#events.state;
  }

  /** The shorter of the two: a message has to fit whichever carries it. */
  get maxMessageBytes(): number {
    return Math.min(this.#last.maxMessageBytes, this.#better?.maxMessageBytes ?? Number.POSITIVE_INFINITY);
  }

  /** Takes this lane for the better one, and closes the one before. */
  use(better: Lane): void {
    if (this.state === "closed") {
      better.close();
      return;
    }
    const before = this.#better;
    this.#better = better;
    before?.close();
    this.#listen(better);
    this.#choose();
  }

  send(bytes: Uint8Array): boolean {
    if (this.state === "closed" || bytes.length > this.maxMessageBytes) return false;
    return this.#carrying.send(bytes);
  }

  onMessage(handler: (bytes: Uint8Array) => void): void {
    this.#events.onMessage(handler);
  }

  onState(handler: (state: LaneState) => void): void {
    this.#events.onState(handler);
  }

  acknowledged(ageMs: number): void {
    this.#carrying.acknowledged?.(ageMs);
  }

  /** Closes both. */
  close(): void {
    if (this.state === "closed") return;
    this.#cancelTimer?.();
    this.#events.become("closed");
    this.#better?.close();
    this.#last.close();
  }

  get #carrying(): Lane {
    return this.#better?.state === "open" ? this.#better : this.#last;
  }

  #listen(lane: Lane): void {
    lane.onMessage((bytes) => {
      if (lane === this.#last || lane === this.#better) this.#events.message(bytes);
    });
    lane.onState(() => {
      if (lane !== this.#last && lane !== this.#better) return;
      if (lane === this.#better && lane.state === "open") this.#pauseMs = FIRST_PAUSE_MS;
      if (lane === this.#better && lane.state === "closed") {
        this.#better = undefined;
        this.#askLater();
      }
      this.#choose();
    });
  }

  /** Carries by the best there is, and says so. */
  #choose(): void {
    if (this.state === "closed") return;
    const { carrier, state } = this.#carrying;
    const isOtherCarrier = carrier !== this.#carrier;
    this.#carrier = carrier;
    if (state === "closed") this.close();
    else if (state !== this.state) this.#events.become(state);
    else if (isOtherCarrier) this.#events.tell();
  }

  async #ask(): Promise<void> {
    const { better, onError } = this.#options;
    if (better === undefined) return;
    try {
      const lane = await better();
      if (lane !== undefined && lane.state !== "closed") {
        this.use(lane);
        return;
      }
    } catch (error) {
      if (this.state !== "closed") onError(error);
    }
    this.#askLater();
  }

  #askLater(): void {
    if (this.#options.better === undefined || this.state === "closed") return;
    this.#cancelTimer?.();
    this.#cancelTimer = this.#clock.setTimer(() => void this.#ask(), this.#pauseMs);
    this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
  }
}
