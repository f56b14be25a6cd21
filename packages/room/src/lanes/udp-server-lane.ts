import type { IpAddr } from "@zocalo/net";
import { Pulse, type PulseTimes } from "./pulse.ts";
import type { Rate } from "./rate.ts";
import { Kind, type Opened, SEAL_BYTES } from "./seal.ts";
import type { PingedLane } from "./lane.ts";
import { SealedLane, type SealedLaneParts, TOKEN_BYTES } from "./sealed-lane.ts";
import type { LaneTicket } from "../contracts/wire.ts";
import { type UdpPath, UdpWay } from "./udp-path.ts";

/** A client that was heard within this time, in milliseconds, is asked often for a sign of a round trip. */
const LIVELY_MS = 1_000;

/** The server's side of a lane of sealed datagrams. `UdpLanes.open` makes it. */
export interface UdpServerLane extends PingedLane {
  /** For its client, over the reliable side. **Risk**: whoever has it is the client. */
  readonly ticket: LaneTicket;
  /** Where its client is, as far as one knows. It changes with the client's network. */
  readonly addr: IpAddr | undefined;
}

/** What a lane needs of the socket that all of them share. */
export interface UdpServerLaneHost {
  /** Of all lanes. */
  readonly rate: Rate;
  readonly times: PulseTimes;
  readonly idleTimeoutMs: number;
  now(): number;
  put(datagram: Uint8Array, addr: IpAddr): boolean;
  ended(lane: SealedServerLane): void;
}

/** The server's side of one lane. It knows its client by the id and the seal, never by its address. */
export class SealedServerLane extends SealedLane<UdpPath> implements UdpServerLane {
  readonly ticket: LaneTicket;
  protected readonly pulse: Pulse<UdpPath>;
  readonly #host: UdpServerLaneHost;
  readonly #rate: Rate;
  readonly #way = new UdpWay();
  #heardAt: number;

  constructor(parts: SealedLaneParts, host: UdpServerLaneHost, ticket: LaneTicket, rate: Rate) {
    super(parts);
    this.ticket = ticket;
    this.#host = host;
    this.#rate = rate;
    this.#heardAt = host.now();
    this.pulse = new Pulse(host.times, host.now());
  }

  get addr(): IpAddr | undefined {
    return this.#way.current?.addr;
  }

  /** A datagram that bears its id. What does not open is counted and changes nothing. */
  received(datagram: Uint8Array, addr: IpAddr): void {
    const opened = this.opener.open(datagram);
    if (typeof opened === "string") {
      this.counts[opened] += 1;
      return;
    }
    this.counts.received += 1;
    this.#heardAt = this.now();
    const hasMoved = this.#way.heard(addr, datagram.length, opened.counter === this.opener.newest);
    const path = this.#way.current;
    const isFromThere = path?.is(addr) === true;
    // Before any answer, which would spend what the question needs.
    if (isFromThere && !path.isProved && (hasMoved || this.#mayRetry())) this.#ask(path);
    if (opened.kind !== Kind.message) {
      if (isFromThere) this.#control(opened, path);
    } else if (opened.bytes.length <= this.maxMessageBytes) this.events.message(opened.bytes);
  }

  /** One of the rounds of all lanes. */
  round(): void {
    const now = this.now();
    const silentMs = now - this.#heardAt;
    if (silentMs >= this.#host.idleTimeoutMs) {
      this.close();
      return;
    }
    this.judge();
    const { path } = this;
    if (path === undefined) return;
    if (this.pulse.isDue(now, silentMs < LIVELY_MS) || (!path.isProved && this.#mayRetry())) this.#ask(path);
  }

  protected get path(): UdpPath | undefined {
    return this.#way.current;
  }

  protected now(): number {
    return this.#host.now();
  }

  protected mayLeave(bytes: number, path: UdpPath): boolean {
    const now = this.now();
    if (path.credit < bytes || !this.#rate.has(bytes, now) || !this.#host.rate.has(bytes, now)) return false;
    path.spend(bytes);
    this.#rate.spend(bytes);
    this.#host.rate.spend(bytes);
    return true;
  }

  protected put(datagram: Uint8Array, path: UdpPath): boolean {
    return this.#host.put(datagram, path.addr);
  }

  protected override proved(path: UdpPath): void {
    this.#way.proved(path);
    super.proved(path);
  }

  protected ended(): void {
    this.#host.ended(this);
  }

  /** Pings, unless it has to wait for what more comes from there. */
  #ask(path: UdpPath): void {
    if (path.credit >= TOKEN_BYTES + SEAL_BYTES) this.ping(path);
  }

  #mayRetry(): boolean {
    return this.now() - this.pulse.pingedAt >= this.#host.times.retryMs;
  }

  #control({ kind, bytes }: Opened, path: UdpPath): void {
    if (bytes.length < TOKEN_BYTES) return;
    if (kind === Kind.pong) {
      this.pong(bytes, path);
      return;
    }
    // As long as what was asked, so that the client learns what fits; shorter to a forgeable address.
    const most = Math.max(TOKEN_BYTES, Math.min(this.maxMessageBytes, path.credit - SEAL_BYTES));
    this.transmit(Kind.pong, bytes.subarray(0, most), path);
    // Its client takes part and this side has no sign of a round trip: now is the moment to ask for one.
    if (this.state !== "open" && path.isProved && this.#mayRetry()) this.#ask(path);
  }
}
