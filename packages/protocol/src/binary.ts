// The binary form: docs/protocol-binary.md describes it byte by byte.
import { fromBase64, toBase64 } from "./base64.ts";
import { ByteReader, textOf } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { type BytesAs, MEMBERS, type Member, type NumberAs, TYPES } from "./binary-members.ts";
import type { StoredPublication } from "./codec.ts";
import { readCommand } from "./command.ts";
import { ProtocolError } from "./error.ts";
import { JsonScanner, type JsonSpan } from "./json-scanner.ts";
import type { Command, ReceivedCommand, ReceivedMessage, ServerMessage } from "./message.ts";

/** The WebSocket subprotocol of the binary form. */
export const BINARY_SUBPROTOCOL = "zocalo.binary";

/** What the first byte of a message is at least, and below what: no text in UTF-8 begins so. */
const FIRST_TYPE = 0x80;
const AFTER_TYPES = 0xc0;
/** How deep objects stand in a message: a user in the snapshot in an answer. */
const MAX_DEPTH = 3;

const TYPE_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(TYPES).map(([name, number]) => [number, name]),
);
const MEMBERS_BY_NAME: ReadonlyMap<string, Member> = new Map(Object.entries(MEMBERS));
const MEMBERS_BY_NUMBER: ReadonlyMap<number, Member & { readonly name: string }> = new Map(
  Object.entries(MEMBERS).map(([name, member]) => [member.number, { name, ...member }]),
);

/** Whether a message, or a stream, that begins with this byte is of the binary form. */
export function isBinaryStart(byte: number): boolean {
  return byte >= FIRST_TYPE && byte < AFTER_TYPES;
}

/** One command as bytes. Of one that was received the JSON text goes on as it came. */
export function encodeBinaryCommand(command: Command | ReceivedCommand): Uint8Array {
  return encode(command);
}

/** One server message as bytes. Of what was received the JSON text goes on as it came. */
export function encodeBinaryMessage(message: ServerMessage | ReceivedMessage): Uint8Array {
  return encode(message);
}

/** A publication as bytes, without parsing its `data` and `info`. */
export function encodeBinaryPublication(channel: string, publication: StoredPublication): Uint8Array {
  const { offset, at, user, info, data } = publication;
  const content = typeof data === "string" ? { json: data } : { data };
  const message = { type: "publication", channel, offset, at, user, infoJson: info, ...content } as const;
  return encode(message);
}

/**
 * A message that is JSON text, as bytes. What is JSON in it stays the text that it is.
 *
 * @param text as `encodeServerMessage` or `encodeCommand` makes it
 */
export function toBinaryMessage(text: string): Uint8Array {
  const message = JSON.parse(text) as (Command | ServerMessage) & MutableMembers;
  addTexts(message, text, 0);
  return encode(message);
}

/**
 * A message of the binary form as JSON text. What is JSON in it stays the text that it is.
 *
 * @returns `undefined` for what is no message, or of a type that is not known here
 */
export function toJsonMessage(bytes: Uint8Array): string | undefined {
  try {
    const { type, members } = open(bytes);
    const name = TYPE_NAMES.get(type);
    return name && `{${[`"type":"${name}"`, ...printMembers(members, 1)].join(",")}}`;
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

type MutableMembers = Record<string, unknown>;

/** @param at where this object stands in the text */
function addTexts(object: MutableMembers, text: string, at: number): void {
  for (const [name, value] of Object.entries(object)) {
    if (typeof value !== "object" || value === null || name === "data" || name === "info") continue;
    const start = new JsonScanner(text, at).member(name)?.start;
    if (!Array.isArray(value)) addTexts(value as MutableMembers, text, start ?? 0);
    else for (const part of ["data", "info"] as const) addItemTexts(value, part, text, start ?? 0);
  }
  addText(object, "data", text, new JsonScanner(text, at).member("data"));
  addText(object, "info", text, new JsonScanner(text, at).member("info"));
}

function addItemTexts(
  items: readonly MutableMembers[],
  name: "data" | "info",
  text: string,
  at: number,
): void {
  const spans = new JsonScanner(text, at).members(name);
  for (const [index, item] of items.entries()) addText(item, name, text, spans[index]);
}

function addText(
  object: MutableMembers,
  name: "data" | "info",
  text: string,
  span: JsonSpan | undefined,
): void {
  if (span) object[name === "data" ? "json" : "infoJson"] = text.slice(span.start, span.end);
  if (typeof object["bytes"] !== "string") return;
  object["data"] = fromBase64(object["bytes"]);
  delete object["bytes"];
}

/**
 * Reads one command, as `decodeCommand` does of text.
 *
 * @throws ProtocolError `bad_command`, `unknown_command` or `too_large`, with the command's `id` if it had a
 *   good one
 */
export function decodeBinaryCommand(bytes: Uint8Array, maxBytes: number): ReceivedCommand {
  if (bytes.length > maxBytes) throw new ProtocolError("too_large", `a command is at most ${maxBytes} bytes`);
  const { type, members } = open(bytes);
  const texts = new Map<string, string>();
  const fields = readMembers(members, 1, texts);
  return readCommand({ ...fields, type: TYPE_NAMES.get(type) ?? `number ${type}` }, (name) => {
    const text = texts.get(name);
    return text === undefined ? undefined : { text, depth: new JsonScanner(text).value().depth };
  });
}

/**
 * Reads what a server sent, as `decodeServerMessage` does of text: `undefined` for what is no message, or one
 * of a later version.
 */
export function decodeBinaryMessage(bytes: Uint8Array): ReceivedMessage | undefined {
  try {
    const { type, members } = open(bytes);
    const name = TYPE_NAMES.get(type);
    if (name === undefined) return undefined;
    const message = readMembers(members, 1);
    const entries = (message["publications"] ?? []) as readonly MutableMembers[];
    for (const object of [message, ...entries]) bytesToData(object);
    return { type: name, ...message } as unknown as ReceivedMessage;
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

/** In a message that was read bytes are the `data`. */
function bytesToData(object: MutableMembers): void {
  if (object["bytes"] === undefined) return;
  object["data"] = object["bytes"];
  object["json"] = "";
  delete object["bytes"];
}

function encode(message: { readonly type: Command["type"] | ServerMessage["type"] }): Uint8Array {
  const { type, ...members } = message;
  const body = new ByteWriter();
  writeMembers(body, members);
  const whole = new ByteWriter();
  whole.byte(FIRST_TYPE + TYPES[type]);
  whole.run(body.view);
  return whole.taken();
}

function writeMembers(writer: ByteWriter, object: object): void {
  for (const [name, value] of Object.entries(object)) {
    const member = MEMBERS_BY_NAME.get(name);
    if (member && member.bytesAs !== "json" && value !== undefined) writeMember(writer, member, value);
  }
  const { data, json, info, infoJson } = object as Partial<Record<string, unknown>>;
  if (data instanceof Uint8Array) writeMember(writer, MEMBERS.bytes, data);
  else writeJson(writer, MEMBERS.data, data, json);
  writeJson(writer, MEMBERS.info, info, infoJson);
}

/** @param text of the value, if it is known */
function writeJson(writer: ByteWriter, { number }: Member, value: unknown, text: unknown): void {
  const json = typeof text === "string" ? text : JSON.stringify(value);
  if (json === undefined) return;
  writer.number(2 * number + 1);
  writer.text(json);
}

function writeMember(writer: ByteWriter, { number }: Member, value: unknown): void {
  if (typeof value === "number" || typeof value === "boolean") {
    writer.number(2 * number);
    // None is below 0, but for `at` where the server's clock was set to before 1970.
    writer.number(Math.max(0, Number(value)));
    return;
  }
  writer.number(2 * number + 1);
  if (typeof value === "string") writer.text(value);
  else writer.run(value instanceof Uint8Array ? value : written(value as object));
}

function written(value: object): Uint8Array {
  const writer = new ByteWriter();
  if (!Array.isArray(value)) writeMembers(writer, value);
  else for (const item of value) writer.run(written(item as object));
  return writer.view;
}

/** The type of a message stands before its members. */
function memberOf(key: number, depth: number): (Member & { readonly name: string }) | undefined {
  const member = MEMBERS_BY_NUMBER.get(Math.floor(key / 2));
  return depth === 1 && member?.name === "type" ? undefined : member;
}

/** Each member as JSON has it; of several with one name the last one counts there, too. */
function printMembers(bytes: Uint8Array, depth: number): string[] {
  if (depth > MAX_DEPTH) throw new ProtocolError("bad_command", "objects stand too deep in each other");
  const printed: string[] = [];
  for (const reader = new ByteReader(bytes); !reader.isAtEnd; ) {
    const key = reader.number();
    const member = memberOf(key, depth);
    const kind = key % 2 === 0 ? member?.numberAs : member?.bytesAs;
    const value = key % 2 === 0 ? reader.number() : reader.run();
    if (member && kind) printed.push(`"${member.name}":${print(kind, value, depth)}`);
  }
  return printed;
}

function print(kind: BytesAs | NumberAs, value: number | Uint8Array, depth: number): string {
  if (typeof value === "number") return String(numberAs(kind as NumberAs, value));
  switch (kind) {
    case "json":
      return textOf(value);
    case "bytes":
      return `"${toBase64(value)}"`;
    case "object":
      return `{${printMembers(value, depth + 1).join(",")}}`;
    case "array": {
      const items: string[] = [];
      for (const reader = new ByteReader(value); !reader.isAtEnd; )
        items.push(`{${printMembers(reader.run(), depth + 1).join(",")}}`);
      return `[${items.join(",")}]`;
    }
    default:
      return JSON.stringify(textOf(value));
  }
}

/** @throws ProtocolError `bad_command` for what is not one whole message */
function open(bytes: Uint8Array): { readonly type: number; readonly members: Uint8Array } {
  const reader = new ByteReader(bytes);
  const first = reader.byte();
  if (!isBinaryStart(first)) throw new ProtocolError("bad_command", `no message begins with ${first}`);
  const members = reader.run();
  if (!reader.isAtEnd) throw new ProtocolError("bad_command", "bytes follow the message");
  return { type: first - FIRST_TYPE, members };
}

/** @param texts takes the JSON text of what is JSON, by the name of the member */
function readMembers(bytes: Uint8Array, depth: number, texts?: Map<string, string>): Record<string, unknown> {
  if (depth > MAX_DEPTH) throw new ProtocolError("bad_command", "objects stand too deep in each other");
  const object: Record<string, unknown> = {};
  for (const reader = new ByteReader(bytes); !reader.isAtEnd; ) {
    const key = reader.number();
    const known = memberOf(key, depth);
    if (key % 2 === 0) {
      const value = reader.number();
      if (known?.numberAs) object[known.name] = numberAs(known.numberAs, value);
    } else {
      const value = reader.run();
      if (known?.bytesAs === "json") readJson(object, known.name, value, texts);
      else if (known?.bytesAs) readBytes(object, known.name, known.bytesAs, value, depth);
    }
  }
  return object;
}

function numberAs(kind: NumberAs, value: number): number | boolean {
  if (kind === "number" || value > 1) return value; // which is none that is allowed
  return value === 1;
}

function readBytes(
  object: Record<string, unknown>,
  name: string,
  kind: Exclude<BytesAs, "json">,
  bytes: Uint8Array,
  depth: number,
): void {
  switch (kind) {
    case "text":
      object[name] = textOf(bytes);
      return;
    case "bytes":
      object[name] = bytes;
      return;
    case "object":
      object[name] = readMembers(bytes, depth + 1);
      return;
    case "array": {
      const items: object[] = [];
      for (const reader = new ByteReader(bytes); !reader.isAtEnd; )
        items.push(readMembers(reader.run(), depth + 1));
      object[name] = items;
    }
  }
}

function readJson(
  object: Record<string, unknown>,
  name: string,
  bytes: Uint8Array,
  texts: Map<string, string> | undefined,
): void {
  const text = textOf(bytes);
  try {
    object[name] = JSON.parse(text) as unknown;
  } catch {
    throw new ProtocolError("bad_command", `"${name}" is not JSON`);
  }
  texts?.set(name, text);
  if (name === "data") object["json"] = text;
}
