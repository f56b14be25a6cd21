import { isJsonObject } from "./json.ts";
import type { Command, ServerMessage } from "./message.ts";

/** A publication whose `data` and `info` are still JSON text, as an engine keeps them. */
export interface StoredPublication {
  readonly offset: number;
  /** When it was committed, in milliseconds since the Unix epoch. */
  readonly at: number;
  readonly user: string;
  /** JSON text of an object. */
  readonly info?: string | undefined;
  /** JSON text. */
  readonly data: string;
}

/** One command as text: one WebSocket message, line or datagram. */
export function encodeCommand(command: Command): string {
  return JSON.stringify(command);
}

/** One server message as text. */
export function encodeServerMessage(message: ServerMessage): string {
  return JSON.stringify(message);
}

/** A publication as text, without parsing its `data` and `info`: they are spliced in as they are kept. */
export function encodePublication(channel: string, publication: StoredPublication): string {
  // A channel name needs no escaping: isChannelName allows no quote, backslash or control character.
  return `{"type":"publication","channel":"${channel}",${fields(publication)}}`;
}

/** An entry of a history page as text. */
export function encodeEntry(publication: StoredPublication): string {
  return `{${fields(publication)}}`;
}

function fields({ offset, at, user, info, data }: StoredPublication): string {
  const shown = info === undefined ? "" : `,"info":${info}`;
  return `"offset":${offset},"at":${at},"user":${JSON.stringify(user)}${shown},"data":${data}`;
}

/**
 * Reads what a server sent; `undefined` for a text that is no message, or a message of a later version, which
 * a client ignores. Checks what a client relies on to be safe, not each field: it trusts the server it chose.
 */
export function decodeServerMessage(text: string): ServerMessage | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isJsonObject(value) || typeof value["type"] !== "string" || !KNOWN.has(value["type"]))
    return undefined;
  return value as unknown as ServerMessage;
}

const KNOWN: ReadonlySet<string> = new Set<ServerMessage["type"]>([
  "connected",
  "subscribed",
  "unsubscribed",
  "published",
  "history",
  "presence",
  "pong",
  "verify",
  "error",
  "publication",
  "gap",
  "join",
  "leave",
  "disconnect",
]);
