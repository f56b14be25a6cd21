import { RoomError, shown } from "../contracts/errors.ts";
import type { EndedMessage, EventMessage, JoinAnswer, JoinRefusal, MatchNews } from "../contracts/wire.ts";

/** Before a call is repeated, in milliseconds: about so long, and twice as long each time. */
export const FIRST_PAUSE_MS = 250;
export const LONGEST_PAUSE_MS = 5_000;

/** The longest text of the server that is handed on, in UTF-16 code units. */
const LONGEST_TEXT = 1_000;

/** Codes after which the same join may succeed: its answer was lost, or not now. */
const NOT_NOW: readonly unknown[] = [
  "moving" satisfies JoinRefusal,
  "connection_lost",
  "deadline_exceeded",
  "timeout",
  "rate_limited",
  "unavailable",
];

/** What may be read of it. */
type Unread<T> = Partial<Record<keyof T, unknown>>;

/**
 * Reads what came as the answer to a join.
 *
 * @param asked the only room that was asked for, if it was one
 * @throws RoomError `bad_answer`
 */
export function readAnswer(given: unknown, asked?: string): JoinAnswer {
  const answer: Unread<JoinAnswer> = Object(given);
  const { room, mode, process, incarnation, address = "", restored = "", seat, tick, events } = answer;
  const { log, number }: Unread<JoinAnswer["events"]> = Object(events);
  for (const [name, value] of Object.entries({ room, mode, process, incarnation, address, restored, log })) {
    if (typeof value !== "string") bad(name, value);
  }
  for (const [name, value] of Object.entries({ seat, tick, number })) {
    if (!Number.isSafeInteger(value)) bad(name, value);
  }
  if (asked !== undefined && room !== asked) bad("room", room);
  return answer as JoinAnswer;
}

/**
 * Reads an event of the room.
 *
 * @throws RoomError `bad_answer`
 */
export function readEvent(given: unknown): EventMessage {
  const { log, number, data }: Unread<EventMessage> = Object(given);
  if (!Number.isSafeInteger(number)) bad("number", number);
  return { log: log as string, number: number as number, data };
}

/**
 * Reads a message that the place is gone.
 *
 * @throws RoomError `bad_answer`
 */
export function readEnd(given: unknown): EndedMessage {
  const { reason, text }: Unread<EndedMessage> = Object(given);
  if (typeof reason !== "string") bad("reason", reason);
  return {
    reason: reason as EndedMessage["reason"],
    text: typeof text === "string" ? text.slice(0, LONGEST_TEXT) : undefined,
  };
}

/**
 * Reads how a search for a match stands.
 *
 * @throws RoomError `bad_answer`
 */
export function readNews(given: unknown): MatchNews {
  const news: { readonly [name: string]: unknown } = Object(given);
  const { state, code, room, process, address = "", waiting, ahead, waitedMs, needed } = news;
  const texts = state === "found" ? { room, process, address } : state === "refused" ? { code } : {};
  const counts = state === "waiting" ? { waiting, ahead, waitedMs, needed } : {};
  for (const [name, value] of Object.entries(texts)) if (typeof value !== "string") bad(name, value);
  for (const [name, value] of Object.entries(counts)) if (!Number.isFinite(value)) bad(name, value);
  if (state !== "found" && state !== "refused" && state !== "waiting") bad("state", state);
  return given as MatchNews;
}

/**
 * True if the same call may succeed later.
 *
 * @param isReturn There were rooms before: a server that has none of these methods is just beginning.
 */
export function isNotNow(error: unknown, isReturn: boolean): boolean {
  const { code }: { readonly code?: unknown } = Object(error);
  return NOT_NOW.includes(code) || (isReturn && code === "unknown_method");
}

/** What a join fails with: what the server's rooms refused it with, as a `RoomError`; else what it was. */
export function refused(error: unknown): unknown {
  const { name, code }: { readonly name?: unknown; readonly code?: JoinRefusal } = Object(error);
  if (name !== "CallError" || code === undefined || code === "moving") return error;
  const why = code === "other_version" ? "this page is of another version: load it again" : shown(code);
  return new RoomError(code, `the server refuses to join: ${why}`, { cause: error });
}

function bad(name: string, value: unknown): never {
  throw new RoomError("bad_answer", `the server's ${name} is ${shown(value)}`);
}
