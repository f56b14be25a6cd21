import {
  encodeServerMessage,
  LIMITS,
  PROTOCOL_VERSION,
  ProtocolError,
  type ReadHistory,
  type ReadPresence,
  type ReceivedConnect,
  type ReceivedPublish,
  type StoredPublication,
  type Unsubscribe,
} from "@zocalo/protocol";
import type { Caller } from "./caller.ts";
import {
  checkDataLength,
  commit,
  engineFailure,
  fromEngine,
  type HistoryPage,
  type HubContext,
} from "./context.ts";
import { COST, costOfPublications, costOfPublishing } from "../channel/costs.ts";
import { encodeHistory, encodePresence, historyBody, measuredEntry, withInfo } from "../channel/encode.ts";
import type { Namespace } from "../policy/namespace.ts";
import { fitsInBytes } from "../primitives/utf8.ts";

/** Publications in a history page when the command does not say. */
const HISTORY_LIMIT = 50;

/** Begins the session and says who it is for. */
export async function connect(session: Caller, command: ReceivedConnect): Promise<void> {
  const { id, version = PROTOCOL_VERSION, token, info, infoJson } = command;
  if (session.identity) throw new ProtocolError("already_connected", "this session has begun already");
  if (version !== PROTOCOL_VERSION) {
    throw new ProtocolError(
      "unsupported_version",
      `version ${version}; this server speaks ${PROTOCOL_VERSION}`,
    );
  }
  const identity = await session.begin({ token, info, infoJson });
  if (!identity) return;
  const { limits, server, namespaces } = session.context;
  const { commandBytes } = namespaces.sizes;
  const expiresMs = session.conn.idleTimeoutMs;
  const answer = encodeServerMessage({
    type: "connected",
    ...withId(id),
    version: PROTOCOL_VERSION,
    server,
    session: session.id,
    user: identity.user,
    pingMs: expiresMs === undefined ? limits.pingMs : Math.min(limits.pingMs, Math.floor(expiresMs / 3)),
    ...(expiresMs === undefined ? {} : { expiresMs }),
    commandBytes: session.isDatagram ? Math.min(commandBytes, LIMITS.datagramBytes) : commandBytes,
  });
  const whole = withInfo(answer, session.infoText);
  // The client knows its info; on a path that carries little it is what can be left out.
  session.answer(fitsInBytes(whole, session.conn.maxSendBytes) ? whole : answer, id);
}

/**
 * Commits a publication. Does not wait for it, so that more can follow; the order is the order of the
 * commands.
 */
export function publish(session: Caller, command: ReceivedPublish): void | Promise<void> {
  const namespace = session.context.namespaces.of(command.channel);
  checkDataLength(command.json, namespace);
  const allowed = session.allowed(namespace.publish, command.channel);
  if (allowed === true) return commitFor(session, command, namespace);
  return Promise.resolve(allowed).then((isAllowed) => {
    if (!isAllowed) throw forbidden("publish to", command.channel);
    if (!session.hasEnded) commitFor(session, command, namespace);
  });
}

function commitFor(session: Caller, { id, channel, json, key }: ReceivedPublish, namespace: Namespace): void {
  const { context, identity } = session;
  if (!identity) return;
  const publication = {
    user: identity.user,
    info: session.infoText,
    data: json,
    key,
    address: session.addressName,
  };
  session.charge(costOfPublishing(context.channels.get(channel), json.length));
  const place = session.reserve();
  commit(context, channel, namespace, publication).then(
    ({ epoch, offset, duplicate }) => {
      const repeated = duplicate ? ({ duplicate } as const) : {};
      const answer = { type: "published", ...withId(id), epoch, offset, ...repeated } as const;
      session.answer(encodeServerMessage(answer), id, undefined, place);
    },
    (error: unknown) => session.refuse(engineFailure(context, error), id, { place }),
  );
}

/** Ends a subscription. */
export function unsubscribe(session: Caller, { id, channel }: Unsubscribe): void {
  if (!session.drop(channel)) throw new ProtocolError("not_subscribed", `not subscribed to ${channel}`);
  session.answer(encodeServerMessage({ type: "unsubscribed", ...withId(id), channel }), id);
}

/** Reads a page of the log: the newest that are asked for and fit in one answer. */
export async function history(session: Caller, command: ReadHistory): Promise<void> {
  const { id, channel, before = Number.MAX_SAFE_INTEGER, limit = HISTORY_LIMIT } = command;
  const { context, conn } = session;
  const { pageSize } = await mayRead(session, channel);
  const most = Math.min(context.limits.historyBytes, conn.maxSendBytes);
  const limits = { most, forOne: conn.maxSendBytes, pageSize };
  const make = (): Promise<HistoryPage> => readPage(context, channel, before, limit, limits);
  // Of one that nobody has open nothing is known here.
  const open = context.channels.get(channel);
  const key = `${channel} ${before} ${limit} ${most} ${conn.maxSendBytes}`;
  const page = await (open?.epoch ? context.pages.get(key, `${open.epoch} ${open.newest}`, make) : make());
  session.charge(costOfPublications(page.read));
  session.answer(encodeHistory(id, page.body), id);
}

/** What a page may take. */
interface PageLimits {
  /** Bytes of the answer. */
  readonly most: number;
  /** The same where it has the newest publication only, which comes even if it fills more than a page. */
  readonly forOne: number;
  /** Publications read from the engine at once. */
  readonly pageSize: number;
}

async function readPage(
  context: HubContext,
  channel: string,
  before: number,
  limit: number,
  limits: PageLimits,
): Promise<HistoryPage> {
  const { pageSize } = limits;
  const state = await fromEngine(context, context.engine.read(channel, Number.MAX_SAFE_INTEGER - 1, 1));
  const around = encodeHistory(Number.MAX_SAFE_INTEGER, historyBody(channel, state, [])).length;
  const forOne = limits.forOne - around;
  let room = limits.most - around;
  let read = 0;
  const entries: string[] = []; // newest first
  let end = Math.min(before, state.head + 1);
  while (entries.length < limit && end > state.oldest) {
    const from = Math.max(end - Math.min(pageSize, limit - entries.length), state.oldest);
    const page = await fromEngine(context, context.engine.read(channel, from - 1, end - from));
    if (page.epoch !== state.epoch) break;
    read += page.publications.length;
    const wanted = page.publications.filter(({ offset }) => offset < end);
    const added = newestThatFit(wanted, room, forOne, entries);
    if (added.isFull && entries.length === 0) {
      const newest = wanted.at(-1)?.offset;
      throw new ProtocolError(
        "too_large",
        `publication ${newest} does not fit in an answer of ${limits.forOne} bytes`,
      );
    }
    room = added.room;
    if (added.isFull || wanted.length < end - from) break;
    end = from;
  }
  return { read, body: historyBody(channel, state, entries.toReversed()) };
}

function newestThatFit(
  publications: readonly StoredPublication[],
  room: number,
  forOne: number,
  entries: string[],
): { room: number; isFull: boolean } {
  let left = room;
  for (const publication of publications.toReversed()) {
    const { text, bytes } = measuredEntry(publication);
    left -= bytes + 1;
    const isTaken = left >= 0 || (entries.length === 0 && bytes <= forOne);
    if (!isTaken) return { room: left, isFull: true };
    entries.push(text);
  }
  return { room: left, isFull: false };
}

/** Says who is there. */
export async function presence(session: Caller, { id, channel }: ReadPresence): Promise<void> {
  const { context, conn } = session;
  const namespace = await mayRead(session, channel);
  if (!namespace.presence)
    throw new ProtocolError("forbidden", `"${namespace.name}" does not show who is there`);
  const state = await fromEngine(context, context.engine.present(channel));
  session.charge(state.users.length * COST.presentUser);
  const limits = { users: context.limits.presenceUsers, bytes: conn.maxSendBytes };
  session.answer(encodePresence(id, channel, state, limits), id);
}

/** @throws ProtocolError `unknown_channel`, `forbidden` */
export async function mayRead(session: Caller, channel: string): Promise<Namespace> {
  const namespace = session.context.namespaces.of(channel);
  if (!(await session.allowed(namespace.subscribe, channel))) throw forbidden("subscribe to", channel);
  return namespace;
}

function forbidden(what: string, channel: string): ProtocolError {
  return new ProtocolError("forbidden", `you may not ${what} ${channel}`);
}

/** The `id` field of an answer. */
export function withId(id: number | undefined): { readonly id?: number } {
  return id === undefined ? {} : { id };
}
