import type { SendOutcome } from "@zocalo/net";
import type { Sender } from "../channel/sender.ts";
import type { SharedMessage } from "../channel/shared-message.ts";
import type { HubLimits } from "../policy/limits.ts";
import type { Clock, Timer } from "../primitives/clock.ts";
import { utf8Length } from "../primitives/utf8.ts";

/**
 * What a peer may be sent at once after a silence, and what it may have earned ahead, in bytes. The largest
 * datagram fits, and a socket with the system's default buffer takes it.
 */
export const BURST_BYTES = 65_536;

/**
 * Sends datagrams to one peer in a measure, by the second and by what came from it: a slow path, or somebody
 * whose address was forged after it was proved, is not flooded.
 */
export class Pace implements Sender {
  readonly #conn: Sender;
  readonly #clock: Clock;
  readonly #perSecond: number;
  readonly #perByte: number;
  readonly #hasRoom: () => void;
  /** Bytes that may go now, at `#at`. */
  #level = BURST_BYTES;
  #at: number;
  /** Bytes that were earned by what came. */
  #earned = BURST_BYTES;
  /** Something was refused for want of what is to be earned. */
  #waitsForPeer = false;
  /** Set while something that was refused waits for its time. */
  #timer: Timer | undefined;

  /** @param hasRoom called when something that was refused may be tried again */
  constructor(conn: Sender, limits: HubLimits, clock: Clock, hasRoom: () => void) {
    this.#conn = conn;
    this.#clock = clock;
    this.#perSecond = limits.datagramBytesPerSecond;
    this.#perByte = limits.datagramBytesPerByte;
    this.#hasRoom = hasRoom;
    this.#at = clock.uptime();
  }

  get maxSendBytes(): number {
    return this.#conn.maxSendBytes;
  }

  /** True while what was refused waits for its time, which comes. */
  get isWaiting(): boolean {
    return this.#timer !== undefined;
  }

  /** So many bytes came. */
  heard(bytes: number): void {
    this.#earned = Math.min(BURST_BYTES, this.#earned + bytes * this.#perByte);
    if (!this.#waitsForPeer) return;
    this.#waitsForPeer = false;
    this.#hasRoom();
  }

  /** True while something that was refused waits for its time, or for the peer. */
  get isHoldingBack(): boolean {
    return this.#timer !== undefined || this.#waitsForPeer;
  }

  canSend(message: string | Uint8Array | SharedMessage): boolean {
    return this.#conn.canSend(message);
  }

  trySend(message: string | Uint8Array | SharedMessage): SendOutcome {
    const bytes = bytesOf(message);
    if (bytes > this.#conn.maxSendBytes) return "refused";
    if (bytes > this.#earned) {
      this.#waitsForPeer = true;
      return "refused";
    }
    this.#refill();
    if (bytes > this.#level) {
      const waitMs = Math.ceil(((bytes - this.#level) * 1_000) / this.#perSecond);
      this.#timer ??= this.#clock.after(waitMs, () => {
        this.#timer = undefined;
        this.#hasRoom();
      });
      return "refused";
    }
    const outcome = this.#conn.trySend(message);
    if (outcome === "refused") return outcome;
    this.#level -= bytes;
    this.#earned -= bytes;
    return outcome;
  }

  /** Nothing more is sent. */
  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#waitsForPeer = false;
  }

  #refill(): void {
    const now = this.#clock.uptime();
    this.#level = Math.min(BURST_BYTES, this.#level + ((now - this.#at) * this.#perSecond) / 1_000);
    this.#at = now;
  }
}

/** Of a message as it leaves: on datagrams it is text, but for what is no message. */
function bytesOf(message: string | Uint8Array | SharedMessage): number {
  if (message instanceof Uint8Array) return message.length;
  return utf8Length(typeof message === "string" ? message : (message.text.message as string));
}
