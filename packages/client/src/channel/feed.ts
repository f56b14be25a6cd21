import {
  type ReceivedAnswer,
  costOfLength,
  type ErrorCode,
  type GapPush,
  type Json,
  type Position,
  type ReadPresence,
  type ReceivedPublication,
  type Subscribed,
  type Unsubscribed,
} from "@zocalo/protocol";
import type { Clock } from "../primitives/clock.ts";
import { encode } from "../connection/encode.ts";
import { ChannelError, isTemporary, RETRY_MS } from "../primitives/error.ts";
import type { Link, FeedPush } from "../connection/link.ts";
import { type AskForPage, type Presence, PresenceList } from "./presence-list.ts";
import { type Request, requestFor } from "./request.ts";
import type { Subscriber, SubscriberOwner } from "./subscription.ts";

/**
 * The one subscription a session has at the server for a channel, and its subscribers here, each at a
 * position of its own.
 *
 * Whatever a subscriber needs that the present flow does not bring (an earlier position, presence, to be
 * seen or not, what it missed while its buffer was full) is had in one way: end the flow and subscribe again
 * since the earliest position that is needed. The others drop by offset what they have already.
 */
export class Feed implements SubscriberOwner {
  readonly channel: string;
  readonly #clock: Clock;
  readonly #forget: () => void;
  readonly #subscribers = new Set<Subscriber>();
  readonly #presence = new PresenceList(
    (...asked) => this.#askPresence(...asked),
    () => this.#tellPresence(),
  );
  #link: Link | undefined;
  #phase: "off" | "subscribing" | "on" | "unsubscribing" = "off";
  /** After the last publication of the flow, while it is on. */
  #flow: Position = { epoch: "", offset: 0 };
  /** The newest offset the server has spoken of. */
  #head = 0;
  /** The flow was asked to bring presence. */
  #hasPresence = false;
  /** The flow does not count among who is there. */
  #isHidden = false;
  /** Something is being handed out: the application may call anything meanwhile, and `update` waits. */
  #isBusy = false;
  #stopRetry: (() => void) | undefined;
  #stopAsking: (() => void) | undefined;

  /**
   * @param link if there is one at the moment
   * @param forget called when nobody is left
   */
  constructor(channel: string, clock: Clock, link: Link | undefined, forget: () => void) {
    this.channel = channel;
    this.#clock = clock;
    this.#link = link;
    this.#forget = forget;
  }

  get present(): Presence {
    return this.#presence.present;
  }

  connected(link: Link): void {
    this.#link = link;
    this.update();
  }

  lost(): void {
    this.#link = undefined;
    this.#phase = "off";
    this.#cancelRetry();
    this.#presence.forget();
    for (const subscriber of this.#subscribers) {
      if (!subscriber.isFresh) subscriber.isResuming = true;
    }
  }

  /** Ends all subscriptions. */
  close(error: Error | undefined): void {
    this.#link = undefined;
    this.#cancelRetry();
    for (const subscriber of this.#subscribers) subscriber.end(error);
  }

  join(subscriber: Subscriber): void {
    this.#subscribers.add(subscriber);
    this.rejoin(subscriber);
    const isKnown = this.#phase === "on" && this.#hasPresence;
    if (isKnown && subscriber.wantsPresence) subscriber.presence(this.present);
  }

  rejoin(subscriber: Subscriber): void {
    if (this.#phase === "on") {
      this.#align(subscriber);
      if (this.#isEnoughFor([subscriber])) this.#busily(() => subscriber.resumed(this.#newest));
    }
    this.update();
  }

  leave(subscriber: Subscriber): void {
    this.#subscribers.delete(subscriber);
    this.update();
  }

  /** Looks at what is wanted and takes the next step towards it. */
  update(): void {
    if (this.#isBusy || this.#stopRetry !== undefined) return;
    const active = this.#active();
    if (this.#phase === "off" && active.length > 0) this.#subscribe(active);
    else if (this.#phase === "on" && (active.length === 0 || !this.#isEnoughFor(active))) this.#unsubscribe();
    if (this.#phase === "off" && this.#subscribers.size === 0) this.#forget();
  }

  push(push: FeedPush, length: number): void {
    // In any other phase it belongs to a flow that is over; what is still needed of it comes again.
    if (this.#phase !== "on") return;
    this.#busily(() => {
      switch (push.type) {
        case "publication":
          return this.#publication(push, length);
        case "gap":
          return this.#gap(push);
        case "unsubscribed":
          return this.#ended(push);
        default:
          if (this.#hasPresence) this.#presence.change(push);
      }
    });
  }

  #busily(run: () => void): void {
    if (this.#isBusy) return run();
    this.#isBusy = true;
    try {
      run();
    } finally {
      this.#isBusy = false;
    }
    this.update();
  }

  #active(): Subscriber[] {
    return [...this.#subscribers].filter((subscriber) => subscriber.isActive);
  }

  #isEnoughFor(subscribers: readonly Subscriber[]): boolean {
    if (this.#isHidden !== this.#areHidden()) return false;
    return subscribers.every(
      ({ received, isResuming, wantsPresence }) =>
        received !== undefined &&
        received.offset >= this.#flow.offset &&
        // Only the server knows what a position means that is past its log.
        !(isResuming && received.offset > this.#newest) &&
        (this.#hasPresence || !wantsPresence),
    );
  }

  /** The newest offset that is known here. */
  get #newest(): number {
    return Math.max(this.#head, this.#flow.offset);
  }

  #areHidden(): boolean {
    return [...this.#subscribers].every((subscriber) => subscriber.isHidden);
  }

  /** Asks for something of the channel. */
  #send(
    type: "subscribe" | "unsubscribe" | "presence",
    more: Request & Pick<ReadPresence, "after">,
    answered: (answer: ReceivedAnswer) => void,
  ): void {
    this.#link?.send(encode({ type, channel: this.channel, ...more }), answered);
  }

  /** @param subscribers whose positions are looked after */
  #subscribe(subscribers: readonly Subscriber[]): void {
    if (this.#link === undefined) return;
    const request = {
      ...requestFor(subscribers, this.#flow.epoch),
      ...(this.#areHidden() && { hidden: true }),
    };
    this.#phase = "subscribing";
    this.#send("subscribe", request, (answer) => {
      if (answer.type === "subscribed") return this.#subscribed(answer, request, subscribers);
      this.#phase = "off";
      if (answer.type !== "error") return this.#retry();
      const { code, message } = answer;
      if (code === "already_subscribed") return this.#unsubscribe();
      if (isTemporary(answer)) return this.#retry(answer.retryMs);
      // It may be presence alone that is not allowed; then the others go on without it.
      const isForPresence = code === "forbidden" && request.presence === true;
      this.#busily(() => this.#refuse(code, message, isForPresence));
    });
  }

  #unsubscribe(): void {
    this.#phase = "unsubscribing";
    this.#presence.forget();
    this.#send("unsubscribe", {}, (answer) => {
      if (answer.type === "error" && isTemporary(answer)) {
        return this.#retry(answer.retryMs, () => this.#unsubscribe());
      }
      this.#phase = "off"; // after `not_subscribed`, too
      this.update();
    });
  }

  #subscribed(answer: Subscribed, request: Request, asked: readonly Subscriber[]): void {
    const { epoch, offset, head, presence } = answer;
    this.#phase = "on";
    this.#flow = { epoch, offset };
    this.#head = head;
    this.#hasPresence = request.presence === true;
    this.#isHidden = request.hidden === true;
    this.#busily(() => {
      for (const subscriber of this.#active()) {
        const { received } = subscriber;
        const isPast = received?.epoch === epoch && received.offset > head;
        if (isPast && !asked.includes(subscriber)) continue; // `update` asks for it
        // A log that lacks what we had of it when we asked is not the log it was, even under the same name.
        if (isPast) this.#replaced(subscriber, received);
        else this.#align(subscriber);
        this.#cover(subscriber, answer, request);
      }
      if (this.#hasPresence) this.#presence.start(presence);
    });
  }

  /** Gives a subscriber a position in the epoch of the flow, if it has none there. */
  #align(subscriber: Subscriber): void {
    const { epoch, offset } = this.#flow;
    const { received } = subscriber;
    if (received === undefined) this.#begin(subscriber);
    else if (received.epoch !== epoch) this.#replaced(subscriber, received);
    // From here on nothing it has not got may be missing.
    if (subscriber.received !== undefined && subscriber.received.offset >= offset) subscriber.isFresh = false;
  }

  #begin(subscriber: Subscriber): void {
    const { epoch } = this.#flow;
    subscriber.start({ epoch, offset: Math.max(0, this.#newest - (subscriber.last ?? 0)) });
  }

  /** The log is another one than the one in which the subscriber stood at `previous`. */
  #replaced(subscriber: Subscriber, previous: Position): void {
    // Who was brought nothing of the old one begins in the new one, and has lost nothing.
    if (subscriber.isFresh) return this.#begin(subscriber);
    subscriber.isResuming = false;
    subscriber.gap({ reset: true, epoch: this.#flow.epoch, previous });
  }

  /** Finds out what the start of the flow means for one subscriber. */
  #cover(subscriber: Subscriber, answer: Subscribed, request: Request): void {
    const { received, isFresh, last = 0 } = subscriber;
    if (received === undefined) return;
    if (received.offset < answer.offset) {
      const { since } = request;
      const wasAskedFor =
        since === undefined
          ? isFresh && last <= (request.last ?? 0)
          : since.epoch !== answer.epoch || since.offset <= received.offset;
      if (!wasAskedFor) return; // `update` asks for it
      if (isFresh) subscriber.start(this.#flow);
      else {
        subscriber.gap({ reset: false, epoch: answer.epoch, from: received.offset + 1, to: answer.offset });
      }
    } else subscriber.resumed(answer.head);
    subscriber.isFresh = false;
    subscriber.isResuming = false;
  }

  #publication(push: ReceivedPublication, length: number): void {
    const { offset, at, user, info, json, sender } = push;
    const { epoch } = this.#flow;
    // It was read from the log for this session.
    if (offset <= this.#head) this.#link?.allowance.spend(costOfLength(length));
    if (offset <= this.#flow.offset) return;
    // The protocol has no unannounced gap. Should a server leave one all the same, it is told, not passed
    // over.
    if (offset > this.#flow.offset + 1) this.#skip(epoch, offset - 1);
    this.#flow = { epoch, offset };
    const data = push.data as Json; // or bytes, where `T` of the channel says so
    const publication = { data, json, offset, at, user, ...(info && { info }) };
    if (sender) Object.assign(publication, { isOwn: sender === this.#link?.sender });
    for (const subscriber of this.#active()) {
      if (subscriber.isActive && isBefore(subscriber, offset)) {
        subscriber.publication(publication, epoch, length);
      }
    }
  }

  #gap({ epoch, to, reset }: GapPush): void {
    if (reset === true || epoch !== this.#flow.epoch) {
      this.#flow = { epoch, offset: 0 };
      this.#head = 0;
      for (const subscriber of this.#active()) {
        if (subscriber.received !== undefined) this.#replaced(subscriber, subscriber.received);
      }
    }
    this.#skip(epoch, to);
  }

  /** Everything up to and including `to` is lost. */
  #skip(epoch: string, to: number): void {
    if (to <= this.#flow.offset) return;
    this.#flow = { epoch, offset: to };
    for (const subscriber of this.#active()) {
      if (subscriber.isActive && subscriber.received !== undefined && isBefore(subscriber, to)) {
        subscriber.gap({ reset: false, epoch, from: subscriber.received.offset + 1, to });
      }
    }
  }

  /** The server ended the flow by itself. */
  #ended({ code = "internal", message = "the server ended the subscription" }: Unsubscribed): void {
    this.#phase = "off";
    this.#presence.forget();
    if (isTemporary({ code })) this.#retry();
    else this.#refuse(code, message);
  }

  #refuse(code: ErrorCode, message: string, isForPresence = false): void {
    const error = new ChannelError(code, this.channel, message);
    const subscribers = [...this.#subscribers]; // one who comes meanwhile may try again
    for (const subscriber of subscribers) {
      if (subscriber.wantsPresence || !isForPresence) subscriber.end(error);
    }
  }

  #retry(ms: number = RETRY_MS, next: () => void = () => this.update()): void {
    this.#cancelRetry();
    this.#stopRetry = this.#clock.after(ms, () => {
      this.#stopRetry = undefined;
      next();
    });
  }

  #cancelRetry(): void {
    this.#stopRetry?.();
    this.#stopRetry = undefined;
    this.#stopAsking?.();
  }

  #askPresence(...asked: Parameters<AskForPage>): void {
    const [after, answered, isWanted] = asked;
    this.#send("presence", { after }, (answer) => {
      if (answer.type !== "error" || !isTemporary(answer)) {
        return this.#busily(() => answered(answer.type === "presence" ? answer : undefined));
      }
      this.#stopAsking = this.#clock.after(answer.retryMs ?? RETRY_MS, () => {
        if (isWanted()) this.#askPresence(...asked);
      });
    });
  }

  #tellPresence(): void {
    const { present } = this;
    for (const subscriber of this.#subscribers) {
      if (subscriber.wantsPresence) subscriber.presence(present);
    }
  }
}

function isBefore({ received }: Subscriber, offset: number): boolean {
  return received !== undefined && received.offset < offset;
}
