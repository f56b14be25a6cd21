import type { CloseInfo, Message, MessageConn, MessageHandler } from "@zocalo/net";
import {
  CLOSE,
  decodeCommand,
  encodeServerMessage,
  type ErrorCode,
  mayReconnect,
  ProtocolError,
  type ReceivedCommand,
} from "@zocalo/protocol";
import { type AnswerFate, type AnswerPlace, Answers } from "./answers.ts";
import type { Caller } from "./caller.ts";
import type { Clock, Timer } from "../primitives/clock.ts";
import { costOfLength, costOfPresence } from "./costs.ts";
import { connect, history, presence, publish, unsubscribe, withId } from "./commands.ts";
import type { HubContext } from "./context.ts";
import type { Engine } from "../engine/engine.ts";
import { type AuthenticationRequest, checkIdentity, type Identity, infoTextOf } from "../policy/identity.ts";
import type { HubLimits } from "../policy/limits.ts";
import { allows, type Permission } from "../policy/namespace.ts";
import { randomName } from "../primitives/random.ts";
import { RateLimit } from "./rate-limit.ts";
import type { Counters } from "../channel/stats.ts";
import { subscribe } from "./subscribe.ts";
import type { Subscription } from "../channel/subscription.ts";
import { ownText } from "../primitives/text-memory.ts";
import { fitsInBytes } from "../primitives/utf8.ts";
import type { Visitor } from "./visitors.ts";

/** Close codes with which a transport ends what the peer did wrong: framing, kind, encoding, time, size. */
const PEER_FAULTS: ReadonlySet<number> = new Set([
  CLOSE.protocolError,
  CLOSE.unsupportedData,
  CLOSE.invalidText,
  CLOSE.incomplete,
  CLOSE.tooLarge,
]);

/** What an editor, or a program on Windows, may write before the first line of a stream. */
const BYTE_ORDER_MARK = "\uFEFF";

/** No address has this name. */
const UNVERIFIED = "unverified";

/** Who counts the sessions. */
export interface SessionOwner {
  /** What all whose addresses are not proved may do together. */
  readonly unverifiedRate: RateLimit;
  /** It has sent its first command. */
  spoke(session: Session): void;
  /** Its address is proved. False if there is no room for it now: then it has been told, and has ended. */
  verified(session: Session): boolean;
  /** Its connection has closed. Called once. */
  closed(session: Session): void;
}

/**
 * One connection: takes its commands one after the other, answers them, and holds the peer back while it
 * cannot.
 *
 * What a peer can make it keep is bounded: answers that wait for the engine or for room (`commandsInFlight`),
 * its subscriptions, and nothing else. Publications never wait here: they stand in the log.
 */
export class Session implements MessageHandler, Caller {
  readonly context: HubContext;
  readonly conn: MessageConn;
  readonly id: string;
  readonly isDatagram: boolean;
  /**
   * With whom it shares the limits of its address; unset if it has none, or while its address is not proved.
   * The owner sets it.
   */
  visitor: Visitor | undefined;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #rate: RateLimit;
  readonly #owner: SessionOwner;
  #identity: Identity | undefined;
  #infoText: string | undefined;
  #isVerified = false;
  /** Something came, be it no command. */
  #hasBegun = false;
  #hasSpoken = false;
  #hasEnded = false;
  #excess = 0;
  #badInRow = 0;
  readonly #answers: Answers;
  /** Set while an answer finds no room. */
  #answerTimer: Timer | undefined;
  /** Lets the next command in; set while one is held back. */
  #admit: (() => void) | undefined;
  /**
   * Set while it is not read for having been refused too often; called when that, or the session, is over.
   */
  #endPause: (() => void) | undefined;

  constructor(conn: MessageConn, context: HubContext, owner: SessionOwner) {
    const { clock, limits, random } = context;
    this.conn = conn;
    this.context = context;
    this.id = randomName(random, 16);
    this.isDatagram = conn.peer.transport === "udp";
    this.#answers = new Answers(conn, this.isDatagram);
    this.#rate = new RateLimit(limits.commandsPerSecond, limits.commandBurst, clock.uptime());
    this.#owner = owner;
  }

  get engine(): Engine {
    return this.context.engine;
  }

  get clock(): Clock {
    return this.context.clock;
  }

  get limits(): HubLimits {
    return this.context.limits;
  }

  get counters(): Counters {
    return this.context.counters;
  }

  get identity(): Identity | undefined {
    return this.#identity;
  }

  get infoText(): string | undefined {
    return this.#infoText;
  }

  /** Unproved addresses may be forged: together they are one. */
  get addressName(): string | undefined {
    return this.visitor?.name ?? (this.#isUnverified ? UNVERIFIED : undefined);
  }

  get subscriptions(): ReadonlyMap<string, Subscription> {
    return this.#subscriptions;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  // --- what the connection calls

  message(message: Message): void | Promise<void> {
    if (this.#hasEnded) return;
    return this.#message(this.#hasBegun ? message : this.#first(message));
  }

  #message(message: Message): void | Promise<void> {
    if (!this.#takeOne()) return this.#overRate(message);
    if (this.#excess > 0) this.#excess--;
    if (message.length >= 1_024) this.charge(costOfLength(message.length));
    if (typeof message !== "string") return this.#binary();
    if (message === "" && !this.isDatagram) return; // an empty line
    let command: ReceivedCommand;
    try {
      command = decodeCommand(message);
    } catch (error) {
      return this.#bad(error, message);
    }
    this.#badInRow = 0;
    if (!this.#hasSpoken) {
      this.#hasSpoken = true;
      this.#owner.spoke(this);
    }
    if (this.#isUnverified && !this.#verify(command)) return;
    return this.#run(command);
  }

  drain(): void {
    this.#answers.flush();
    this.#afterAnswers();
    if (!this.#answers.isBlocked) this.#resumeAll();
  }

  close({ code, reason, wasClean }: CloseInfo): void {
    // The transport ends it for what the peer sent: on a byte stream this is the only way to say why.
    if (!wasClean && PEER_FAULTS.has(code)) this.disconnect(code, reason);
    this.#end();
    this.#owner.closed(this);
  }

  // --- what commands call, see `Caller`

  async begin(request: AuthenticationRequest): Promise<Identity | undefined> {
    let identity: Identity | null;
    try {
      identity = await this.context.authenticate(request, this.conn.peer);
      if (identity) checkIdentity(identity);
    } catch (error) {
      this.report(error);
      this.disconnect(CLOSE.internal, "it cannot be decided now who you are");
      return undefined;
    }
    if (this.#hasEnded) return undefined;
    if (!identity) throw new ProtocolError("unauthorized", "the token was not accepted");
    this.#identity = identity;
    const infoText = infoTextOf(identity);
    this.#infoText = infoText && ownText(infoText);
    return identity;
  }

  allowed(permission: Permission, channel: string): boolean | Promise<boolean> {
    return this.#identity !== undefined && allows(permission, this.#identity, channel);
  }

  charge(cost: number): void {
    this.#rate.spend(cost);
    (this.#isUnverified ? this.#owner.unverifiedRate : this.visitor?.rate)?.spend(cost);
  }

  checkRoomForSubscription(): void {
    const { subscriptions, subscriptionsPerAddress } = this.limits;
    if (this.#subscriptions.size >= subscriptions) {
      throw new ProtocolError("limit_reached", `a session has at most ${subscriptions} subscriptions`);
    }
    if (this.visitor !== undefined && this.visitor.subscriptions >= subscriptionsPerAddress) {
      throw new ProtocolError(
        "limit_reached",
        `the sessions of one address have at most ${subscriptionsPerAddress} subscriptions`,
      );
    }
  }

  reserve(): AnswerPlace {
    return this.#answers.reserve();
  }

  answer(text: string, id: number | undefined, fate?: AnswerFate, place?: AnswerPlace): void {
    if (this.#hasEnded) return;
    if (text.length >= 1_024) this.charge(costOfLength(text.length));
    if (!fitsInBytes(text, this.conn.maxSendBytes)) {
      fate?.onLost?.();
      this.counters.refused++;
      const message = "the answer does not fit in a message of this connection";
      this.#answers.send(
        encodeServerMessage({ type: "error", ...withId(id), code: "too_large", message }),
        undefined,
        place,
      );
    } else this.#answers.send(text, fate, place);
    this.#afterAnswers();
  }

  refuse(
    error: ProtocolError,
    id: number | undefined,
    more: { retryMs?: number; place?: AnswerPlace } = {},
  ): void {
    this.counters.refused++;
    const { code, message } = error;
    const retry = more.retryMs === undefined ? {} : { retryMs: more.retryMs };
    this.answer(
      encodeServerMessage({ type: "error", ...withId(id), code, message, ...retry }),
      id,
      undefined,
      more.place,
    );
  }

  add(channel: string, subscription: Subscription): void {
    this.#subscriptions.set(channel, subscription);
    this.counters.subscriptions++;
    if (this.visitor) this.visitor.subscriptions++;
  }

  drop(channel: string): boolean {
    const subscription = this.#subscriptions.get(channel);
    if (!subscription) return false;
    this.#subscriptions.delete(channel);
    this.counters.subscriptions--;
    if (this.visitor) this.visitor.subscriptions--;
    subscription.end();
    if (subscription.isPresent) {
      this.charge(costOfPresence(subscription.channel, 0));
      this.engine.leave(channel, this.id).catch((error: unknown) => this.report(error));
    }
    this.context.channels.release(subscription.channel);
    return true;
  }

  fail(subscription: Subscription, code: ErrorCode, message: string): void {
    const channel = subscription.channel.name;
    if (!this.drop(channel)) return;
    this.answer(encodeServerMessage({ type: "unsubscribed", channel, code, message }), undefined);
  }

  report(error: unknown): void {
    this.context.report(error);
  }

  /** Says why, closes, and forgets everything but the connection. */
  disconnect(code: number, reason: string): void {
    if (this.#hasEnded) return;
    this.counters.disconnected++;
    const reconnect = mayReconnect(code);
    this.conn.trySend(encodeServerMessage({ type: "disconnect", code, reason, reconnect }));
    this.#end();
    this.conn.close(code, reason).catch(() => this.conn.abort());
  }

  // --- how a command is taken

  #run(command: ReceivedCommand): void | Promise<void> {
    if (!this.#identity && command.type !== "connect")
      return this.#settle(command, this.#beginAndRun(command));
    try {
      const work = this.#execute(command);
      return work ? this.#settle(command, work) : this.#room();
    } catch (error) {
      this.#failed(command, error);
      return this.#room();
    }
  }

  async #beginAndRun(command: ReceivedCommand): Promise<void> {
    if (await this.begin({})) await this.#execute(command);
  }

  async #settle(command: ReceivedCommand, work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.#failed(command, error);
    }
    await this.#room();
  }

  #execute(command: ReceivedCommand): void | Promise<void> {
    switch (command.type) {
      case "connect":
        return connect(this, command);
      case "subscribe":
        return subscribe(this, command);
      case "unsubscribe":
        return unsubscribe(this, command);
      case "publish":
        return publish(this, command);
      case "history":
        return history(this, command);
      case "presence":
        return presence(this, command);
      case "ping":
        this.answer(encodeServerMessage({ type: "pong", ...withId(command.id) }), command.id);
        return;
    }
  }

  #failed(command: ReceivedCommand, error: unknown): void {
    if (this.#hasEnded) return;
    if (!(error instanceof ProtocolError)) {
      this.report(error);
      this.refuse(new ProtocolError("internal", "the server failed to do this"), command.id);
      return;
    }
    this.refuse(error, command.id);
    if (error.code === "unauthorized") this.disconnect(CLOSE.unauthorized, error.message);
  }

  /** Nothing while another command may come; otherwise a promise that holds the peer back. */
  #room(): Promise<void> | undefined {
    if (this.#mayTakeMore) return undefined;
    return new Promise((resolve) => {
      this.#admit = resolve;
    });
  }

  get #mayTakeMore(): boolean {
    if (this.#hasEnded) return true;
    return !this.#answers.isBlocked && this.#answers.waiting < this.limits.commandsInFlight;
  }

  #afterAnswers(): void {
    if (!this.#answers.isBlocked) {
      this.#answerTimer?.cancel();
      this.#answerTimer = undefined;
    } else {
      this.#answerTimer ??= this.clock.after(this.limits.answerTimeoutMs, () => {
        this.disconnect(CLOSE.slowConsumer, "answers are not read");
      });
    }
    this.#letIn();
  }

  #letIn(): void {
    if (!this.#admit || !this.#mayTakeMore) return;
    const admit = this.#admit;
    this.#admit = undefined;
    admit();
  }

  /** The first message, without the mark that may begin a stream. */
  #first(message: Message): Message {
    this.#hasBegun = true;
    const isStream = !this.isDatagram && this.conn.peer.transport !== "websocket";
    if (!isStream || typeof message !== "string" || !message.startsWith(BYTE_ORDER_MARK)) return message;
    return message.slice(BYTE_ORDER_MARK.length);
  }

  // --- what is not a command that can be served

  get #isUnverified(): boolean {
    return !this.#isVerified && this.conn.peer.verification !== undefined;
  }

  /**
   * True if the command may be served: it proves the peer's address, or its answer is no larger than itself.
   */
  #verify({ type, cookie, id }: ReceivedCommand): boolean {
    const { verification } = this.conn.peer;
    if (!verification) return true;
    if (cookie !== undefined && verification.verify(cookie)) {
      this.#isVerified = true;
      return this.#owner.verified(this);
    }
    const isCheap = type === "connect" || type === "publish" || type === "ping";
    if (isCheap && this.#owner.unverifiedRate.take(this.clock.uptime())) return true;
    this.answer(encodeServerMessage({ type: "verify", ...withId(id), cookie: verification.cookie }), id);
    return false;
  }

  #takeOne(): boolean {
    const now = this.clock.uptime();
    return this.#rate.take(now) && (this.visitor?.rate.take(now) ?? true);
  }

  #overRate(message: Message): void | Promise<void> {
    this.#excess++;
    if (this.isDatagram) {
      this.counters.refused++;
      return;
    }
    if (this.#excess > this.limits.excessCommands) {
      this.disconnect(CLOSE.rateLimited, "far too many commands");
      return;
    }
    const retryMs = Math.max(this.#rate.retryMs, this.visitor?.rate.retryMs ?? 0);
    this.refuse(new ProtocolError("rate_limited", `try again in ${retryMs} ms`), idOf(message), { retryMs });
    const refusals = this.visitor?.refusals;
    if (refusals === undefined || refusals.take(this.clock.uptime())) return this.#room();
    return this.#pause(refusals.retryMs);
  }

  /**
   * Holds the peer back for a time: a refusal is work, too, and all connections of an address could ask for
   * thousands each.
   */
  async #pause(ms: number): Promise<void> {
    if (!this.#hasEnded) {
      const timer = this.clock.after(ms, () => this.#endPause?.());
      await new Promise<void>((resolve) => {
        this.#endPause = resolve;
      });
      timer.cancel();
      this.#endPause = undefined;
    }
    await this.#room();
  }

  #binary(): void | Promise<void> {
    if (this.isDatagram) return this.#bad(new ProtocolError("bad_json", "a command is text, in UTF-8"), "");
    this.disconnect(CLOSE.unsupportedData, "a command is text");
  }

  #bad(error: unknown, text: string): void | Promise<void> {
    if (!this.isDatagram && HTTP_REQUEST.test(text)) {
      this.disconnect(CLOSE.badCommands, "this is not an HTTP server");
      return;
    }
    const complaint =
      error instanceof ProtocolError ? error : new ProtocolError("internal", "cannot be read");
    this.#badInRow++;
    const isTooMany = this.#badInRow > this.limits.badCommands;
    if (this.isDatagram && (isTooMany || this.#isUnverified)) {
      this.counters.refused++;
      return;
    }
    this.refuse(complaint, complaint.id);
    if (isTooMany) this.disconnect(CLOSE.badCommands, "one bad command after the other");
    return this.#room();
  }

  #resumeAll(): void {
    for (const subscription of this.#subscriptions.values()) subscription.resume();
    // The first one has the room first; next time it is another's turn.
    const [first] = this.#subscriptions;
    if (!first || this.#subscriptions.size === 1) return;
    this.#subscriptions.delete(first[0]);
    this.#subscriptions.set(...first);
  }

  #end(): void {
    if (this.#hasEnded) return;
    for (const channel of this.#subscriptions.keys()) this.drop(channel);
    this.#hasEnded = true;
    this.#answers.clear();
    this.#answerTimer?.cancel();
    this.#endPause?.();
    this.#letIn();
  }
}

/**
 * How an HTTP request begins. Any web page can make a visitor's browser send one to a TCP port, with commands
 * in its body: whoever speaks HTTP here is cut off before the body is read.
 */
const HTTP_REQUEST = /^[A-Z]+ \S+ HTTP\/\d/;

/** The id of a command that will not be served. */
function idOf(message: Message): number | undefined {
  if (typeof message !== "string") return undefined;
  try {
    return decodeCommand(message).id;
  } catch (error) {
    return error instanceof ProtocolError ? error.id : undefined;
  }
}
