import type { Addr } from "../contracts/addr.ts";
import { isUtf8 } from "node:buffer";
import { ChunkDecoder } from "./chunk-decoder.ts";
import type { Conn, Listener } from "../contracts/conn.ts";
import { NetError } from "../contracts/error.ts";
import { argumentError } from "../contracts/failures.ts";
import {
  copyOf,
  encodeWhole,
  type FrameCodec,
  type FrameDecoder,
  toBytes,
  tooLarge,
  toText,
} from "./frame-codec.ts";
import { framedBy, framedNames, type FramedOptions } from "./framed.ts";
import type { Message, MessageConn } from "../contracts/message-conn.ts";
import { checkNames, checkMessageKind, kindOf, type Names } from "../options/check-values.ts";

/** Longest delimiter, in bytes: it is searched for in every message, sent and received. */
const MAX_DELIMITER_BYTES = 64;

/** Options of `delimited`. */
export interface DelimitedOptions extends FramedOptions {
  /** Whether messages are received as `string` (checked to be UTF-8) or `Uint8Array`. Default `"binary"`. */
  readonly messages?: "text" | "binary" | undefined;
}

const names: Names<DelimitedOptions> = { ...framedNames, messages: 1 };

/**
 * Makes a stream, or every stream a listener accepts, a message connection whose messages end with
 * `delimiter` (text as UTF-8, or 1 to 64 bytes). A message that contains the delimiter cannot be sent:
 * `bad_frame`.
 *
 * @throws NetError `invalid_argument` if the delimiter is empty or longer than 64 bytes.
 * @example
 * const records = delimited(await dial("tcp", "localhost:9000"), "\0", { messages: "text" });
 */
export function delimited(
  conn: Conn,
  delimiter: string | Uint8Array,
  options?: DelimitedOptions,
): MessageConn;
export function delimited<A extends Addr>(
  listener: Listener<Conn, A>,
  delimiter: string | Uint8Array,
  options?: DelimitedOptions,
): Listener<MessageConn, A>;
export function delimited(
  source: Conn | Listener,
  delimiter: string | Uint8Array,
  options: DelimitedOptions = {},
): MessageConn | Listener<MessageConn> {
  checkNames("set", "delimited", options, names);
  const { messages } = options;
  checkMessageKind("set", messages);
  // The options themselves, and no copy: limits that they inherit count, too.
  return framedBy(source, delimiterCodec(delimiter, messages === "text"), options);
}

const codecs = new Map<string, DelimiterCodec>();

/**
 * The codec for a delimiter, always the same one, so that a prepared message is encoded once for all
 * connections.
 */
export function delimiterCodec(delimiter: string | Uint8Array, isText: boolean): FrameCodec {
  if (typeof delimiter !== "string" && !(delimiter instanceof Uint8Array)) {
    throw argumentError("set", `delimiter is ${kindOf(delimiter)}, and not a string or Uint8Array`);
  }
  const bytes = Buffer.from(delimiter);
  const key = `${isText} ${bytes.toString("latin1")}`;
  const codec = codecs.get(key) ?? new DelimiterCodec(bytes, isText);
  codecs.set(key, codec);
  return codec;
}

class DelimiterCodec implements FrameCodec {
  readonly maxPayloadBytes = Number.POSITIVE_INFINITY;
  readonly maxOverheadBytes: number;
  readonly #delimiter: Buffer;
  readonly #isText: boolean;

  constructor(delimiter: Buffer, isText: boolean) {
    this.#delimiter = delimiter;
    this.#isText = isText;
    this.maxOverheadBytes = this.#delimiter.length;
    if (this.#delimiter.length < 1 || this.#delimiter.length > MAX_DELIMITER_BYTES) {
      throw new NetError({
        op: "set",
        code: "invalid_argument",
        reason: `delimiter has ${this.#delimiter.length} bytes, allowed are 1 to ${MAX_DELIMITER_BYTES}`,
      });
    }
  }

  header(): undefined {
    return undefined;
  }

  trailer(): Uint8Array {
    return this.#delimiter;
  }

  fault(message: Message): string | undefined {
    const payload = toBytes(message);
    if (payload.includes(this.#delimiter)) return "message contains the delimiter";
    // The end of the message and the beginning of the delimiter may make one too: "xab" before "aba".
    const tail = payload.subarray(Math.max(0, payload.length - this.#delimiter.length + 1));
    if (Buffer.concat([tail, this.#delimiter]).indexOf(this.#delimiter) !== tail.length) {
      return "message ends with the beginning of the delimiter";
    }
    return this.#isText && !isUtf8(payload) ? "message is not valid UTF-8" : undefined;
  }

  encode(message: Message): Uint8Array {
    return encodeWhole(this, message);
  }

  decoder(maxMessageBytes: number): FrameDecoder {
    return new DelimiterDecoder(this.#delimiter, this.#isText, maxMessageBytes);
  }
}

class DelimiterDecoder extends ChunkDecoder {
  readonly #delimiter: Buffer;
  readonly #isText: boolean;

  constructor(delimiter: Buffer, isText: boolean, maxBytes: number) {
    super(maxBytes);
    this.#delimiter = delimiter;
    this.#isText = isText;
  }

  next(): Message | undefined {
    const begun = this.begun.length;
    const seam = begun === 0 ? -1 : this.#findAcrossSeam();
    if (seam !== -1) return this.#message(this.begun.take().subarray(0, seam));

    const end = this.chunk.indexOf(this.#delimiter, this.at);
    if (end === -1) {
      this.keepRest();
      // What exceeds the limit may still be the beginning of the delimiter, but not more than that.
      if (this.begun.length > this.maxBytes + this.#delimiter.length - 1) throw tooLarge(this.maxBytes);
      return undefined;
    }
    const start = this.at;
    this.at = end + this.#delimiter.length;
    if (begun + end - start > this.maxBytes) throw tooLarge(this.maxBytes);
    if (begun === 0)
      return this.#message(this.#isText ? this.chunk.subarray(start, end) : copyOf(this.chunk, start, end));
    this.begun.append(this.chunk, start, end);
    return this.#message(this.begun.take());
  }

  /** Where a delimiter begins in what was kept of earlier chunks and ends in this one; -1 if none does. */
  #findAcrossSeam(): number {
    const reach = this.#delimiter.length - 1;
    const kept = this.begun.view();
    const tail = kept.subarray(Math.max(0, kept.length - reach));
    const seam = Buffer.concat([tail, this.chunk.subarray(this.at, this.at + reach)]);
    const found = seam.indexOf(this.#delimiter);
    if (found === -1) return -1;
    this.at += found + this.#delimiter.length - tail.length;
    const end = kept.length - tail.length + found;
    if (end > this.maxBytes) throw tooLarge(this.maxBytes);
    return end;
  }

  #message(payload: Buffer): Message {
    this.messageBytes = payload.length;
    return this.#isText ? toText(payload) : payload;
  }
}
