import { checkKind, checkNames } from "@zocalo/net/transport";
import type { DeflateParameters, DeflateSettings } from "../core/compression.ts";
import { isZlibUsable } from "../core/sync-zlib.ts";
import { limit, wholeNumber } from "../session/options.ts";
import { type ExtensionOffer, parseExtensions } from "./extensions.ts";

/** How messages are compressed (permessage-deflate, RFC 7692). */
export interface CompressionOptions {
  /**
   * Messages shorter than this, in bytes, are sent as they are. Default 256; 0 leaves none out, `Infinity`
   * all.
   */
  readonly thresholdBytes?: number | undefined;
  /** 1 (fast) to 9 (small). Default 1. */
  readonly level?: number | undefined;
  /** 1 to 9; a compressor takes 2^(memLevel + 9) bytes and its window. Default 8. */
  readonly memLevel?: number | undefined;
  /**
   * Let messages refer to those before them: smaller for many alike, but each connection then has its own
   * state, some 300 kB after the first message in each direction. Default false: connections have none, and a
   * broadcast is compressed once.
   */
  readonly contextTakeover?: boolean | undefined;
  /** Largest window of what the server sends, as a power of two: 8 to 15. Default 15. */
  readonly serverMaxWindowBits?: number | undefined;
  /**
   * Largest window of what the client sends: 8 to 15. A client that cannot limit it is not bound. Default 15.
   */
  readonly clientMaxWindowBits?: number | undefined;
}

/** Every name of `CompressionOptions`. */
const compressionOptionNames: Readonly<Record<keyof CompressionOptions, 1>> = {
  thresholdBytes: 1,
  level: 1,
  memLevel: 1,
  contextTakeover: 1,
  serverMaxWindowBits: 1,
  clientMaxWindowBits: 1,
};

/** `CompressionOptions`, complete and checked. */
export interface CompressionSettings extends DeflateSettings {
  readonly contextTakeover: boolean;
  readonly serverMaxWindowBits: number;
  readonly clientMaxWindowBits: number;
}

const NAME = "permessage-deflate";
const MAX_WINDOW_BITS = 15;

/**
 * Completes options; `undefined` for no compression.
 *
 * @throws WebSocketNetError or NetError `invalid_argument`.
 */
export function compressionSettings(
  options: boolean | CompressionOptions | undefined,
): CompressionSettings | undefined {
  if (options === undefined || options === false) return undefined;
  const given = options === true ? {} : options;
  checkKind("set", "compression", given, "object");
  checkNames("set", "compression", given, compressionOptionNames);
  checkKind("set", "contextTakeover", given.contextTakeover, "boolean");
  const settings: CompressionSettings = {
    thresholdBytes: limit("thresholdBytes", given.thresholdBytes, 256, 0),
    level: wholeNumber("level", given.level, 1, 1, 9),
    memLevel: wholeNumber("memLevel", given.memLevel, 8, 1, 9),
    contextTakeover: given.contextTakeover ?? false,
    serverMaxWindowBits: wholeNumber(
      "serverMaxWindowBits",
      given.serverMaxWindowBits,
      MAX_WINDOW_BITS,
      8,
      15,
    ),
    clientMaxWindowBits: wholeNumber(
      "clientMaxWindowBits",
      given.clientMaxWindowBits,
      MAX_WINDOW_BITS,
      8,
      15,
    ),
  };
  return isZlibUsable() ? settings : undefined;
}

/** What a server accepts, and the header that says so. */
export interface AcceptedDeflate {
  readonly parameters: DeflateParameters;
  readonly header: string;
}

/** The first offer that a server can accept (RFC 7692 §7.1), if any. */
export function acceptDeflate(
  offers: readonly ExtensionOffer[],
  settings: CompressionSettings,
): AcceptedDeflate | undefined {
  for (const offer of offers) {
    const asked = offer.name === NAME ? readParameters(offer) : undefined;
    if (asked === undefined || asked.serverMaxWindowBits === true) continue;
    const serverMaxWindowBits = Math.min(
      settings.serverMaxWindowBits,
      asked.serverMaxWindowBits ?? MAX_WINDOW_BITS,
    );
    // Only a client that said it can may be told to limit its window.
    const clientLimit = asked.clientMaxWindowBits === true ? MAX_WINDOW_BITS : asked.clientMaxWindowBits;
    const clientMaxWindowBits =
      clientLimit === undefined ? MAX_WINDOW_BITS : Math.min(settings.clientMaxWindowBits, clientLimit);
    const parameters: DeflateParameters = {
      serverNoContextTakeover: asked.serverNoContextTakeover || !settings.contextTakeover,
      clientNoContextTakeover: asked.clientNoContextTakeover || !settings.contextTakeover,
      serverMaxWindowBits,
      clientMaxWindowBits,
    };
    const words = [NAME];
    if (parameters.serverNoContextTakeover) words.push("server_no_context_takeover");
    if (parameters.clientNoContextTakeover) words.push("client_no_context_takeover");
    if (serverMaxWindowBits < MAX_WINDOW_BITS || asked.serverMaxWindowBits !== undefined) {
      words.push(`server_max_window_bits=${serverMaxWindowBits}`);
    }
    if (clientMaxWindowBits < MAX_WINDOW_BITS) words.push(`client_max_window_bits=${clientMaxWindowBits}`);
    return { parameters, header: words.join("; ") };
  }
  return undefined;
}

/** What a client offers. */
export function offerDeflate(settings: CompressionSettings): string {
  const words = [NAME];
  if (!settings.contextTakeover) words.push("server_no_context_takeover", "client_no_context_takeover");
  if (settings.serverMaxWindowBits < MAX_WINDOW_BITS) {
    words.push(`server_max_window_bits=${settings.serverMaxWindowBits}`);
  }
  const limit = settings.clientMaxWindowBits;
  words.push(limit < MAX_WINDOW_BITS ? `client_max_window_bits=${limit}` : "client_max_window_bits");
  return words.join("; ");
}

/**
 * Judges a server's `Sec-WebSocket-Extensions`.
 *
 * @param settings what was offered; `undefined`: nothing.
 * @returns the parameters, `undefined` for no compression, or what is wrong.
 */
export function readAcceptedDeflate(
  values: readonly string[],
  settings: CompressionSettings | undefined,
): DeflateParameters | undefined | { readonly fault: string } {
  if (values.length === 0) return undefined;
  const accepted = parseExtensions(values);
  if (accepted === undefined) return { fault: "malformed Sec-WebSocket-Extensions" };
  const [extension] = accepted;
  if (settings === undefined || accepted.length !== 1 || extension?.name !== NAME) {
    return { fault: "an extension that was not asked for" };
  }
  const read = readParameters(extension);
  if (read === undefined || read.serverMaxWindowBits === true || read.clientMaxWindowBits === true) {
    return { fault: "bad parameters of permessage-deflate" };
  }
  if (!settings.contextTakeover && !read.serverNoContextTakeover) {
    return { fault: "permessage-deflate without server_no_context_takeover" };
  }
  const serverMaxWindowBits = read.serverMaxWindowBits ?? MAX_WINDOW_BITS;
  if (serverMaxWindowBits > settings.serverMaxWindowBits)
    return { fault: "a larger window than was asked for" };
  return {
    serverNoContextTakeover: read.serverNoContextTakeover,
    clientNoContextTakeover: read.clientNoContextTakeover || !settings.contextTakeover,
    serverMaxWindowBits,
    clientMaxWindowBits: Math.min(settings.clientMaxWindowBits, read.clientMaxWindowBits ?? MAX_WINDOW_BITS),
  };
}

interface ReadParameters {
  serverNoContextTakeover: boolean;
  clientNoContextTakeover: boolean;
  serverMaxWindowBits: number | true | undefined;
  clientMaxWindowBits: number | true | undefined;
}

/** `undefined` if a parameter is unknown, repeated or has a wrong value. */
function readParameters({ parameters }: ExtensionOffer): ReadParameters | undefined {
  const read: ReadParameters = {
    serverNoContextTakeover: false,
    clientNoContextTakeover: false,
    serverMaxWindowBits: undefined,
    clientMaxWindowBits: undefined,
  };
  const seen = new Set<string>();
  for (const [name, value] of parameters) {
    if (seen.has(name)) return undefined;
    seen.add(name);
    if (name === "server_no_context_takeover" || name === "client_no_context_takeover") {
      if (value !== true) return undefined;
      if (name === "server_no_context_takeover") read.serverNoContextTakeover = true;
      else read.clientNoContextTakeover = true;
    } else if (name === "server_max_window_bits" || name === "client_max_window_bits") {
      if (value !== true && !/^(?:[89]|1[0-5])$/.test(value)) return undefined;
      const bits = value === true ? true : Number(value);
      if (name === "server_max_window_bits") read.serverMaxWindowBits = bits;
      else read.clientMaxWindowBits = bits;
    } else {
      return undefined;
    }
  }
  return read;
}
