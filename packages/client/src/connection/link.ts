import {
  COST,
  decodeServerMessage,
  type Disconnect,
  type GapPush,
  type PresenceChange,
  type PresenceChanges,
  type ReceivedAnswer,
  type ReceivedCastPush,
  type ReceivedMessage,
  type ReceivedMessagePush,
  type ReceivedPublication,
  type Refreshed,
  type Unsubscribed,
} from "@zocalo/protocol";
import { Allowance, costOfAnswer, costOfCommand } from "./allowance.ts";
import { type Clock, STOOD_STILL_MS } from "../primitives/clock.ts";
import type { ClientConn, ConnEnd } from "./conn.ts";
import { encode } from "./encode.ts";
import { RETRY_MS } from "../primitives/error.ts";

/** What a server sends about a channel without being asked. */
export type FeedPush = ReceivedPublication | GapPush | PresenceChange | PresenceChanges | Unsubscribed;

/** What a link reports. */
export interface LinkEvents {
  /** @param length of the message's text, in UTF-16 code units */
  push(push: FeedPush | ReceivedCastPush | ReceivedMessagePush, length: number): void;
  /** The connection is gone: nothing pending will be answered. Called once, last. */
  lost(end: ConnEnd, farewell: Disconnect | undefined): void;
}

/** What is of this moment may have so many characters, less what waits to leave: any server takes as many. */
const AHEAD_LENGTH = 16_384;

/**
 * After which part of its time another token is asked for. Up to so much is added at random: those who came
 * together do not ask together.
 */
const FRESH_PART = 0.7;
const FRESH_SPREAD = 0.2;

interface Pending {
  readonly sentAt: number;
  /** It may take any time: no sign that the server is there. */
  readonly isPatient: boolean;
  answered(answer: ReceivedAnswer): void;
}

/**
 * One connection to the server: numbers the commands, finds the pending one for each answer, pings while
 * idle, and declares the connection dead when an answer is overdue and nothing else comes either.
 */
export class Link {
  /** What the server lets this connection send. */
  readonly allowance: Allowance;
  /** The public name that the server gave us, if its namespaces tell it. */
  sender: string | undefined;
  readonly #conn: ClientConn;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #events: LinkEvents;
  readonly #pending = new Map<number, Pending>();
  /** What the connection had no room for, in order. */
  readonly #unsent: string[] = [];
  readonly #decoder = new TextDecoder();
  #lastId = 0;
  #lastSentAt: number;
  #lastReceivedAt: number;
  /**
   * When this process found that it had stood still and could not hear the server. Only once between two
   * messages: where every timer is late, a dead server must be found, too.
   */
  #awokeAt = -Infinity;
  #farewell: Disconnect | undefined;
  #isLost = false;
  #stopWatch: (() => void) | undefined;
  #watchDueAt = 0;
  #stopPings: (() => void) | undefined;
  #stopRenewal: (() => void) | undefined;
  /** Asks for another token now; set where there is one to be had, and the one that we have ends. */
  renew: (() => void) | undefined;

  constructor(conn: ClientConn, clock: Clock, timeoutMs: number, events: LinkEvents) {
    this.allowance = new Allowance(clock);
    this.#conn = conn;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#events = events;
    this.#lastSentAt = clock.uptime();
    this.#lastReceivedAt = this.#lastSentAt;
    conn.serve({
      message: (message) => this.#received(message),
      drain: () => this.#flush(),
      close: (end) => this.#lose(end),
    });
  }

  /** The longest command that it can send, in bytes. */
  get maxSendBytes(): number {
    return this.#conn.maxSendBytes ?? Infinity;
  }

  /**
   * Sends a command.
   *
   * @param write makes its text, given its id
   * @param answered called with the answer; never, if the connection is lost before
   * @param isPatient true: the answer may take any time
   * @returns its id
   */
  send(write: (id: number) => string, answered: (answer: ReceivedAnswer) => void, isPatient = false): number {
    const id = ++this.#lastId;
    if (this.#isLost) return id;
    this.#lastSentAt = this.#clock.uptime();
    this.#pending.set(id, { sentAt: this.#lastSentAt, isPatient, answered });
    if (this.#stopWatch === undefined) this.#watchIn(this.#timeoutMs);
    this.tell(write(id));
    return id;
  }

  /** Sends a command that is of this moment, if it can leave now and the server takes it now. */
  cast(text: string): boolean {
    const conn = this.#conn;
    const { length } = text;
    const isFree = (conn.bufferedAmount ?? 0) + length <= AHEAD_LENGTH && this.allowance.waitMs() === 0;
    if (!isFree || conn.trySend(text) === "refused") return false;
    this.allowance.spend(costOfCommand(length));
    return true;
  }

  /** Sends a command that is not answered. */
  tell(text: string): void {
    if (this.#isLost) return;
    this.allowance.spend(costOfCommand(text.length));
    this.#unsent.push(text);
    if (this.#unsent.length === 1) this.#flush();
  }

  /** Asks for a sign of life now. */
  ping(): void {
    this.send(encode({ type: "ping" }), () => {});
  }

  /** This process may have slept: asks for a sign of life, and waits as if nothing was asked before. */
  awoke(): void {
    this.#beginAnew();
    this.ping();
  }

  /** Pings whenever nothing was sent for a while, so that something is sent at least every `ms`. */
  keepAlive(ms: number): void {
    if (!(ms > 0)) throw new RangeError(`a ping each ${ms} ms`);
    // Three quarters leave room for a late timer and a slow path.
    const idleMs = ms * 0.75;
    const check = () => {
      const idleFor = this.#clock.uptime() - this.#lastSentAt;
      if (idleFor >= idleMs) this.ping();
      this.#stopPings = this.#clock.after(idleFor >= idleMs ? idleMs : idleMs - idleFor, check);
    };
    this.#stopPings = this.#clock.after(idleMs, check);
  }

  /**
   * Gives the server another token before the one that it has is over, and tries again while there is time:
   * who makes tokens may fail, or take long.
   *
   * @param token makes one
   * @param tokenMs how long the one that it has lasts; 0: for ever
   * @param took the server has another one
   */
  keepFresh(
    token: () => string | Promise<string>,
    tokenMs: number,
    random: () => number,
    took: (answer: Refreshed) => void,
  ): void {
    const endsAt = this.#clock.uptime() + tokenMs;
    const wait = (ms: number) => {
      this.#stopRenewal?.();
      if (ms > 0) this.#stopRenewal = this.#clock.after(Math.max(RETRY_MS, ms), renew);
    };
    const renew = () => {
      wait((endsAt - this.#clock.uptime()) / 4);
      const ask = async () => {
        const write = encode({ type: "refresh", token: await token() });
        this.allowance.spend(COST.token);
        this.send(write, (answer) => answer.type === "refreshed" && took(answer), true);
      };
      // The next try has its time, and when that is over the server says so.
      ask().catch(() => {});
    };
    if (tokenMs > 0) this.renew = renew;
    wait(tokenMs * (FRESH_PART + FRESH_SPREAD * random()));
  }

  /** Ends the connection in order; `lost` is not called. */
  close(code: number, reason: string): Promise<void> {
    this.#stop();
    return this.#conn.close(code, reason);
  }

  /** Gives the connection up; `lost` is called before this returns. */
  abort(reason: string): void {
    this.#lose({ code: 1006, reason });
    this.#conn.abort();
  }

  #stop(): void {
    this.#isLost = true;
    this.#stopWatch?.();
    this.#stopPings?.();
    this.#stopRenewal?.();
    this.renew = undefined;
    this.#pending.clear();
    this.#unsent.length = 0;
  }

  #lose(end: ConnEnd): void {
    if (this.#isLost) return;
    this.#stop();
    this.#events.lost(end, this.#farewell);
  }

  #flush(): void {
    while (!this.#isLost) {
      const text = this.#unsent[0];
      if (text === undefined || this.#conn.trySend(text) === "refused") return;
      this.#unsent.shift();
    }
  }

  #watch(): void {
    this.#stopWatch = undefined;
    const oldest = [...this.#pending.values()].find(({ isPatient }) => !isPatient);
    if (oldest === undefined) return;
    // Anything that comes is a sign of life: on a slow path an answer may stand behind a long backlog.
    const now = this.#clock.uptime();
    if (now - this.#watchDueAt > STOOD_STILL_MS) this.#beginAnew();
    const waitedMs = now - Math.max(oldest.sentAt, this.#lastReceivedAt, this.#awokeAt);
    if (waitedMs >= this.#timeoutMs) return this.abort(`no answer for ${Math.round(waitedMs)} ms`);
    this.#watchIn(this.#timeoutMs - waitedMs);
  }

  #beginAnew(): void {
    if (this.#awokeAt <= this.#lastReceivedAt) this.#awokeAt = this.#clock.uptime();
  }

  #watchIn(ms: number): void {
    this.#watchDueAt = this.#clock.uptime() + ms;
    this.#stopWatch = this.#clock.after(ms, () => this.#watch());
  }

  #received(message: string | Uint8Array): void {
    if (this.#isLost) return;
    this.#lastReceivedAt = this.#clock.uptime();
    const text = typeof message === "string" ? message : this.#decoder.decode(message);
    const decoded = decodeServerMessage(text);
    if (decoded === undefined) return;
    try {
      this.#take(decoded, text.length);
    } catch (error) {
      // Whoever answers there does not speak the protocol. Thrown at a global `WebSocket`, this would end the
      // process.
      this.abort(`a message of type "${decoded.type}" is not as the protocol has it: ${String(error)}`);
    }
  }

  #take(decoded: ReceivedMessage, length: number): void {
    switch (decoded.type) {
      case "publication":
      case "cast":
      case "message":
      case "gap":
      case "join":
      case "leave":
      case "changes":
        return this.#events.push(decoded, length);
      case "ping":
        return this.tell('{"type":"pong"}');
      case "disconnect":
        this.#farewell = decoded;
        return;
      default: {
        this.allowance.spend(costOfAnswer(decoded, length));
        const pending = decoded.id === undefined ? undefined : this.#pending.get(decoded.id);
        if (pending !== undefined && decoded.id !== undefined) {
          this.#pending.delete(decoded.id);
          pending.answered(decoded);
        } else if (decoded.type === "unsubscribed") {
          this.#events.push(decoded, length);
        }
      }
    }
  }
}
