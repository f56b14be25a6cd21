import type { CloseInfo, Message, MessageConn, MessageHandler } from "@zocalo/net";
import {
  CLOSE,
  costOfLength,
  encodeServerMessage,
  type ErrorCode,
  mayReconnect,
  ProtocolError,
  type ReceivedCommand,
} from "@zocalo/protocol";
import type { Account, SessionOwner } from "./accounts.ts";
import { UNDECIDED } from "./authentication.ts";
import { type AnswerFate, type AnswerPlace, Answers, hasGone } from "./answers.ts";
import type { Clock, Timer } from "../primitives/clock.ts";
import { withId } from "./commands.ts";
import type { Debtor } from "../channel/backlog.ts";
import { costOfPresence } from "../channel/costs.ts";
import type { HubContext } from "./context.ts";
import { AHEAD_BYTES, Lane, type LaneHost } from "../channel/lane.ts";
import type { AnswerTo } from "../channel/encode.ts";
import type { Engine } from "../engine/engine.ts";
import { EXPIRED, Expiry } from "./expiry.ts";
import { type CommandSource, Intake, isPeerFault } from "./intake.ts";
import { type AuthenticationRequest, type Identity, infoTextOf } from "../policy/identity.ts";
import type { HubLimits } from "../policy/limits.ts";
import { allows, type Permission } from "../policy/namespace.ts";
import { Pace } from "./pace.ts";
import { PeerForm } from "./peer-form.ts";
import { randomName } from "../primitives/random.ts";
import type { RateLimit } from "./rate-limit.ts";
import type { Sender } from "../channel/sender.ts";
import { Silence } from "./silence.ts";
import { StreamPeer, type StreamSession } from "./stream-peer.ts";
import type { Counters } from "../channel/stats.ts";
import type { Subscription } from "../channel/subscription.ts";
import { ownText } from "../primitives/text-memory.ts";
import { fitsInBytes, utf8Length } from "../primitives/utf8.ts";

/**
 * One connection: who it acts for, what it is subscribed to, and the answers to its commands, which `Intake`
 * takes one after the other.
 *
 * What a peer can make it keep is bounded: answers that wait for the engine or for room (`commandsInFlight`),
 * its subscriptions, and nothing else. Publications never wait here: they stand in the log.
 */
export class Session implements MessageHandler, CommandSource, Debtor, StreamSession, LaneHost {
  readonly context: HubContext;
  readonly conn: MessageConn;
  readonly form: PeerForm;
  readonly sender: Sender;
  readonly isDatagram: boolean;
  readonly isStream: boolean;
  answersPings = false;
  /** As `Caller` has it. The owner sets it. */
  address: Account | undefined;
  /** With whom it shares the limits of its user; unset until it has begun, and of a guest. */
  user: Account | undefined;
  expiry: Expiry | undefined;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #intake: Intake;
  readonly #owner: SessionOwner<Session>;
  /** Set on datagrams. */
  readonly #pace: Pace | undefined;
  #id: string;
  #identity: Identity | undefined;
  #infoText: string | undefined;
  publicName: string | undefined;
  /** Made for the first that is cast to it, or sent. */
  #lane: Lane | undefined;
  /** Of the `connect` that began it. */
  #key: string | undefined;
  /** Set on a stream once the session has begun. */
  #silence: Silence | undefined;
  /** False: another command has begun it, for a guest. */
  #isConnected = false;
  /** A command is being carried out, and none is read meanwhile. */
  #isBusy = false;
  #hasEnded = false;
  readonly #answers: Answers;
  /** Set while an answer finds no room. */
  #answerTimer: Timer | undefined;

  constructor(conn: MessageConn, context: HubContext, owner: SessionOwner<Session>) {
    this.conn = conn;
    this.context = context;
    this.#id = randomName(context.random, 16);
    this.isDatagram = conn.peer.transport === "udp";
    this.isStream = !this.isDatagram && conn.peer.transport !== "websocket";
    this.form = new PeerForm(conn);
    if (this.isDatagram) this.#pace = new Pace(this.form, context.limits, context.clock, () => this.drain());
    this.sender = this.#pace ?? this.form;
    this.#answers = new Answers(this.sender, () => this.#mayLose);
    this.#owner = owner;
    this.#intake = new Intake(this);
  }

  get id(): string {
    return this.#id;
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

  /** Unproved addresses may be forged: together they are one, with a name that no address has. */
  get addressName(): string | undefined {
    return this.address?.name ?? (this.#intake.isUnverified ? "unverified" : undefined);
  }

  get unverifiedRate(): RateLimit {
    return this.#owner.unverifiedRate;
  }

  get subscriptions(): ReadonlyMap<string, Subscription> {
    return this.#subscriptions;
  }

  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  get whose(): object {
    return this.address ?? (this.#intake.isUnverified ? this.#owner : this);
  }

  get waitingBytes(): number {
    return this.conn.bufferedAmount + this.#answers.waitingBytes;
  }

  get lane(): Lane {
    return (this.#lane ??= new Lane(this));
  }

  get isUnderPressure(): boolean {
    if (this.#pace) return this.#pace.isHoldingBack;
    return this.conn.isCongested === true || this.conn.bufferedAmount > AHEAD_BYTES;
  }

  get isHeldBack(): boolean {
    return this.#isBusy || this.#intake.isHoldingBack;
  }

  get mayTakeMore(): boolean {
    if (this.#hasEnded) return true;
    return !this.#answers.isBlocked && this.#answers.waiting < this.limits.commandsInFlight;
  }

  // --- what the connection calls

  message(message: Message): void | Promise<void> {
    if (this.#hasEnded) return;
    this.#pace?.heard(typeof message === "string" ? utf8Length(message) : message.length);
    this.#silence?.heard();
    const work = this.#intake.message(message);
    if (work === undefined || this.#silence === undefined) return work;
    this.#isBusy = true;
    return work.then(() => {
      this.#isBusy = false;
    });
  }

  drain(): void {
    this.#answers.flush();
    this.#afterAnswers();
    if (!this.#answers.isBlocked) this.lane.hasRoom(() => this.#resumeAll());
  }

  end(): Promise<void> | undefined {
    return this.#intake.untilCallsAnswered(() => this.#answers.untilNoneWaits());
  }

  close({ code, reason, wasClean }: CloseInfo): void {
    // Ended for what the peer sent: on a byte stream this is the only way to say why.
    if (!wasClean && isPeerFault(code)) this.disconnect(code, reason);
    this.#end();
    this.#owner.closed(this);
  }

  // --- what its intake calls

  spoke(): void {
    this.#owner.spoke(this);
  }

  verified(): boolean {
    return this.#owner.verified(this);
  }

  isFor({ session, guest = false }: Pick<ReceivedCommand, "session" | "guest">): boolean {
    const hasBegun = this.#identity !== undefined;
    if (session !== undefined) return hasBegun && session === this.#id;
    if (!this.isDatagram) return true;
    if (guest) return !this.#isConnected;
    // Who names none cannot know whose session it is that the address has.
    return hasBegun && this.#key === undefined;
  }

  // --- what commands call, see `Caller`

  wasBegunBy(key: string | undefined): boolean {
    return this.isDatagram && key !== undefined && key === this.#key;
  }

  async begin(request: AuthenticationRequest, key?: string): Promise<Identity | undefined> {
    const identity = await this.context.authentications.ask(this.context, request, this);
    if (identity === undefined) this.disconnect(CLOSE.internal, UNDECIDED);
    if (this.#hasEnded || identity === undefined) return undefined;
    if (identity === null) throw new ProtocolError("unauthorized", "the token was not accepted");
    if (this.#identity) this.#endFormer();
    this.become(identity);
    this.user = this.#owner.begun(identity, this.user);
    this.context.directory.begun(this);
    this.#key = key && ownText(key);
    if (this.isStream) this.#silence = new Silence(new StreamPeer(this), this.clock, this.limits.pingMs);
    return identity;
  }

  become(identity: Identity): void {
    this.#identity = identity;
    this.#infoText = infoTextOf(identity);
    if (identity.expiresAt !== undefined)
      this.expiry ??= new Expiry(this.clock, () => this.disconnect(CLOSE.unauthorized, EXPIRED));
    this.expiry?.set(identity.expiresAt);
  }

  /** Somebody else is at this address now, or the same one began anew. */
  #endFormer(): void {
    this.#lane?.end();
    this.#lane = undefined;
    for (const channel of this.#subscriptions.keys()) this.drop(channel);
    this.#intake.endCalls();
    this.context.directory.ended(this);
    this.#id = randomName(this.context.random, 16);
  }

  connected(answersPings: boolean): void {
    this.#isConnected = true;
    this.answersPings = answersPings;
  }

  answerTo({ id, session }: { readonly id?: number; readonly session?: string }): AnswerTo {
    if (!this.isDatagram || session !== undefined || !this.#identity) return withId(id);
    return { ...withId(id), session: this.#id, user: this.#identity.user };
  }

  allowed(permission: Permission, channel: string): boolean | Promise<boolean> {
    return this.#identity !== undefined && allows(permission, this.#identity, channel);
  }

  charge(cost: number): void {
    this.#intake.charge(cost);
  }

  reserve(): AnswerPlace {
    return this.#answers.reserve();
  }

  answer(text: string, id: number | undefined, fate?: AnswerFate, place?: AnswerPlace): void {
    if (this.#hasEnded) return;
    this.sent(text.length, utf8Length(text));
    if (!fitsInBytes(text, this.conn.maxSendBytes)) {
      fate?.onLost?.();
      this.counters.refused++;
      const message = "the answer does not fit in a message of this connection";
      const error = { type: "error", ...withId(id), code: "too_large", message } as const;
      this.#answers.send(encodeServerMessage(error), undefined, place);
    } else this.#answers.send(text, fate, place);
    this.#afterAnswers();
  }

  refuse(error: ProtocolError, to: AnswerTo, more: { retryMs?: number; place?: AnswerPlace } = {}): void {
    this.counters.refused++;
    const { code, message } = error;
    const retry = more.retryMs === undefined ? {} : { retryMs: more.retryMs };
    const text = encodeServerMessage({ type: "error", ...to, code, message, ...retry });
    this.answer(text, to.id, undefined, more.place);
  }

  add(channel: string, subscription: Subscription): void {
    this.#subscriptions.set(channel, subscription);
    this.counters.subscriptions++;
    if (this.address) this.address.subscriptions++;
  }

  drop(channel: string): boolean {
    const subscription = this.#subscriptions.get(channel);
    if (!subscription) return false;
    this.#subscriptions.delete(channel);
    this.counters.subscriptions--;
    if (this.address) this.address.subscriptions--;
    subscription.end();
    this.#lane?.left(channel);
    if (subscription.isPresent) {
      this.charge(costOfPresence(subscription.channel, 0));
      this.engine.leave(channel, this.#id).catch((error: unknown) => this.report(error));
    }
    this.context.channels.release(subscription.channel);
    return true;
  }

  sent(length: number, bytes: number): void {
    this.charge(costOfLength(length));
    this.context.backlog.sent(bytes);
  }

  fail(subscription: Subscription, code: ErrorCode, message: string): void {
    const channel = subscription.channel.name;
    if (!this.drop(channel)) return;
    this.answer(encodeServerMessage({ type: "unsubscribed", channel, code, message }), undefined);
  }

  report(error: unknown): void {
    this.context.report(error);
  }

  cut(): void {
    if (!this.#hasEnded) this.counters.disconnected++;
    this.#end();
    this.conn.abort();
  }

  /** Says why, closes, and forgets everything but the connection. */
  disconnect(code: number, reason: string): void {
    if (this.#hasEnded) return;
    this.counters.disconnected++;
    const reconnect = mayReconnect(code);
    this.form.trySend(encodeServerMessage({ type: "disconnect", code, reason, reconnect }));
    this.#end();
    this.conn.close(code, reason).catch(() => this.conn.abort());
  }

  /** An answer that finds no room is lost where none will be soon. */
  get #mayLose(): boolean {
    return this.#pace?.isWaiting === false;
  }

  #afterAnswers(): void {
    if (!this.#answers.isBlocked) {
      this.#answerTimer?.cancel();
      this.#answerTimer = undefined;
    } else if (this.#answerTimer === undefined) {
      this.#answerTimer = this.clock.after(this.limits.answerTimeoutMs, () => {
        this.disconnect(CLOSE.slowConsumer, "answers are not read");
      });
      if (!this.isDatagram) void this.#endIfGone();
    }
    this.#intake.letIn();
  }

  async #endIfGone(): Promise<void> {
    if (await hasGone(this.conn, this.#answers, this.clock))
      this.#end(); // `close` tells why
    else this.#afterAnswers();
  }

  #resumeAll(): void {
    for (const subscription of this.#subscriptions.values()) subscription.resume();
    // Next time it is another's turn to have the room first.
    const [first] = this.#subscriptions;
    if (!first) return;
    this.#subscriptions.delete(first[0]);
    this.#subscriptions.set(...first);
  }

  #end(): void {
    if (this.#hasEnded) return;
    this.lane.end();
    for (const channel of this.#subscriptions.keys()) this.drop(channel);
    this.#hasEnded = true;
    this.context.directory.ended(this);
    this.#answers.clear();
    this.#answerTimer?.cancel();
    this.#silence?.end();
    this.expiry?.end();
    this.#pace?.end();
    this.#intake.end();
  }
}
