import {
  encodeServerMessage,
  type Gap,
  ProtocolError,
  type Subscribe,
  type Subscribed,
} from "@zocalo/protocol";
import type { Caller } from "./caller.ts";
import type { Channel } from "../channel/channel.ts";
import { mayRead, pageLimits, readPresence, showerOf } from "./commands.ts";
import { fromEngine } from "./context.ts";
import { costOfPresence } from "../channel/costs.ts";
import { type AnswerTo, withPresence } from "../channel/encode.ts";
import type { PresentPage } from "../engine/engine.ts";
import type { Namespace } from "../policy/namespace.ts";
import type { SharedPage } from "../channel/shared-page.ts";
import { Subscription } from "../channel/subscription.ts";

/** Where a subscription begins, and what has been read from there already. */
interface Start {
  readonly epoch: string;
  readonly offset: number;
  readonly head: number;
  readonly recovered: boolean;
  readonly reset?: true;
  readonly gap?: Gap;
  readonly page?: SharedPage;
}

/** Starts the flow of a channel: answers first, then sends what was missed, then what is new. */
export async function subscribe(session: Caller, command: Subscribe): Promise<void> {
  const name = command.channel;
  const { context } = session;
  const namespace = await mayRead(session, name);
  if (session.hasEnded) return;
  if (command.presence === true && !namespace.presence) {
    throw new ProtocolError("forbidden", `"${namespace.name}" does not show who is there`);
  }
  const former = session.subscriptions.get(name);
  // Where messages get lost a client must be able to ask again; and asking again since a position is how it
  // fills a hole.
  if (former && !session.isDatagram)
    throw new ProtocolError("already_subscribed", `already subscribed to ${name}`);
  if (!former) checkRoom(session);
  const subscription = new Subscription(context.channels.acquire(name), session, namespace.pageSize);
  if (former) {
    if (command.hidden !== true) {
      subscription.isPresent = former.isPresent; // the user stays
      former.isPresent = false;
    }
    session.drop(name);
  }
  session.add(name, subscription);
  try {
    await open(session, subscription, command, namespace);
  } catch (error) {
    if (!subscription.hasEnded) session.drop(name);
    throw error;
  }
}

/** @throws ProtocolError `limit_reached` if there may be no further subscription */
function checkRoom({ subscriptions, address, context }: Caller): void {
  const { subscriptions: most, subscriptionsPerAddress } = context.limits;
  if (subscriptions.size >= most) {
    throw new ProtocolError("limit_reached", `a session has at most ${most} subscriptions`);
  }
  if (address !== undefined && address.subscriptions >= subscriptionsPerAddress) {
    throw new ProtocolError(
      "limit_reached",
      `the sessions of one address have at most ${subscriptionsPerAddress} subscriptions`,
    );
  }
}

async function open(
  session: Caller,
  subscription: Subscription,
  command: Subscribe,
  namespace: Namespace,
): Promise<void> {
  const { context, conn, identity } = session;
  const { engine, counters } = context;
  const { channel } = subscription;
  await fromEngine(context, channel.opened);
  if (subscription.hasEnded || !identity) return;
  if (namespace.presence && command.hidden !== true) {
    subscription.isPresent = true;
    const member = { session: session.id, user: identity.user, info: session.infoText };
    session.charge(costOfPresence(channel, session.infoText?.length ?? 0));
    await fromEngine(context, engine.join(channel.name, member));
  }
  let present: PresentPage | undefined;
  if (command.presence === true) present = await readPresence(session, channel.name, 0);
  const isWanted = (): boolean => !subscription.hasEnded;
  const read = (after: number): Promise<SharedPage | undefined> =>
    channel.read(after, namespace.pageSize, 1, session, isWanted);
  const start = await fromEngine(context, startOf(channel, command, read));
  if (!start || subscription.hasEnded) return;
  const text = encodeServerMessage(
    answerTo(session.answerTo(command), channel.name, start, conn.idleTimeoutMs),
  );
  const show = showerOf(session, channel.name, 0);
  session.answer(present ? withPresence(text, present, pageLimits(session), show) : text, command.id, {
    onSent() {
      if (start.recovered) counters.recovered++;
      if (start.gap || start.reset) counters.gaps++;
      subscription.start(start.epoch, start.offset, start.page);
      if (present) subscription.watchPresence(present.version, command.gather === true);
    },
    onLost() {
      if (!subscription.hasEnded) session.drop(channel.name);
    },
  });
}

/** Nothing if the subscription has ended before its page was read. */
async function startOf(
  channel: Channel,
  command: Subscribe,
  read: (after: number) => Promise<SharedPage | undefined>,
): Promise<Start | undefined> {
  const { since, last = 0 } = command;
  if (since) {
    const page = await read(since.offset);
    if (!page) return undefined;
    const { epoch, head, oldest } = page.page;
    const isSameLog = epoch === since.epoch && since.offset <= head;
    const from = isSameLog ? since.offset + 1 : 1;
    const gap = from < oldest ? { gap: { from, to: oldest - 1 } } : {};
    const offset = Math.max(from, oldest) - 1;
    if (!isSameLog) return { epoch, offset, head, recovered: false, reset: true, ...gap };
    return { epoch, offset, head, recovered: from >= oldest, ...gap, page };
  }
  if (last === 0) {
    return { epoch: channel.epoch, offset: channel.head, head: channel.head, recovered: false };
  }
  const after = Math.max(0, channel.head - last);
  const page = await read(after);
  if (!page) return undefined;
  const { epoch, head, oldest } = page.page;
  // While it was read more may have been published, or the log replaced by one that begins before the page.
  const offset = Math.max(oldest - 1, head - last);
  return { epoch, offset, head, recovered: false, ...(after <= offset ? { page } : {}) };
}

function answerTo(to: AnswerTo, channel: string, start: Start, expiresMs: number | undefined): Subscribed {
  const { epoch, offset, head, recovered, reset, gap } = start;
  return {
    type: "subscribed",
    ...to,
    channel,
    epoch,
    offset,
    head,
    recovered,
    ...(reset ? { reset } : {}),
    ...(gap ? { gap } : {}),
    ...(expiresMs === undefined ? {} : { expiresMs }),
  };
}
