import type { LaneState } from "./lane.ts";

/** How a lane finds out whether what it sends arrives. Milliseconds. */
export interface PulseTimes {
  /** Between pings that are answered: what is lost in one direction is noticed, and NATs remember the way. */
  readonly pingMs: number;
  /** Between pings as long as none is answered, while it matters. */
  readonly retryMs: number;
  /** How long nothing may be answered at the start, before the lane is `silent`. */
  readonly probeMs: number;
  /** How long nothing may be answered later. */
  readonly silentMs: number;
  /** Between pings of a silent lane. */
  readonly backgroundMs: number;
}

/** The defaults of both sides. */
export const pulseTimes: PulseTimes = {
  pingMs: 1_000,
  retryMs: 250,
  probeMs: 2_000,
  silentMs: 3_000,
  backgroundMs: 2_000,
};

/** Pings that may be answered still; an answer to an older one is too late. */
const OUTSTANDING = 16;

/** A ping that was sent. */
export interface Ping<Path> {
  readonly token: string;
  readonly sentAt: number;
  /** By which way. */
  readonly path: Path;
  /** The shortest answer, in bytes, that shows that the lane carries what it must. */
  readonly leastBytes: number;
}

/**
 * When to ping, and what the answers say of a lane: without I/O. Time is passed in, in milliseconds of a
 * clock that does not count while the process stands still.
 */
export class Pulse<Path> {
  readonly #times: PulseTimes;
  readonly #pings: Ping<Path>[] = [];
  readonly #startedAt: number;
  #pingedAt = Number.NEGATIVE_INFINITY;
  /** When the newest ping that was answered was sent. */
  #answeredAt = Number.NEGATIVE_INFINITY;
  #roundTripMs: number | undefined;

  constructor(times: PulseTimes, now: number) {
    this.#times = times;
    this.#startedAt = now;
  }

  /** Of the newest answer, in milliseconds. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  /** When the newest ping was sent. */
  get pingedAt(): number {
    return this.#pingedAt;
  }

  /** What the answers say; a lane that ends is its owner's to close. */
  state(now: number): LaneState {
    const { silentMs, probeMs } = this.#times;
    if (now - this.#answeredAt < silentMs) return "open";
    const isStarting = this.#answeredAt === Number.NEGATIVE_INFINITY && now - this.#startedAt < probeMs;
    return isStarting ? "probing" : "silent";
  }

  /** Whether a ping is due. @param isEager a silent lane is tried as often as one that begins */
  isDue(now: number, isEager = false): boolean {
    const { pingMs, retryMs, backgroundMs } = this.#times;
    const state = this.state(now);
    const isAnswered = state === "open" && this.#answeredAt >= this.#pingedAt;
    const intervalMs = isAnswered ? pingMs : state === "silent" && !isEager ? backgroundMs : retryMs;
    return now - this.#pingedAt >= intervalMs;
  }

  pinged(ping: Ping<Path>): void {
    this.#pingedAt = ping.sentAt;
    this.#pings.push(ping);
    if (this.#pings.length > OUTSTANDING) this.#pings.shift();
  }

  /** An answer has come; the ping that it answers, unless there is none, or it answers too little. */
  answered(token: string, bytes: number, path: Path, now: number): Ping<Path> | undefined {
    const at = this.#pings.findIndex((ping) => ping.token === token);
    const ping = this.#pings[at];
    if (ping === undefined || ping.path !== path || bytes < ping.leastBytes) return undefined;
    this.#pings.splice(at, 1);
    this.#answeredAt = Math.max(this.#answeredAt, ping.sentAt);
    this.#roundTripMs = now - ping.sentAt;
    return ping;
  }
}
