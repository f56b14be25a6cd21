import { LaneEvents, type LaneState, MAX_MESSAGE_BYTES, type PingedLane } from "./lane.ts";
import { Pulse, pulseTimes } from "./pulse.ts";
import { byteRate, type Rate } from "./rate.ts";
import { type LaneClock, RunningTime } from "./running-time.ts";

/** Either side of a lane over a data channel of WebRTC: `openWebRtcLane` makes a page's. */
export interface WebRtcLane extends PingedLane {
  /**
   * How old the newest of what was sent is, in milliseconds, that the other side has acknowledged: who sends
   * snapshots knows. While something waits for that for 250 ms more than what was acknowledged quickest of
   * late, there are pauses between messages, up to a second, so that what a congestion window holds back can
   * leave. Only what was sent waits: who makes a pause is not late by it. Before the first call there are
   * none.
   */
  acknowledged(ageMs: number): void;
}

/**
 * What a lane needs of an unordered data channel of WebRTC. It has to be one with `channelSettings`.
 */
export interface LaneChannel {
  /** Bytes that wait to leave. What SCTP holds for its congestion window is among them, or it is not. */
  readonly bufferedBytes: number;
  /** Hands over one message; whether it was taken. */
  send(message: Uint8Array): boolean;
  close(): void;
}

/**
 * How a data channel of a lane is opened. `maxRetransmits: 0` looks the same and is not: what the congestion
 * window holds back then waits without end and without being seen (a trial with 60 × 1,100 bytes a second,
 * 75 ms and 5 % loss had a p50 of 2.8 s; with a life time of 100 ms it was 82 ms).
 */
export const channelSettings = { ordered: false, maxPacketLifeTime: 100 } as const;

/** The first byte of a message on the channel. */
const Kind = { message: 1, ping: 2, pong: 3 } as const;

/** Bytes of a ping: its kind, and a number that its answer repeats. */
const PING_BYTES = 5;
/** What may wait to leave, in messages of full length; more would be old by the time it leaves. */
const MOST_BUFFERED = 4;
/** A channel that does not open in this time ends its lane, and so does this long a silence. Milliseconds. */
const OPEN_WITHIN_MS = 10_000;
const IDLE_MS = 30_000;

/**
 * What was sent may wait for its acknowledgement this much longer than what was acknowledged quickest of
 * late, in milliseconds, before less is sent. A long way is no congestion.
 */
const FRESH_MS = 250;
/** What is of late: the last so many milliseconds, or twice as many. */
const LATELY_MS = 3_000;
/** The longest pause between two messages, in milliseconds, however long it waits. */
const LONGEST_PAUSE_MS = 1_000;
/** Messages that may wait for their acknowledgement; of older ones nothing is asked any more. */
const WAITING = 64;

/** Options of a lane over a data channel. */
export interface ChannelLaneOptions {
  readonly onError: (error: unknown) => void;
  readonly clock: LaneClock;
  /** Default: no limit. */
  readonly maxBytesPerSecond?: number | undefined;
  /** Is told when it is closed. */
  readonly ended?: (() => void) | undefined;
}

/** Either side of a lane over a data channel, in a page or not: without I/O of its own. */
export class ChannelLane implements WebRtcLane {
  readonly carrier = "webrtc";
  readonly maxMessageBytes = MAX_MESSAGE_BYTES;
  readonly #events: LaneEvents;
  readonly #options: ChannelLaneOptions;
  readonly #time: RunningTime;
  readonly #pulse: Pulse<LaneChannel>;
  readonly #rate: Rate | undefined;
  readonly #startedAt: number;
  #channel: LaneChannel | undefined;
  #heardAt: number;
  #pings = 0;
  /** How long what was acknowledged quickest had waited, in this time and in the one before. */
  #quickestMs: [now: number, before: number] = [Number.POSITIVE_INFINITY, 0];
  #quickestSince = Number.NEGATIVE_INFINITY;
  /** When what is not acknowledged was sent, the oldest first; empty until it is told of that. */
  readonly #waiting: number[] = [];
  #isTold = false;

  constructor(options: ChannelLaneOptions) {
    this.#options = options;
    this.#events = new LaneEvents("probing", options.onError);
    this.#time = new RunningTime(options.clock, () => this.#round());
    const { now } = this.#time;
    this.#startedAt = now;
    this.#heardAt = now;
    this.#pulse = new Pulse(pulseTimes, now);
    const { maxBytesPerSecond } = options;
    if (maxBytesPerSecond !== undefined) {
      this.#rate = byteRate(maxBytesPerSecond, 2 * (MAX_MESSAGE_BYTES + 1), now);
    }
    this.#time.start();
  }

  get state(): LaneState {
    return this.#events.state;
  }

  get roundTripMs(): number | undefined {
    return this.#pulse.roundTripMs;
  }

  send(bytes: Uint8Array): boolean {
    if (bytes.length > this.maxMessageBytes || this.state !== "open" || this.#isPausing) return false;
    if (!this.#put(Kind.message, bytes)) return false;
    if (this.#isTold && this.#waiting.push(this.#time.now) > WAITING) this.#waiting.shift();
    return true;
  }

  acknowledged(ageMs: number): void {
    const { now } = this.#time;
    let tookMs = Number.POSITIVE_INFINITY;
    for (;;) {
      const [sentAt] = this.#waiting;
      if (sentAt === undefined || now - sentAt < ageMs) break;
      tookMs = now - sentAt;
      this.#waiting.shift();
    }
    if (tookMs !== Number.POSITIVE_INFINITY) this.#took(tookMs, now);
    this.#isTold = true;
  }

  onMessage(handler: (bytes: Uint8Array) => void): void {
    this.#events.onMessage(handler);
  }

  onState(handler: (state: LaneState) => void): void {
    this.#events.onState(handler);
  }

  close(): void {
    if (this.state === "closed") return;
    this.#time.stop();
    this.#channel?.close();
    this.#channel = undefined;
    this.#options.ended?.();
    this.#events.become("closed");
  }

  /** The channel is open. */
  opened(channel: LaneChannel): void {
    if (this.state === "closed") {
      channel.close();
      return;
    }
    this.#channel = channel;
    this.#ping(channel);
  }

  /** A message has come on the channel, in memory that is the application's from now on. */
  received(message: Uint8Array): void {
    const kind = message[0];
    if (this.state === "closed" || kind === undefined || message.length > this.maxMessageBytes + 1) return;
    this.#heardAt = this.#time.now;
    const content = message.subarray(1);
    if (kind === Kind.message) this.#events.message(content);
    else if (message.length !== PING_BYTES || this.#channel === undefined) return;
    else if (kind === Kind.ping) this.#put(Kind.pong, content);
    else if (kind === Kind.pong) {
      this.#pulse.answered(String(content), content.length, this.#channel, this.#time.now);
      this.#judge();
    }
  }

  get #isPausing(): boolean {
    const { now } = this.#time;
    const [oldest = now] = this.#waiting;
    const lateMs = now - oldest - Math.min(...this.#quickestMs);
    if (lateMs <= FRESH_MS) return false;
    return now - (this.#waiting.at(-1) ?? 0) < Math.min(LONGEST_PAUSE_MS, lateMs / 2);
  }

  /** It took so long until something was acknowledged. */
  #took(ms: number, now: number): void {
    const times = this.#quickestMs;
    times[0] = Math.min(times[0], ms);
    if (now - this.#quickestSince < LATELY_MS) return;
    times[1] = times[0];
    times[0] = ms;
    this.#quickestSince = now;
  }

  #put(kind: number, content: Uint8Array): boolean {
    const channel = this.#channel;
    const length = content.length + 1;
    if (channel === undefined || channel.bufferedBytes > MOST_BUFFERED * MAX_MESSAGE_BYTES) return false;
    if (this.#rate !== undefined && !this.#rate.has(length, this.#time.now)) return false;
    const message = new Uint8Array(length);
    message[0] = kind;
    message.set(content, 1);
    if (!channel.send(message)) return false;
    this.#rate?.spend(length);
    return true;
  }

  #ping(channel: LaneChannel): void {
    const number = (this.#pings += 1);
    const content = Uint8Array.of(number >>> 24, number >>> 16, number >>> 8, number);
    this.#pulse.pinged({
      token: String(content),
      sentAt: this.#time.now,
      path: channel,
      leastBytes: content.length,
    });
    this.#put(Kind.ping, content);
  }

  #judge(): void {
    this.#events.become(this.#pulse.state(this.#time.now));
  }

  #round(): void {
    const { now } = this.#time;
    const isLate = this.#channel === undefined && now - this.#startedAt >= OPEN_WITHIN_MS;
    if (isLate || now - this.#heardAt >= IDLE_MS) {
      this.close();
      return;
    }
    this.#judge();
    if (this.#channel !== undefined && this.#pulse.isDue(now)) this.#ping(this.#channel);
  }
}
