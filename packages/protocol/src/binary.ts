// The binary form: docs/protocol-binary.md describes it byte by byte.
import { fromBase64, toBase64 } from "./base64.ts";
import { ByteReader, textOf } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { type BytesAs, MEMBERS, type Member, type NumberAs, TYPES } from "./binary-members.ts";
import type { StoredCast, StoredPublication } from "./codec.ts";
import { readCommand } from "./command.ts";
import { ProtocolError } from "./error.ts";
import { jsonText } from "./json-members.ts";
import { JsonScanner, OPENING_BRACE, OPENING_BRACKET } from "./json-scanner.ts";
import { eachItem, eachMember } from "./json-walk.ts";
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
  const { offset, at, user, info, data, sender } = publication;
  const who = { user, infoJson: info, sender };
  const message = { type: "publication", channel, offset, at, ...who, ...contentOf(data) } as const;
  return encode(message);
}

/** A `cast` push as bytes, without parsing its `data`. */
export function encodeBinaryCast(channel: string, { user, key, sender, data }: StoredCast): Uint8Array {
  const message = { type: "cast", channel, user, key, sender, ...contentOf(data) } as const;
  return encode(message);
}

/**
 * A `message` push as bytes. Hot path where the data are bytes: guarded by `npm run bench -- cast`.
 *
 * @param topic for which `isMethodName` is true
 * @param data JSON text, or bytes
 */
export function encodeBinaryMessagePush(topic: string, data: string | Uint8Array): Uint8Array {
  if (typeof data === "string") {
    const message = { type: "message", topic, json: data } as const;
    return encode(message);
  }
  const topicBytes = 1 + numberBytes(topic.length) + topic.length;
  const length = topicBytes + 1 + numberBytes(data.length) + data.length;
  const message = new Uint8Array(1 + numberBytes(length) + length);
  message[0] = FIRST_TYPE + TYPES.message;
  let at = putNumber(message, 1, length);
  message[at++] = 2 * MEMBERS.topic.number + 1;
  at = putNumber(message, at, topic.length);
  for (let each = 0; each < topic.length; each++) message[at++] = topic.charCodeAt(each);
  message[at++] = 2 * MEMBERS.bytes.number + 1;
  message.set(data, putNumber(message, at, data.length));
  return message;
}

/** Bytes that a length takes. */
function numberBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : 4;
}

/** Gives where it ends. @param value less than 2^28 */
function putNumber(bytes: Uint8Array, start: number, value: number): number {
  let at = start;
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes[at++] = (rest & 0x7f) | 0x80;
  bytes[at++] = rest;
  return at;
}

function contentOf(data: string | Uint8Array): { readonly json: string } | { readonly data: Uint8Array } {
  return typeof data === "string" ? { json: data } : { data };
}

/**
 * A message that is JSON text, as bytes. What is JSON in it stays the text that it is.
 *
 * @param text as `encodeServerMessage` or `encodeCommand` makes it
 */
export function toBinaryMessage(text: string): Uint8Array {
  const body = new ByteWriter();
  const { type } = writeText(body, text, new JsonScanner(text), true);
  return whole(type as Command["type"], body);
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

/**
 * Writes the object that the scanner comes to. Of what stays JSON no value is made, which would take long; it
 * stands behind the rest.
 *
 * @param isMessage its type stands elsewhere, and is given back
 */
function writeText(
  writer: ByteWriter,
  text: string,
  scanner: JsonScanner,
  isMessage: boolean,
): { readonly type?: unknown } {
  const parts: { data?: string; bytes?: string; info?: string } = {};
  let type: unknown;
  eachMember(scanner, text, (name, first) => {
    const member = MEMBERS_BY_NAME.get(name);
    if (first === OPENING_BRACE && member?.bytesAs === "object") {
      writer.number(2 * member.number + 1);
      const object = new ByteWriter();
      writeText(object, text, scanner, false);
      writer.run(object.view);
    } else if (first === OPENING_BRACKET && member?.bytesAs === "array") {
      writer.number(2 * member.number + 1);
      writer.run(writtenItems(text, scanner));
    } else {
      const { start, end } = scanner.value();
      const part = text.slice(start, end);
      if (name === "data" || name === "bytes" || name === "info") parts[name] = part;
      else if (isMessage && name === "type") type = JSON.parse(part);
      else if (member) writeMember(writer, member, JSON.parse(part));
    }
  });
  const { data, bytes, info } = parts;
  if (data !== undefined) writeJson(writer, MEMBERS.data, undefined, data);
  if (bytes !== undefined) writeMember(writer, MEMBERS.bytes, fromBase64(JSON.parse(bytes) as string));
  if (info !== undefined) writeJson(writer, MEMBERS.info, undefined, info);
  return { type };
}

function writtenItems(text: string, scanner: JsonScanner): Uint8Array {
  const items = new ByteWriter();
  eachItem(scanner, () => {
    const item = new ByteWriter();
    writeText(item, text, scanner, false);
    items.run(item.view);
  });
  return items.view;
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
  const values = { ...readMembers(members, 1, texts), type: TYPE_NAMES.get(type) ?? `number ${type}` };
  return readCommand(values, (name) => {
    const text = texts.get(name);
    return text === undefined ? undefined : jsonText(text);
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
    const entries = (message["publications"] ?? []) as readonly Record<string, unknown>[];
    for (const object of [message, ...entries]) bytesToData(object);
    return { type: name, ...message } as unknown as ReceivedMessage;
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

/** In a message that was read bytes are the `data`. */
function bytesToData(object: Record<string, unknown>): void {
  if (object["bytes"] === undefined) return;
  object["data"] = object["bytes"];
  object["json"] = "";
  delete object["bytes"];
}

function encode(message: { readonly type: Command["type"] | ServerMessage["type"] }): Uint8Array {
  const { type, ...members } = message;
  const body = new ByteWriter();
  writeMembers(body, members);
  return whole(type, body);
}

function whole(type: Command["type"] | ServerMessage["type"], body: ByteWriter): Uint8Array {
  const message = new ByteWriter();
  message.byte(FIRST_TYPE + TYPES[type]);
  message.run(body.view);
  return message.taken();
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

/** @param texts takes what is JSON, as it stands, by the name of the member; without it it is made a value */
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
  texts?.set(name, text);
  if (texts) return;
  try {
    object[name] = JSON.parse(text) as unknown;
  } catch {
    throw new ProtocolError("bad_command", `"${name}" is not JSON`);
  }
  if (name === "data") object["json"] = text;
}
