import { encodeBinaryMessagePush, encodeMessage, LIMITS, ProtocolError } from "@zocalo/protocol";
import type { LaneMessage } from "../channel/lane.ts";
import { bytesOf, SharedMessage } from "../channel/shared-message.ts";
import { type HubContext, PROGRAM } from "./context.ts";
import type { Addressee } from "./directory.ts";
import { Delivery, UserFeed } from "./user-feed.ts";

/** What became of a message: in how many sessions. All 0: nobody is there. */
export interface SendResult {
  /** The connection took it. */
  sent: number;
  /**
   * Volatile: it waits until the peer reads, unless a newer one of its key comes before. Of a user with very
   * many sessions: their turn comes.
   */
  waiting: number;
  /** It has no room for it, or is larger than what the connection carries. */
  refused: number;
  /** In how many of these it is larger than what the connection carries: never again. Left out: in none. */
  tooLarge?: number;
}

/** What is sent. */
interface Sending {
  readonly topic: string;
  /** JSON text, or bytes, which are read before the call returns. */
  readonly data: string | Uint8Array;
  readonly isVolatile: boolean;
  readonly key: string;
}

/** A message to the sessions of a user. */
class Message extends SharedMessage implements LaneMessage {
  readonly slot: string;
  readonly owner = PROGRAM;
  readonly keptBytes: number;
  readonly #topic: string;
  readonly #data: string | Uint8Array;

  constructor({ topic, data, key }: Sending) {
    super();
    this.slot = slotOf(topic, key);
    this.keptBytes = bytesOf(data);
    this.#topic = topic;
    this.#data = data;
  }

  get message(): this {
    return this;
  }

  protected override makeText(): string {
    return encodeMessage(this.#topic, this.#data);
  }

  protected override makeBinary(): Uint8Array {
    return encodeBinaryMessagePush(this.#topic, this.#data);
  }
}

/** No channel begins so. */
function slotOf(topic: string, key: string): string {
  return `:${topic} ${key}`;
}

/**
 * Sends to one session. Hot path: guarded by `npm run bench -- cast`.
 *
 * @throws ProtocolError `too_large`
 */
export function sendToSession(context: HubContext, name: string, sending: Sending): SendResult {
  checkSize(sending);
  const result: SendResult = { sent: 0, waiting: 0, refused: 0 };
  const session = context.directory.named(name);
  if (sending.isVolatile) context.counters.casts++;
  if (session === undefined) return result;
  // What was said to its user, and waits for its turn, is older.
  if (context.directory.feeds.size > 0)
    context.directory.feeds.get(session.identity?.user ?? "")?.serve(session);
  const { topic, data, isVolatile, key } = sending;
  const { lane, form, sender } = session;
  const message =
    form.isBinary && typeof data !== "string"
      ? encodeBinaryMessagePush(topic, data)
      : encodeMessage(topic, data);
  const keptBytes = bytesOf(data);
  if (isVolatile && !lane.isOpen) {
    count(result, lane.wait({ message, slot: slotOf(topic, key), owner: PROGRAM, keptBytes }));
    return result;
  }
  const outcome = sender.trySend(message);
  context.backlog.sent(keptBytes);
  if (outcome !== "refused") {
    result.sent = 1;
    if (isVolatile) context.counters.castsDelivered++;
  } else if (isVolatile && sender.canSend(message)) {
    count(result, lane.wait({ message, slot: slotOf(topic, key), owner: PROGRAM, keptBytes }));
  } else {
    result.refused = 1;
    if (!sender.canSend(message)) result.tooLarge = 1;
    if (isVolatile) context.counters.castsDropped++;
  }
  return result;
}

/** Sends to all sessions of a user. @throws ProtocolError `too_large` */
export function sendToUser(context: HubContext, user: string, sending: Sending): SendResult {
  checkSize(sending);
  const { data, isVolatile } = sending;
  const { directory, backlog, counters, channels } = context;
  if (isVolatile) counters.casts++;
  const result: SendResult = { sent: 0, waiting: 0, refused: 0 };
  const sessions = [...directory.of(user)];
  if (sessions.length === 0) return result;
  const own = typeof data === "string" ? data : data.slice(); // Bytes are the caller's.
  const message = new Message({ ...sending, data: own });
  const delivery = new Delivery(sessions, (session) => {
    // Until its turn came it may have ended, or begun anew as somebody else.
    if (session.hasEnded || session.identity?.user !== user) return;
    const before = result.refused;
    if (isVolatile) count(result, session.lane.offer(message));
    else count(result, session.sender.trySend(message) === "refused" ? "dropped" : "sent");
    if (result.refused > before && !session.sender.canSend(message))
      result.tooLarge = (result.tooLarge ?? 0) + 1;
    backlog.sent(message.keptBytes);
  });
  // What was said before goes before it, so that the newest comes last.
  const former = directory.feeds.get(user);
  if (former === undefined && delivery.run()) return result;
  const told = { ...result, waiting: result.waiting + delivery.left };
  if (former !== undefined) former.add(delivery);
  else {
    const feed = new UserFeed<Addressee>(() => directory.feeds.delete(user));
    feed.add(delivery);
    directory.feeds.set(user, feed);
    channels.fanOut.begin(feed);
  }
  return told;
}

function count(result: SendResult, outcome: "sent" | "waiting" | "dropped"): void {
  if (outcome === "sent") result.sent++;
  else if (outcome === "waiting") result.waiting++;
  else result.refused++;
}

function checkSize({ data }: Sending): void {
  if (data.length <= LIMITS.largestDataLength) return;
  throw new ProtocolError("too_large", `"data" is ${data.length} long; at most ${LIMITS.largestDataLength}`);
}
