import { randomBytes } from "node:crypto";
import { LaneEvents, type LaneState, type PingedLane } from "./lane.ts";
import { type Pulse } from "./pulse.ts";
import { type Fault, Kind, type Opener, SEAL_BYTES, type Sealer } from "./seal.ts";

/** Bytes of a ping's token, which its answer repeats. */
export const TOKEN_BYTES = 8;

/** Datagrams, counted; those that were dropped by why. */
export interface LaneCounts extends Record<Fault, number> {
  /** Opened and taken. */
  received: number;
  /** Given to the system. */
  sent: number;
  /** Dropped: sealed for a lane that is not there, or is no more. */
  unknown: number;
  /** Dropped: shorter than a seal. */
  truncated: number;
  /** Dropped: of no kind that there is, or numbered past the last that a key may seal. */
  malformed: number;
  /** Dropped: further behind the newest one than is remembered, so it may have come before. */
  old: number;
  /** Dropped: it had come before. */
  replayed: number;
  /** Dropped before it was deciphered: more came in a second than `UdpLanesOptions` lets one lane, or all. */
  excess: number;
  /** Dropped: its seal is not that of the lane's key. */
  forged: number;
  /** Not sent: a limit of bytes left no room, or the system refused it. */
  refused: number;
}

/** All of them 0. */
export function laneCounts(): LaneCounts {
  return {
    received: 0,
    sent: 0,
    unknown: 0,
    truncated: 0,
    malformed: 0,
    old: 0,
    replayed: 0,
    excess: 0,
    forged: 0,
    refused: 0,
  };
}

/** What each side of a lane of datagrams consists of. */
export interface SealedLaneParts {
  readonly sealer: Sealer;
  readonly opener: Opener;
  readonly counts: LaneCounts;
  readonly maxMessageBytes: number;
  readonly report: (error: unknown) => void;
}

/** What both sides of a lane of sealed datagrams share. `Path` is by which way a datagram came, or goes. */
export abstract class SealedLane<Path> implements PingedLane {
  readonly carrier = "udp";
  readonly maxMessageBytes: number;
  protected readonly counts: LaneCounts;
  protected readonly opener: Opener;
  protected readonly events: LaneEvents;
  protected abstract readonly pulse: Pulse<Path>;
  readonly #sealer: Sealer;

  constructor(parts: SealedLaneParts) {
    this.maxMessageBytes = parts.maxMessageBytes;
    this.counts = parts.counts;
    this.opener = parts.opener;
    this.#sealer = parts.sealer;
    this.events = new LaneEvents("probing", parts.report);
  }

  get state(): LaneState {
    return this.events.state;
  }

  get roundTripMs(): number | undefined {
    return this.pulse.roundTripMs;
  }

  send(bytes: Uint8Array): boolean {
    if (bytes.length > this.maxMessageBytes || this.state !== "open" || this.path === undefined) return false;
    return this.transmit(Kind.message, bytes, this.path);
  }

  onMessage(handler: (bytes: Uint8Array) => void): void {
    this.events.onMessage(handler);
  }

  onState(handler: (state: LaneState) => void): void {
    this.events.onState(handler);
  }

  close(): void {
    if (this.state === "closed") return;
    this.ended();
    this.events.become("closed");
  }

  /** By which way datagrams go now; `undefined` as long as none is known. */
  protected abstract get path(): Path | undefined;
  /** The present moment, by a clock that does not count while the process stands still. */
  protected abstract now(): number;
  /** Whether so many bytes may leave that way now; if so, they are counted as having left. */
  protected abstract mayLeave(bytes: number, path: Path): boolean;
  /** Hands a datagram to the system; whether that took it. */
  protected abstract put(datagram: Uint8Array, path: Path): boolean;
  /** It is closed, and gives back what it holds. */
  protected abstract ended(): void;

  /** Seals and sends one datagram. Nothing is sealed that the limits hold back. */
  protected transmit(kind: Kind, bytes: Uint8Array, path: Path): boolean {
    if (this.mayLeave(bytes.length + SEAL_BYTES, path)) {
      const datagram = this.#sealer.seal(kind, bytes);
      if (datagram === undefined) {
        this.close(); // A key is not used beyond its limit: another ticket has another.
        return false;
      }
      if (this.put(datagram, path)) {
        this.counts.sent += 1;
        return true;
      }
    }
    this.counts.refused += 1;
    return false;
  }

  /** @param padTo the least length of the ping; @param leastBytes of its answer */
  protected ping(path: Path, padTo = TOKEN_BYTES, leastBytes = TOKEN_BYTES): void {
    const content = Buffer.alloc(padTo);
    randomBytes(TOKEN_BYTES).copy(content);
    this.pulse.pinged({ token: tokenOf(content), sentAt: this.now(), path, leastBytes });
    this.transmit(Kind.ping, content, path);
  }

  /** An answer to a ping, if it is one. */
  protected pong(content: Uint8Array, path: Path): void {
    if (content.length < TOKEN_BYTES) return;
    const ping = this.pulse.answered(tokenOf(content), content.length, path, this.now());
    if (ping !== undefined) this.proved(ping.path);
  }

  /** What was sent by this way has been answered. */
  protected proved(_path: Path): void {
    this.judge();
  }

  /** Takes the state that the answers speak of. */
  protected judge(): void {
    this.events.become(this.pulse.state(this.now()));
  }
}

function tokenOf(content: Uint8Array): string {
  return String.fromCharCode(...content.subarray(0, TOKEN_BYTES));
}
