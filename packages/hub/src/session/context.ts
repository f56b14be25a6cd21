import { type Data, type JsonObject, ProtocolError } from "@zocalo/protocol";
import type { Allowed } from "../channel/allowed.ts";
import type { Backlog } from "../channel/backlog.ts";
import type { Channels } from "../channel/channel.ts";
import type { Clock } from "../primitives/clock.ts";
import type { Committed, Engine, NewPublication } from "../engine/engine.ts";
import type { Authenticate } from "../policy/identity.ts";
import type { Authentications } from "./authentication.ts";
import type { Handlers } from "./handlers.ts";
import type { HubLimits } from "../policy/limits.ts";
import type { Namespace, Namespaces } from "../policy/namespace.ts";
import type { Directory } from "./directory.ts";
import type { PresencePages } from "./presence-pages.ts";
import type { Reads } from "./reads.ts";
import type { SharedAnswers } from "../channel/shared-answers.ts";
import type { Turns } from "./turns.ts";
import type { Random } from "../primitives/random.ts";
import type { Counters } from "../channel/stats.ts";

/** A page of `history` as text, for all who ask for the same one. */
export interface EncodedHistory {
  /** Publications that were read for it. */
  readonly read: number;
  /** The answer without what it answers. */
  readonly body: string;
}

/** Whose what the server's program says counts as: nobody's who has limits. */
export const PROGRAM: object = {};

/** Who cast something. */
export interface CastContext {
  readonly user: string;
  /** True if anybody could have this identity for the asking. */
  readonly isGuest: boolean;
  /** What others are shown beside the user. */
  readonly info: JsonObject | undefined;
  /** The session's public name, for `hub.send`; nothing can be done with it at the server's doors. */
  readonly session: string;
}

/**
 * Takes what is cast by a method. What it throws, or rejects with, is told to `onError`; nobody waits for it.
 *
 * @param data what `JSON.parse` makes of what came, or bytes, which are the handler's own
 */
export type CastHandler = (context: CastContext, data: Data) => void | Promise<void>;

/** What all sessions of a hub share. */
export interface HubContext {
  readonly engine: Engine;
  readonly namespaces: Namespaces;
  readonly channels: Channels;
  readonly backlog: Backlog;
  readonly handlers: Handlers;
  /** Where casts count that wait for peers that do not take them at once. */
  readonly waitingCasts: Allowed;
  readonly directory: Directory;
  /** What the server's program does with casts by method, by its name. */
  readonly castHandlers: Map<string, CastHandler>;
  readonly turns: Turns;
  readonly reads: Reads;
  readonly pages: SharedAnswers<EncodedHistory>;
  readonly presencePages: PresencePages;
  readonly authenticate: Authenticate;
  readonly authentications: Authentications;
  readonly limits: HubLimits;
  readonly server: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly counters: Counters;
  /** Something failed that is not a client's fault. */
  report(error: unknown): void;
}

/** Waits for the engine. @throws ProtocolError, whatever the engine threw: its own, or `unavailable` */
export async function fromEngine<Value>(context: HubContext, work: Promise<Value>): Promise<Value> {
  try {
    return await work;
  } catch (error) {
    throw engineFailure(context, error);
  }
}

/** What a client is told of an engine's error; one that is not meant for clients is reported. */
export function engineFailure(context: HubContext, error: unknown): ProtocolError {
  if (error instanceof ProtocolError) return error;
  context.report(error);
  return new ProtocolError(
    "unavailable",
    "the log cannot be reached now; trying again with the same key is safe",
  );
}

/** Commits a publication whose size and permission have been checked. Begins before it returns. */
export async function commit(
  context: HubContext,
  channel: string,
  namespace: Namespace,
  publication: NewPublication,
): Promise<Committed> {
  const committed = await context.engine.publish(channel, publication, namespace.retention);
  if (!committed.duplicate) context.counters.published++;
  context.channels.get(channel)?.acknowledged(committed.epoch, committed.offset);
  return committed;
}

/** @throws ProtocolError `too_large`; `bad_command` for JSON where bytes belong, and the other way round */
export function checkData(
  data: string | Uint8Array,
  { name, data: kind, maxDataLength: most }: Namespace,
): void {
  const isText = typeof data === "string";
  if (isText !== (kind === "json")) {
    const wanted = isText ? '"bytes", in base64 where the message is JSON' : '"data"';
    throw new ProtocolError("bad_command", `"${name}" takes ${wanted}`);
  }
  if (data.length <= most) return;
  const unit = isText ? "characters" : "bytes";
  throw new ProtocolError("too_large", `"data" is ${data.length} ${unit}; "${name}" takes ${most}`);
}
