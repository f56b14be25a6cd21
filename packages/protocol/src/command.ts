import { fromBase64 } from "./base64.ts";
import { ProtocolError } from "./error.ts";
import { isJsonObject, type Json, type JsonObject, toOneLine } from "./json.ts";
import { NotJson } from "./json-checker.ts";
import { type JsonMembers, type JsonPart, type JsonText, readMembers } from "./json-members.ts";
import { isChannelName, isMethodName, LIMITS } from "./limits.ts";
import type { Position, ReceivedCommand, ReceivedPublish } from "./message.ts";

/**
 * Reads one command, strictly: every field is checked, unknown fields are ignored, so that later versions can
 * add some. `json` and `infoJson` are parts of `text`, but for CR and LF (`toOneLine`).
 *
 * @param text one WebSocket message, line or datagram
 * @param maxBytes how long a text is read; who counts bytes is the transport. Default 65,536
 * @throws ProtocolError `bad_json`, `bad_command`, `unknown_command` or `too_large`, with the command's `id`
 *   if it had a good one
 * @example decodeCommand('{"id":1,"type":"subscribe","channel":"plaza:general"}').type // "subscribe"
 */
export function decodeCommand(text: string, maxBytes: number = LIMITS.commandBytes): ReceivedCommand {
  if (text.length > maxBytes) {
    throw new ProtocolError("too_large", `a command is at most ${maxBytes} bytes`);
  }
  let members: JsonMembers | undefined;
  try {
    members = readMembers(text);
  } catch {
    throw new ProtocolError("bad_json", `not JSON: ${excerpt(text)}`);
  }
  if (!members) throw new ProtocolError("bad_json", `not a JSON object: ${excerpt(text)}`);
  return readCommand(members.values, members.textOf);
}

/**
 * Reads one command, whatever form it came in.
 *
 * @param textOf gives the text of what is passed on as it came. @throws NotJson
 * @throws ProtocolError as `decodeCommand`
 */
export function readCommand(
  values: Readonly<Record<string, unknown>>,
  textOf: JsonMembers["textOf"],
): ReceivedCommand {
  return new Fields(values, textOf).command();
}

/** What a command says. */
type Content = Pick<ReceivedPublish, "data" | "json">;

/** Reads the fields of one command; every complaint carries the command's id. */
class Fields {
  readonly #object: Readonly<Record<string, unknown>>;
  readonly #textOf: JsonMembers["textOf"];
  readonly #id: number | undefined;

  constructor(object: Readonly<Record<string, unknown>>, textOf: JsonMembers["textOf"]) {
    this.#object = object;
    this.#textOf = textOf;
    this.#id = undefined; // until it is known to be good, complaints go without it
    this.#id = this.#integer("id", 1, Number.MAX_SAFE_INTEGER);
  }

  command(): ReceivedCommand {
    const type = this.#object["type"];
    const base = {
      ...given("id", this.#id),
      ...given("session", this.#string("session", LIMITS.sessionLength)),
      ...given("guest", this.#boolean("guest")),
      ...given("cookie", this.#string("cookie", 64)),
    };
    switch (type) {
      case "connect":
        return {
          type,
          ...base,
          ...given("version", this.#integer("version", 0, Number.MAX_SAFE_INTEGER)),
          ...given("token", this.#string("token", LIMITS.tokenLength)),
          ...this.#info(),
          ...given("answersPings", this.#boolean("answersPings")),
          ...given("key", this.#key()),
        };
      case "refresh": {
        const token = this.#string("token", LIMITS.tokenLength);
        return { type, ...base, token: token ?? this.#complain("token", "is missing") };
      }
      case "subscribe":
        return {
          type,
          ...base,
          channel: this.#channel(),
          ...given("since", this.#position()),
          ...given("last", this.#integer("last", 0, LIMITS.publications)),
          ...given("presence", this.#boolean("presence")),
          ...given("gather", this.#boolean("gather")),
          ...given("hidden", this.#boolean("hidden")),
        };
      case "publish":
        return this.#content({ type, ...base, channel: this.#channel(), ...given("key", this.#key()) });
      case "call": {
        const id = this.#id ?? this.#complain("id", "is missing");
        const deadlineMs = this.#integer("deadlineMs", 1, Number.MAX_SAFE_INTEGER);
        const call = {
          type,
          ...base,
          id,
          method: this.#method(),
          ...given("deadlineMs", deadlineMs),
        } as const;
        return this.#said(call);
      }
      case "cancel": {
        const call = this.#integer("call", 1, Number.MAX_SAFE_INTEGER);
        return { type, ...base, call: call ?? this.#complain("call", "is missing") };
      }
      case "cast": {
        if (this.#object["method"] === undefined)
          return this.#content({ type, ...base, channel: this.#channel(), ...given("key", this.#key()) });
        if (this.#object["channel"] !== undefined) this.#complain("method", 'excludes "channel"');
        return this.#content({ type, ...base, method: this.#method() });
      }
      case "history":
        return {
          type,
          ...base,
          channel: this.#channel(),
          ...given("before", this.#integer("before", 1, Number.MAX_SAFE_INTEGER)),
          ...given("limit", this.#integer("limit", 1, LIMITS.publications)),
        };
      case "presence":
        return {
          type,
          ...base,
          channel: this.#channel(),
          ...given("after", this.#integer("after", 0, Number.MAX_SAFE_INTEGER)),
          ...given("limit", this.#integer("limit", 1, LIMITS.users)),
        };
      case "unsubscribe":
        return { type, ...base, channel: this.#channel() };
      case "ping":
      case "pong":
        return { type, ...base };
      default:
        if (typeof type !== "string") this.#complain("type", "is missing or not a string");
        throw new ProtocolError("unknown_command", `no command is called ${excerpt(type)}`, this.#id);
    }
  }

  #channel(): string {
    const channel = this.#object["channel"];
    if (typeof channel !== "string" || !isChannelName(channel)) {
      this.#complain(
        "channel",
        `must be namespace:name of letters, digits and _.~@/-, at most ${LIMITS.channelLength}`,
      );
    }
    return channel;
  }

  #method(): string {
    const { method } = this.#object;
    if (typeof method !== "string" || !isMethodName(method)) {
      this.#complain("method", `must be letters, digits and _.~@/:-, at most ${LIMITS.channelLength}`);
    }
    return method;
  }

  /** Adds what the command says. */
  #content<Base extends object>(base: Base): Base & Content {
    const said = this.#said(base);
    return "json" in said ? said : this.#complain("data", "is missing");
  }

  /** Adds what the command says, if it says anything. */
  #said<Base extends object>(base: Base): Base | (Base & Content) {
    const { bytes } = this.#object;
    if (bytes !== undefined) return { ...base, data: this.#bytes(bytes), json: "" };
    const json = this.#json("data");
    if (json === undefined) return base;
    return {
      ...base,
      // Its value is made for who asks: of tiny parts that takes long, and a server passes on the text.
      get data() {
        return JSON.parse(json) as Json;
      },
      json,
    };
  }

  /** The text of a field, if it is there. */
  #json(name: JsonPart): string | undefined {
    const found = this.#text(name);
    if (found === undefined) return undefined;
    if (found.depth > LIMITS.depth) this.#complain(name, `nests deeper than ${LIMITS.depth}`);
    return toOneLine(found.text);
  }

  #text(name: JsonPart): JsonText | undefined {
    try {
      return this.#textOf(name);
    } catch (error) {
      if (error instanceof NotJson) this.#complain(name, "is not JSON");
      throw error;
    }
  }

  #bytes(value: unknown): Uint8Array {
    if (this.#text("data") !== undefined) this.#complain("bytes", 'excludes "data"');
    if (value instanceof Uint8Array) return value; // as the binary form has them
    const bytes = typeof value === "string" ? fromBase64(value) : undefined;
    if (bytes === undefined) this.#complain("bytes", "must be base64, with padding");
    return bytes;
  }

  #info(): { readonly info?: JsonObject; readonly infoJson?: string } {
    const infoJson = this.#json("info");
    if (infoJson === undefined) return {};
    if (!infoJson.startsWith("{")) this.#complain("info", "must be an object");
    if (infoJson.length > LIMITS.infoLength) {
      throw new ProtocolError("too_large", `"info" is at most ${LIMITS.infoLength} characters`, this.#id);
    }
    return { info: JSON.parse(infoJson) as JsonObject, infoJson };
  }

  #key(): string | undefined {
    const key = this.#string("key", LIMITS.keyLength);
    if (key === "") this.#complain("key", "must not be empty");
    return key;
  }

  #position(): Position | undefined {
    const since = this.#object["since"];
    if (since === undefined) return undefined;
    if (!isJsonObject(since)) this.#complain("since", "must be { epoch, offset }");
    const { epoch, offset } = since;
    if (typeof epoch !== "string" || epoch === "" || epoch.length > LIMITS.epochLength) {
      this.#complain("since.epoch", `must be a string of 1 to ${LIMITS.epochLength} characters`);
    }
    if (typeof offset !== "number" || !Number.isSafeInteger(offset) || offset < 0) {
      this.#complain("since.offset", "must be a whole number from 0");
    }
    return { epoch, offset };
  }

  #integer(name: string, least: number, most: number): number | undefined {
    const value = this.#object[name];
    if (value === undefined) return undefined;
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least || value > most) {
      this.#complain(name, `must be a whole number from ${least} to ${most}`);
    }
    return value;
  }

  #string(name: string, most: number): string | undefined {
    const value = this.#object[name];
    if (value === undefined) return undefined;
    if (typeof value !== "string") this.#complain(name, "must be a string");
    if (value.length > most) this.#complain(name, `is longer than ${most} characters`);
    return value;
  }

  #boolean(name: string): boolean | undefined {
    const value = this.#object[name];
    if (value === undefined || typeof value === "boolean") return value;
    return this.#complain(name, "must be true or false");
  }

  #complain(field: string, what: string): never {
    throw new ProtocolError("bad_command", `"${field}" ${what}`, this.#id);
  }
}

/** An optional property: present only if it has a value. */
function given<Name extends string, Value>(name: Name, value: Value | undefined): { [N in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { [N in Name]?: Value });
}

/** The start of what was sent, as JSON text, so that an error shows it and stays small. */
function excerpt(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "nothing");
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
