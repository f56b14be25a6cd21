import { LIMITS, ProtocolError, type ReceivedCast } from "@zocalo/protocol";
import { Cast } from "../channel/cast.ts";
import { costOfCasting } from "../channel/costs.ts";
import type { Namespace } from "../policy/namespace.ts";
import type { Caller } from "./caller.ts";
import { contentOf, forbidden, senderOf } from "./commands.ts";
import { isThenable } from "./under-way.ts";
import { type CastHandler, checkData, type HubContext, PROGRAM } from "./context.ts";

/** Says what is of this moment to a channel, or to the server's program. Not answered. */
export function cast(session: Caller, command: ReceivedCast): void | Promise<void> {
  return "channel" in command ? castToChannel(session, command) : castByMethod(session, command);
}

function castToChannel(
  session: Caller,
  command: Extract<ReceivedCast, { channel: string }>,
): void | Promise<void> {
  const { channel } = command;
  const namespace = session.context.namespaces.of(channel);
  checkData(contentOf(command), namespace);
  const allowed = session.allowed(namespace.cast, channel);
  if (allowed === true) return tell(session, command, namespace);
  if (allowed === false) throw forbidden("cast to", channel);
  return allowed.then((isAllowed) => {
    if (!isAllowed) throw forbidden("cast to", channel);
    if (!session.hasEnded) tell(session, command, namespace);
  });
}

/** Hot path. Guarded by `npm run bench -- cast`. */
function tell(
  session: Caller,
  command: Extract<ReceivedCast, { channel: string }>,
  namespace: Namespace,
): void {
  const { context, identity, whose } = session;
  if (!identity) return;
  const data = contentOf(command);
  const channel = context.channels.get(command.channel);
  session.charge(costOfCasting(channel, data.length));
  context.counters.casts++;
  if (channel === undefined) return; // Nobody is subscribed.
  const source = { user: identity.user, owner: whose, session };
  channel.casts.tell(new Cast(channel.name, source, command.key, data, senderOf(session, namespace)));
}

/** Hot path. Guarded by `npm run bench -- cast`. */
function castByMethod(session: Caller, command: Extract<ReceivedCast, { method: string }>): void {
  const { context, identity } = session;
  const handler = context.castHandlers.get(command.method);
  if (handler === undefined) {
    throw new ProtocolError("unknown_method", `nothing takes casts of ${command.method}`);
  }
  if (!identity) return;
  context.counters.casts++;
  const { user, isGuest, info } = identity;
  const about = { user, isGuest, info, session: context.directory.nameOf(session) };
  // What a handler does wrong is no fault of the client's, who has no part in it.
  try {
    const work: unknown = handler(about, command.data);
    if (isThenable(work)) Promise.resolve(work).catch((error: unknown) => context.report(error));
  } catch (error) {
    context.report(error);
  }
}

/**
 * Casts as the server's program.
 *
 * @throws ProtocolError `unknown_channel`, `bad_command`, `too_large`
 */
export function castAsServer(
  context: HubContext,
  name: string,
  data: string | Uint8Array,
  user: string,
  key: string | undefined,
): void {
  checkKey(key);
  checkData(data, context.namespaces.of(name));
  context.counters.casts++;
  const channel = context.channels.get(name);
  if (channel === undefined) return;
  const own = typeof data === "string" ? data : data.slice(); // Bytes are the caller's.
  channel.casts.tell(new Cast(name, { user, owner: PROGRAM }, key, own, undefined));
}

/** @throws ProtocolError `bad_command` */
export function checkKey(key: string | undefined): void {
  if (key === undefined || (key !== "" && key.length <= LIMITS.keyLength)) return;
  throw new ProtocolError("bad_command", `"key" must have 1 to ${LIMITS.keyLength} characters`);
}

/** Sets what takes the casts of a method. @returns takes it away. @throws ProtocolError if there is one */
export function handleCasts(context: HubContext, method: string, handler: CastHandler): () => void {
  const { castHandlers } = context;
  if (castHandlers.has(method)) {
    throw new ProtocolError("bad_command", `casts of ${method} are taken already`);
  }
  castHandlers.set(method, handler);
  return () => {
    if (castHandlers.get(method) === handler) castHandlers.delete(method);
  };
}
