import type { Carrier, Lane, LaneState } from "./lane.ts";
import type { LinkModel } from "./link-model.ts";
import { type LaneClock, laneClock } from "./running-time.ts";

/** The two directions of a simulated link, as this side sees them. */
export interface LinkModels {
  /** For what is sent here. */
  readonly up: LinkModel;
  /** For what comes here. */
  readonly down: LinkModel;
}

/**
 * A lane that behaves as over a bad link, in the program itself: for a switch in a game, and for tests. It
 * runs in a page, too, whatever carries the lane below. What the lane does of its own, such as pings, passes
 * as before.
 *
 * @example
 * const link = { delayMs: 75, loss: 0.05 };
 * const bad = new ImpairedLane(lane, { up: new LinkModel(1, link), down: new LinkModel(2, link) });
 * bad.send(bytes);
 */
export class ImpairedLane implements Lane {
  readonly #lane: Lane;
  readonly #models: LinkModels;
  readonly #clock: LaneClock;
  #handler: ((bytes: Uint8Array) => void) | undefined;

  /** @param clock by which messages are delayed. Default: the system's. */
  constructor(lane: Lane, models: LinkModels, clock: LaneClock = laneClock) {
    this.#lane = lane;
    this.#models = models;
    this.#clock = clock;
    lane.onMessage((bytes) => {
      // Each copy is the application's own.
      const copies = this.#models.down
        .datagram(bytes.length, this.#clock.now())
        .map((at) => ({ at, own: Uint8Array.from(bytes) }));
      for (const { at, own } of copies) this.#at(at, () => this.#handler?.(own));
    });
  }

  get carrier(): Carrier {
    return this.#lane.carrier;
  }

  get state(): LaneState {
    return this.#lane.state;
  }

  get maxMessageBytes(): number {
    return this.#lane.maxMessageBytes;
  }

  /** True for what the link loses, too. */
  send(bytes: Uint8Array): boolean {
    if (this.state !== "open" || bytes.length > this.maxMessageBytes) return false;
    const copies = this.#models.up.datagram(bytes.length, this.#clock.now());
    const kept = Uint8Array.from(bytes);
    for (const at of copies) this.#at(at, () => void this.#lane.send(kept));
    return true;
  }

  onMessage(handler: (bytes: Uint8Array) => void): void {
    this.#handler = handler;
  }

  onState(handler: (state: LaneState) => void): void {
    this.#lane.onState(handler);
  }

  acknowledged(ageMs: number): void {
    this.#lane.acknowledged?.(ageMs);
  }

  close(): void {
    this.#lane.close();
  }

  #at(time: number, run: () => void): void {
    const delayMs = time - this.#clock.now();
    if (delayMs <= 0) run();
    else this.#clock.setTimer(() => this.state !== "closed" && run(), delayMs);
  }
}
