import { fromBase64, toBase64 } from "./base64.ts";
import { isJsonObject, type Json, type JsonObject } from "./json.ts";
import { JsonScanner, type JsonSpan } from "./json-scanner.ts";
import { eachItem } from "./json-walk.ts";
import type {
  Command,
  Data,
  ReceivedCast,
  ReceivedCommand,
  ReceivedMessage,
  ReceivedPage,
  ReceivedPublish,
  ServerMessage,
} from "./message.ts";

/** A publication whose `data` and `info` are still JSON text, as an engine keeps them. */
export interface StoredPublication {
  readonly offset: number;
  /** When it was committed, in milliseconds since the Unix epoch. */
  readonly at: number;
  readonly user: string;
  /** JSON text of an object. */
  readonly info?: string | undefined;
  /** JSON text, or bytes as they came. */
  readonly data: string | Uint8Array;
  /** The public name of the session that published it. Told with what is new, and not kept. */
  readonly sender?: string | undefined;
}

/** Something of this moment whose `data` is still JSON text. */
export interface StoredCast {
  readonly user: string;
  readonly key?: string | undefined;
  /** JSON text, or bytes as they came. */
  readonly data: string | Uint8Array;
  /** The public name of the session that says it, if others are told. */
  readonly sender?: string | undefined;
}

/**
 * One command as text: one WebSocket message, line or datagram. Of one that was received the JSON text goes
 * on as it came.
 */
export function encodeCommand(command: Command | ReceivedCommand): string {
  if ("json" in command && command.json) {
    const { data: _, json, ...rest } = command;
    return withField(rest, "data", json);
  }
  if ("data" in command && command.data instanceof Uint8Array) {
    const { data, json: _, ...rest } = command as ReceivedPublish | ReceivedCast;
    return withField(rest, "bytes", `"${toBase64(data as Uint8Array)}"`);
  }
  if ("infoJson" in command && command.infoJson !== undefined) {
    const { info: _, infoJson, ...rest } = command;
    return withField(rest, "info", infoJson);
  }
  return JSON.stringify(command);
}

/** @param object which has members, and not this one */
function withField(object: object, name: string, json: string): string {
  return `${JSON.stringify(object).slice(0, -1)},"${name}":${json}}`;
}

/** One server message as text. */
export function encodeServerMessage(message: ServerMessage): string {
  if ("data" in message) return JSON.stringify(inJson(message));
  if (message.type === "history") {
    return JSON.stringify({ ...message, publications: message.publications.map(inJson) });
  }
  return JSON.stringify(message);
}

/** The same with base64 for bytes. */
function inJson(message: { readonly data?: Data }): object {
  const { data, ...rest } = message;
  return data instanceof Uint8Array ? { ...rest, bytes: toBase64(data) } : message;
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

function fields({ offset, at, user, info, data, sender }: StoredPublication): string {
  const shown = info === undefined ? "" : `,"info":${info}`;
  return `"offset":${offset},"at":${at},"user":${JSON.stringify(user)}${shown}${text("sender", sender)},${content(data)}`;
}

/** A `cast` push as text: `data` is spliced in as it came. */
export function encodeCast(channel: string, { user, key, data, sender }: StoredCast): string {
  const who = `"user":${JSON.stringify(user)}${text("key", key)}${text("sender", sender)}`;
  return `{"type":"cast","channel":"${channel}",${who},${content(data)}}`;
}

/**
 * A `message` push as text.
 *
 * @param topic for which `isChannelName` is true
 * @param data JSON text, or bytes
 */
export function encodeMessage(topic: string, data: string | Uint8Array): string {
  return `{"type":"message","topic":"${topic}",${content(data)}}`;
}

function text(name: string, value: string | undefined): string {
  return value === undefined ? "" : `,"${name}":${JSON.stringify(value)}`;
}

function content(data: string | Uint8Array): string {
  return typeof data === "string" ? `"data":${data}` : `"bytes":"${toBase64(data)}"`;
}

/**
 * Reads what a server sent; `undefined` for a text that is no message, or a message of a later version, which
 * a client ignores. Checks what a client relies on to be safe, not each field: it trusts the server it chose.
 * The `json` of each publication is a part of `text`.
 */
export function decodeServerMessage(text: string): ReceivedMessage | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isJsonObject(value) || !KNOWN.has(value["type"])) return undefined;
  if (value["type"] === "history") return withEntriesJson(value, text);
  const says = addBytes(value) || ("data" in value && addJsonOf(value, text));
  // A publication that says nothing is none.
  return says || value["type"] !== "publication" ? (value as unknown as ReceivedMessage) : undefined;
}

function addJsonOf(message: JsonObject, text: string): boolean {
  const span = new JsonScanner(text).member("data");
  if (span) addJson(message, text, span);
  return span !== undefined;
}

function withEntriesJson(page: JsonObject, text: string): ReceivedPage | undefined {
  const entries = page["publications"];
  if (!Array.isArray(entries) || !entries.every(isJsonObject)) return undefined;
  let spans: readonly (JsonSpan | undefined)[] | undefined;
  for (const [index, entry] of entries.entries()) {
    if (addBytes(entry)) continue;
    spans ??= spansOfData(text);
    const span = spans[index];
    if (span === undefined) return undefined;
    addJson(entry, text, span);
  }
  return page as unknown as ReceivedPage;
}

/** Where the `data` of each entry of a page stands. */
function spansOfData(text: string): readonly (JsonSpan | undefined)[] {
  const scanner = new JsonScanner(text, new JsonScanner(text).member("publications")?.start);
  const spans: (JsonSpan | undefined)[] = [];
  eachItem(scanner, () => spans.push(scanner.member("data")));
  return spans;
}

/** Whether it has bytes, which are its `data` then. */
function addBytes(object: { bytes?: Json; data?: Data; json?: string }): boolean {
  const { bytes } = object;
  const data = typeof bytes === "string" ? fromBase64(bytes) : undefined;
  if (data === undefined) return false;
  delete object.bytes;
  object.data = data;
  object.json = "";
  return true;
}

/** @param object which nobody else has */
function addJson(object: { json?: Json }, text: string, { start, end }: JsonSpan): object {
  object.json = text.slice(start, end);
  return object;
}

const KNOWN: ReadonlySet<unknown> = new Set<ServerMessage["type"]>([
  "connected",
  "subscribed",
  "unsubscribed",
  "published",
  "result",
  "failed",
  "refreshed",
  "history",
  "presence",
  "pong",
  "verify",
  "error",
  "publication",
  "cast",
  "message",
  "gap",
  "join",
  "leave",
  "changes",
  "ping",
  "disconnect",
]);
