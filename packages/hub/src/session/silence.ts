import type { Clock, Timer } from "../primitives/clock.ts";

/** Who is listened for. */
export interface Listened {
  /** True while nothing could be heard, since its commands are held back here. */
  readonly isHeldBack: boolean;
  /** Nothing came for so long that it is time to ask. */
  quiet(): void;
  /** Nothing came for as long again. */
  silent(): void;
  /** Something came after all. */
  back(): void;
}

/** Listens for a peer on a stream: who vanished says nothing, and the system may not notice for hours. */
export class Silence {
  readonly #peer: Listened;
  readonly #clock: Clock;
  readonly #ms: number;
  #heardAt: number;
  #stage: "heard" | "quiet" | "silent" = "heard";
  #timer: Timer | undefined;

  /** @param ms until it is quiet, and as long again until it is silent */
  constructor(peer: Listened, clock: Clock, ms: number) {
    this.#peer = peer;
    this.#clock = clock;
    this.#ms = ms;
    this.#heardAt = clock.uptime();
    this.#wait(ms);
  }

  /** Something came. */
  heard(): void {
    this.#heardAt = this.#clock.uptime();
    if (this.#stage === "heard") return;
    const wasSilent = this.#stage === "silent";
    this.#stage = "heard";
    if (!wasSilent) return;
    this.#wait(this.#ms);
    this.#peer.back();
  }

  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** One timer for all that is heard meanwhile: it looks at its end how long it was quiet. */
  #wait(ms: number): void {
    this.#timer = this.#clock.after(ms, () => this.#look());
  }

  #look(): void {
    const now = this.#clock.uptime();
    if (this.#peer.isHeldBack) this.#heardAt = now;
    // Not asked yet, so long after: this process stood still. Whoever is there has as long to answer as ever.
    if (this.#stage === "heard") this.#heardAt = Math.max(this.#heardAt, now - this.#ms);
    const quietMs = now - this.#heardAt;
    if (quietMs >= 2 * this.#ms) {
      this.#stage = "silent";
      this.#timer = undefined;
      this.#peer.silent();
      return;
    }
    if (quietMs < this.#ms) {
      this.#stage = "heard";
      this.#wait(this.#ms - quietMs);
      return;
    }
    this.#wait(2 * this.#ms - quietMs);
    if (this.#stage === "quiet") return;
    this.#stage = "quiet";
    this.#peer.quiet();
  }
}
