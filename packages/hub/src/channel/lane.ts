import type { MessageConn } from "@zocalo/net";
import type { Allowed } from "./allowed.ts";
import type { Backlog } from "./backlog.ts";
import { type Allotment, Newest, type Volatile } from "./newest.ts";
import type { Sender } from "./sender.ts";
import type { SharedMessage } from "./shared-message.ts";
import type { Counters } from "./stats.ts";
import type { Clock } from "../primitives/clock.ts";

/**
 * So many bytes, or one message, are given to a connection beyond what it has taken: what it has cannot be
 * replaced by what is newer any more.
 */
export const AHEAD_BYTES = 16_384;
/** How often a connection is looked at that has nothing to send and refuses, in milliseconds. */
const LOOK_MS = 50;

/** What can go to one peer. */
export interface LaneMessage extends Volatile {
  readonly message: string | Uint8Array | SharedMessage;
}

/** What became of it: the connection has it; it waits for room; or it was dropped for want of room. */
export type LaneOutcome = "sent" | "waiting" | "dropped";

/** Whose waiting casts are bounded together. */
export interface CastShare {
  castBytes: number;
}

/** How much may wait. */
export interface LaneLimits {
  readonly waitingCasts: number;
  readonly waitingCastBytes: number;
  readonly waitingCastBytesPerAddress: number;
}

/** What a lane needs of its session and hub. */
export interface LaneHost {
  readonly conn: Pick<MessageConn, "flush">;
  readonly sender: Sender;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly limits: LaneLimits;
  readonly context: {
    readonly backlog: Pick<Backlog, "sent">;
    /** Where what waits for all sessions counts. */
    readonly waitingCasts: Allowed;
  };
  /** True where messages may be lost: then nobody tells when the system has taken them. */
  readonly isDatagram: boolean;
  /** True while what is sent now would wait, or take the place of what waits. */
  readonly isUnderPressure: boolean;
  /** Its address and its user, if they have limits. */
  readonly address: CastShare | undefined;
  readonly user: CastShare | undefined;
}

/**
 * The way of what is of this moment to one peer. It goes at once while the peer takes what is sent, and
 * otherwise waits here, of each slot the newest, until there is room: the connection never has more of it to
 * send than `AHEAD_BYTES`, or one message, beyond what was sent in a turn.
 */
export class Lane {
  readonly #host: LaneHost;
  #waiting: Newest<LaneMessage> | undefined;
  #isWatching = false;
  #isFirst = false;
  #hasEnded = false;

  constructor(host: LaneHost) {
    this.#host = host;
  }

  /** True while what is offered goes at once. */
  get isOpen(): boolean {
    return !this.#isWaiting && !this.#host.isUnderPressure;
  }

  /** What waits, in bytes. */
  get waitingBytes(): number {
    return this.#waiting?.bytes ?? 0;
  }

  /** Hot path. Guarded by `npm run bench -- cast`. */
  offer(message: LaneMessage): LaneOutcome {
    const { sender, counters } = this.#host;
    if (this.isOpen) {
      if (sender.trySend(message.message) !== "refused") {
        counters.castsDelivered++;
        return "sent";
      }
      if (this.#hasEnded || !sender.canSend(message.message)) {
        counters.castsDropped++;
        return "dropped";
      }
    }
    return this.wait(message);
  }

  /** It has to wait. @param message in memory of its own, or with `own` to make it so */
  wait(message: LaneMessage): LaneOutcome {
    if (this.#hasEnded) return "dropped";
    const { limits, counters } = this.#host;
    this.#waiting ??= new Newest(
      { entries: limits.waitingCasts, bytes: limits.waitingCastBytes },
      new LaneAllotment(this.#host),
      counters,
    );
    const isTaken = this.#waiting.put(message);
    if (!this.#isWatching && !this.#host.isDatagram) void this.#watch();
    return isTaken ? "waiting" : "dropped";
  }

  /**
   * There is room in the connection again, for this and for what the log has. On datagrams each has its turn
   * to be first: who is takes what there is.
   */
  hasRoom(resumeLog: () => void): void {
    this.#isFirst = !this.#isFirst;
    if (this.#isFirst && this.#host.isDatagram) this.#step();
    resumeLog();
    if (!this.#isFirst && this.#host.isDatagram) this.#step();
  }

  /** What waits of a channel is for nobody any more: it is not subscribed. */
  left(channel: string): void {
    this.#waiting?.forget(channel);
  }

  /** What waits is for nobody any more. */
  end(): void {
    this.#hasEnded = true;
    this.#waiting?.clear();
  }

  get #isWaiting(): boolean {
    return this.#waiting !== undefined && this.#waiting.size > 0;
  }

  /** Sends what waits, as fast as the system takes it. Never rejects. */
  async #watch(): Promise<void> {
    this.#isWatching = true;
    try {
      while (this.#isWaiting) {
        await this.#host.conn.flush();
        // It took all that was there: some has its turn now, even where the log has filled it again.
        if (this.#step() || !this.#isWaiting) continue;
        await new Promise<void>((resolve) => void this.#host.clock.after(LOOK_MS, resolve));
      }
    } catch {
      // The connection is over, and tells so itself.
      this.#waiting?.clear();
    }
    this.#isWatching = false;
  }

  /** Hands over `AHEAD_BYTES`, or one message. False if nothing could be. */
  #step(): boolean {
    const { sender, counters, context } = this.#host;
    const waiting = this.#waiting;
    let bytes = 0;
    for (let next = waiting?.first; next !== undefined; next = waiting?.first) {
      const isFirst = bytes === 0;
      if (!isFirst && bytes + next.keptBytes > AHEAD_BYTES) break;
      const outcome = sender.trySend(next.message);
      if (outcome === "refused" && sender.canSend(next.message)) break;
      waiting?.remove(next);
      if (outcome === "refused") {
        counters.castsDropped++;
        continue;
      }
      counters.castsDelivered++;
      bytes += next.keptBytes;
      if (outcome === "buffered") break;
    }
    context.backlog.sent(bytes);
    return bytes > 0;
  }
}

/** Counts what waits for one peer with what waits for its address, its user, and all. */
class LaneAllotment implements Allotment {
  readonly #host: LaneHost;
  #bytes = 0;
  /** With whom it counts while something waits: a session may change its user. */
  #shares: readonly CastShare[] = [];

  constructor(host: LaneHost) {
    this.#host = host;
  }

  take(bytes: number): boolean {
    const { limits, context } = this.#host;
    if (this.#bytes === 0) {
      const { address, user } = this.#host;
      this.#shares = [address, user].filter((share) => share !== undefined);
    }
    const most = limits.waitingCastBytesPerAddress;
    if (this.#shares.some(({ castBytes }) => castBytes + bytes > most)) return false;
    if (!context.waitingCasts.take(bytes)) return false;
    this.#count(bytes);
    return true;
  }

  giveBack(bytes: number): void {
    this.#host.context.waitingCasts.giveBack(bytes);
    this.#count(-bytes);
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    for (const share of this.#shares) share.castBytes += bytes;
  }
}
