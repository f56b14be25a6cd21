import type { Clock } from "../primitives/clock.ts";

/**
 * Whether a publication may be sent again. Once an attempt had no answer, the publication may be in the log:
 * then it is sent again only as long as the server knows its key.
 */
export class Attempts {
  readonly #clock: Clock;
  /** When the first one was about to be made. Without `uptime`: in another life of this page. */
  #since: { readonly wall: number; readonly uptime?: number } | undefined;
  #state: "none" | "on its way" | "perhaps there" = "none";
  /** The least time in which any server that may have it said that it may come again, in milliseconds. */
  #withinMs = Infinity;

  /** @param sentAt when an earlier session sent it first, in milliseconds of the wall clock */
  constructor(clock: Clock, sentAt?: number) {
    this.#clock = clock;
    if (sentAt === undefined) return;
    this.#since = { wall: sentAt };
    this.#state = "perhaps there";
  }

  /** The next attempt needs a beginning. */
  get isNew(): boolean {
    return this.#since === undefined;
  }

  /** An attempt had no answer. */
  get isPerhapsThere(): boolean {
    return this.#state === "perhaps there";
  }

  /** It is about to be sent. */
  begin(): void {
    this.#since ??= { wall: this.#clock.wall(), uptime: this.#clock.uptime() };
  }

  sent(withinMs: number): void {
    this.begin();
    this.#withinMs = Math.min(this.#withinMs, withinMs);
    if (this.#state === "none") this.#state = "on its way";
  }

  /** Nobody will say what became of it. */
  unanswered(): void {
    if (this.#state !== "none") this.#state = "perhaps there";
  }

  /** It was refused, and so it is not there, unless an attempt before had no answer. */
  refused(): void {
    if (this.isPerhapsThere) return;
    this.#state = "none";
    this.#withinMs = Infinity;
    this.#since = undefined;
  }

  /** False if it may be in the log, and was sent first so many milliseconds ago or more. */
  mayGoOn(presentMs: number): boolean {
    const withinMs = Math.min(presentMs, this.#withinMs);
    if (this.#since === undefined || this.#ageMs(this.#since) < withinMs) return true;
    if (this.isPerhapsThere) return false;
    // It was about to be sent, and was not. Where no key is remembered it does not matter when that was.
    if (withinMs > 0) this.#since = undefined;
    return true;
  }

  /** The longest that may have passed: a wall clock that is further than this process says that it slept. */
  #ageMs({ wall, uptime }: { readonly wall: number; readonly uptime?: number }): number {
    const wallMs = this.#clock.wall() - wall;
    if (uptime !== undefined) return Math.max(wallMs, this.#clock.uptime() - uptime);
    // A clock that went back since then tells nothing.
    return wallMs < 0 ? Infinity : wallMs;
  }
}
