import {
  COST,
  encodeServerMessage,
  LIMITS,
  PROTOCOL_VERSION,
  ProtocolError,
  type ReadPresence,
  type ReceivedCast,
  type ReceivedConnect,
  type ReceivedPublish,
  type Refresh,
  type Unsubscribe,
} from "@zocalo/protocol";
import { UNDECIDED } from "./authentication.ts";
import type { Caller } from "./caller.ts";
import { checkData, commit, engineFailure, fromEngine } from "./context.ts";
import { costOfPublishing } from "../channel/costs.ts";
import { encodePresence, type PageLimits, showUsers, type ShowUsers, withInfo } from "../channel/encode.ts";
import type { PresentPage } from "../engine/engine.ts";
import type { Identity } from "../policy/identity.ts";
import type { Namespace } from "../policy/namespace.ts";
import { fitsInBytes } from "../primitives/utf8.ts";

/**
 * When a publication for which there is no room may be sent again, in milliseconds: keys, entries and
 * channels make room when their time is over.
 */
const LIMIT_RETRY_MS = 10_000;

/** Begins the session and says who it is for. */
export async function connect(session: Caller, command: ReceivedConnect): Promise<void> {
  const { id, version = PROTOCOL_VERSION, token, info, infoJson, key, answersPings = false } = command;
  if (session.identity && session.wasBegunBy(key)) return welcome(session, id);
  if (session.identity && !(session.isDatagram && key !== undefined)) {
    throw new ProtocolError("already_connected", "this session has begun already");
  }
  if (version !== PROTOCOL_VERSION) {
    throw new ProtocolError(
      "unsupported_version",
      `version ${version}; this server speaks ${PROTOCOL_VERSION}`,
    );
  }
  if (token !== undefined) session.charge(COST.token);
  if (!(await session.begin({ token, info, infoJson }, key))) return;
  session.connected(answersPings);
  welcome(session, id);
}

/** When a token that cannot be judged now may be sent again, in milliseconds. */
const JUDGE_RETRY_MS = 2_000;

/** Gives the session another token, of the same user; refused, it goes on with what it had. */
export async function refresh(session: Caller, command: Refresh): Promise<void> {
  const { context, identity: former } = session;
  const to = session.answerTo(command);
  session.charge(COST.token);
  const identity = await context.authentications.ask(
    context,
    { token: command.token, isRefresh: true },
    session,
  );
  if (session.hasEnded) return;
  if (identity === undefined) {
    return session.refuse(new ProtocolError("unavailable", UNDECIDED), to, { retryMs: JUDGE_RETRY_MS });
  }
  if (identity === null)
    return session.refuse(new ProtocolError("unauthorized", "the token was not accepted"), to);
  if (identity.user !== former?.user || identity.isGuest !== former.isGuest) {
    return session.refuse(new ProtocolError("unauthorized", "the token is another user's"), to);
  }
  session.become(identity);
  const answer = encodeServerMessage({ type: "refreshed", ...to, ...withTokenMs(session) });
  session.answer(withInfo(answer, session.infoText), command.id);
}

/** What is left of the token, if it ends. */
function withTokenMs({ expiry }: Caller): { readonly tokenMs?: number } {
  const tokenMs = expiry?.leftMs;
  return tokenMs === undefined ? {} : { tokenMs };
}

/** How often commands may come: the least of what its session, address and user have. */
function rateOf({ context, addressName }: Caller, { isGuest }: Identity) {
  const { limits } = context;
  const perSecond = [limits.commandsPerSecond];
  const burst = [limits.commandBurst];
  if (addressName !== undefined) {
    perSecond.push(limits.commandsPerSecondPerAddress);
    burst.push(limits.commandBurstPerAddress);
  }
  if (!isGuest) {
    perSecond.push(limits.commandsPerSecondPerUser);
    burst.push(limits.commandBurstPerUser);
  }
  return { commandsPerSecond: Math.min(...perSecond), commandBurst: Math.min(...burst) };
}

function welcome(session: Caller, id: number | undefined): void {
  const { identity } = session;
  if (!identity) return;
  const { limits, server, namespaces } = session.context;
  const { keyMs, sizes } = namespaces;
  const { commandBytes } = sizes;
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
    ...(keyMs === undefined ? {} : { keyMs }),
    ...rateOf(session, identity),
    ...withTokenMs(session),
    ...(namespaces.haveSenders ? { sender: session.context.directory.nameOf(session) } : {}),
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
  checkData(contentOf(command), namespace);
  const allowed = session.allowed(namespace.publish, command.channel);
  if (allowed === true) return commitFor(session, command, namespace);
  return Promise.resolve(allowed).then((isAllowed) => {
    if (!isAllowed) throw forbidden("publish to", command.channel);
    if (!session.hasEnded) commitFor(session, command, namespace);
  });
}

function commitFor(session: Caller, command: ReceivedPublish, namespace: Namespace): void {
  const { id, channel, key } = command;
  const { context, identity } = session;
  const to = session.answerTo(command);
  const data = contentOf(command);
  if (!identity) return;
  const publication = {
    user: identity.user,
    info: session.infoText,
    data,
    key,
    address: session.addressName,
    sender: senderOf(session, namespace),
  };
  const cost = costOfPublishing(context.channels.get(channel), data.length);
  session.charge(cost);
  const told = cost === 0 ? {} : { cost };
  const place = session.reserve();
  commit(context, channel, namespace, publication).then(
    ({ epoch, offset, duplicate }) => {
      const repeated = duplicate ? ({ duplicate } as const) : {};
      const answer = { type: "published", ...to, epoch, offset, ...repeated, ...told } as const;
      session.answer(encodeServerMessage(answer), id, undefined, place);
    },
    (error: unknown) => {
      const failure = engineFailure(context, error);
      const retry = failure.code === "limit_reached" ? { retryMs: LIMIT_RETRY_MS } : {};
      session.refuse(failure, to, { place, ...retry });
    },
  );
}

/** What others are told of the session, where they are told. */
export function senderOf(session: Caller, { senders }: Namespace): string | undefined {
  return senders ? session.context.directory.nameOf(session) : undefined;
}

/** What is published or cast: the JSON text, or bytes. */
export function contentOf(command: ReceivedPublish | ReceivedCast): string | Uint8Array {
  // Of JSON `data` is not asked for: its value would have to be made.
  return command.json === "" ? (command.data as Uint8Array) : command.json;
}

/** Ends a subscription. */
export function unsubscribe(session: Caller, command: Unsubscribe): void {
  const { id, channel } = command;
  if (!session.drop(channel)) throw new ProtocolError("not_subscribed", `not subscribed to ${channel}`);
  session.answer(encodeServerMessage({ type: "unsubscribed", ...session.answerTo(command), channel }), id);
}

/** Says who is there: a page of it. */
export async function presence(session: Caller, command: ReadPresence): Promise<void> {
  const { id, channel, after = 0, limit } = command;
  const namespace = await mayRead(session, channel);
  if (!namespace.presence)
    throw new ProtocolError("forbidden", `"${namespace.name}" does not show who is there`);
  const page = await readPresence(session, channel, after);
  const limits = pageLimits(session, limit);
  const show = showerOf(session, channel, after);
  session.answer(encodePresence(session.answerTo(command), channel, page, limits, show), id);
}

/** Shows the users of a page; what was made for others is given again. */
export function showerOf({ context }: Caller, channel: string, after: number): ShowUsers {
  return (users, limits) => {
    const question = `${channel} ${after} ${limits.users} ${limits.bytes} ${limits.mostBytes}`;
    return context.presencePages.get(question, users, () => showUsers(users, limits));
  };
}

/** Those who came after this version: one more than there may be in a page. */
export async function readPresence(session: Caller, channel: string, after: number): Promise<PresentPage> {
  const { context } = session;
  const most = context.limits.presenceUsers + 1;
  const page = await fromEngine(context, context.engine.present(channel, after, most));
  session.charge(page.users.length * COST.presentUser);
  return page;
}

/**
 * Bytes of a page of presence in a datagram: no path has to cut it into pieces, of which none may be lost.
 */
const DATAGRAM_PAGE_BYTES = 1_200;

/** Bytes of the largest answer. */
export function maxAnswerBytes({ conn, isDatagram, id, identity }: Caller): number {
  if (!isDatagram) return conn.maxSendBytes;
  return conn.maxSendBytes - Buffer.byteLength(JSON.stringify({ session: id, user: identity?.user }));
}

/** What a page of presence may take in an answer to this session. */
export function pageLimits(session: Caller, users: number = LIMITS.users): PageLimits {
  const { limits } = session.context;
  const mostBytes = Math.min(limits.presenceBytes, maxAnswerBytes(session));
  return {
    users: Math.min(users, limits.presenceUsers),
    bytes: session.isDatagram ? Math.min(DATAGRAM_PAGE_BYTES, mostBytes) : mostBytes,
    mostBytes,
  };
}

/** @throws ProtocolError `unknown_channel`, `forbidden` */
export async function mayRead(session: Caller, channel: string): Promise<Namespace> {
  const namespace = session.context.namespaces.of(channel);
  if (!(await session.allowed(namespace.subscribe, channel))) throw forbidden("subscribe to", channel);
  return namespace;
}

export function forbidden(what: string, channel: string): ProtocolError {
  return new ProtocolError("forbidden", `you may not ${what} ${channel}`);
}

/** The `id` field of an answer. */
export function withId(id: number | undefined): { readonly id?: number } {
  return id === undefined ? {} : { id };
}
