import type { Addr } from "../contracts/addr.ts";
import { isUtf8 } from "node:buffer";
import { ChunkDecoder } from "./chunk-decoder.ts";
import type { Conn, Listener } from "../contracts/conn.ts";
import { NetError } from "../contracts/error.ts";
import {
  copyOf,
  encodeWhole,
  type FrameCodec,
  type FrameDecoder,
  FrameFault,
  tooLarge,
  toText,
} from "./frame-codec.ts";
import { framedBy, framedNames, type FramedOptions } from "./framed.ts";
import type { Message, MessageConn } from "../contracts/message-conn.ts";
import { checkNames, checkMessageKind, type Names, shown } from "../options/check-values.ts";

/**
 * How the length of a message is written before it: 2 or 4 bytes in network byte order, or 1 to 5 bytes of
 * 7 bits, lowest first, with the top bit set on all but the last (as in Protocol Buffers).
 */
export type LengthPrefix = "u16" | "u32" | "varint";

/** Options of `lengthPrefixed`. */
export interface LengthPrefixedOptions extends FramedOptions {
  /** Whether messages are received as `string` (checked to be UTF-8) or `Uint8Array`. Default `"binary"`. */
  readonly messages?: "text" | "binary" | undefined;
}

const names: Names<LengthPrefixedOptions> = { ...framedNames, messages: 1 };

/**
 * Makes a stream, or every stream a listener accepts, a message connection in which each message follows its
 * length.
 *
 * A length over `maxMessageBytes` (default 64 KiB) closes the connection with code 1009 before any of the
 * payload is kept, a varint that is too long or not the shortest with 1002, and text that is not UTF-8
 * with 1007.
 *
 * @throws NetError `invalid_argument` for an unknown prefix.
 * @example
 * const frames = lengthPrefixed(await dial("tcp", "localhost:9000"), "u32");
 */
export function lengthPrefixed(
  conn: Conn,
  prefix: LengthPrefix,
  options?: LengthPrefixedOptions,
): MessageConn;
export function lengthPrefixed<A extends Addr>(
  listener: Listener<Conn, A>,
  prefix: LengthPrefix,
  options?: LengthPrefixedOptions,
): Listener<MessageConn, A>;
export function lengthPrefixed(
  source: Conn | Listener,
  prefix: LengthPrefix,
  options: LengthPrefixedOptions = {},
): MessageConn | Listener<MessageConn> {
  checkNames("set", "lengthPrefixed", options, names);
  const { messages } = options;
  checkMessageKind("set", messages);
  // The options themselves, and no copy: limits that they inherit count, too.
  return framedBy(source, lengthPrefixCodec(prefix, messages === "text"), options);
}

/**
 * The codec for a prefix, always the same one, so that a prepared message is encoded once for all
 * connections.
 */
export function lengthPrefixCodec(prefix: LengthPrefix, isText: boolean): FrameCodec {
  const known = (isText ? textCodecs : binaryCodecs).get(prefix);
  if (known !== undefined) return known;
  const reason = `length prefix ${shown(prefix)} is none of "u16", "u32", "varint"`;
  throw new NetError({ op: "set", code: "invalid_argument", reason });
}

/** How one kind of prefix is written and read. */
interface PrefixForm {
  readonly maxPayloadBytes: number;
  readonly maxBytes: number;
  write(length: number): Uint8Array;
  /** The value in `bytes`, which are all that came so far; `undefined` until it is complete. */
  read(bytes: readonly number[]): number | undefined;
}

const fixed = (size: 2 | 4): PrefixForm => ({
  maxPayloadBytes: 256 ** size - 1,
  maxBytes: size,
  write(length) {
    const bytes = Buffer.allocUnsafe(size);
    bytes.writeUIntBE(length, 0, size);
    return bytes;
  },
  read: (bytes) => (bytes.length < size ? undefined : bytes.reduce((value, byte) => value * 256 + byte, 0)),
});

const varint: PrefixForm = {
  maxPayloadBytes: 2 ** 32 - 1,
  maxBytes: 5,
  write(length) {
    const bytes: number[] = [];
    let rest = length;
    for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
    bytes.push(rest);
    return Uint8Array.from(bytes);
  },
  read(bytes) {
    const last = bytes.at(-1) ?? 128;
    if (last > 127) {
      if (bytes.length < varint.maxBytes) return undefined;
      throw new FrameFault("bad_frame", 1002, `length has more than ${varint.maxBytes} bytes`);
    }
    // One length, one form: what a filter in between measured is what we measure.
    if (last === 0 && bytes.length > 1)
      throw new FrameFault("bad_frame", 1002, "length is not in its shortest form");
    return bytes.reduceRight((value, byte) => value * 128 + (byte % 128), 0);
  },
};

const forms = { u16: fixed(2), u32: fixed(4), varint } satisfies Record<LengthPrefix, PrefixForm>;

class LengthPrefixCodec implements FrameCodec {
  readonly maxPayloadBytes: number;
  readonly maxOverheadBytes: number;
  readonly #form: PrefixForm;
  readonly #isText: boolean;

  constructor(form: PrefixForm, isText: boolean) {
    this.#form = form;
    this.#isText = isText;
    this.maxPayloadBytes = form.maxPayloadBytes;
    this.maxOverheadBytes = form.maxBytes;
  }

  header(payloadBytes: number): Uint8Array {
    return this.#form.write(payloadBytes);
  }

  trailer(): undefined {
    return undefined;
  }

  fault(message: Message): string | undefined {
    return this.#isText && typeof message !== "string" && !isUtf8(message)
      ? "message is not valid UTF-8"
      : undefined;
  }

  encode(message: Message): Uint8Array {
    return encodeWhole(this, message);
  }

  decoder(maxMessageBytes: number): FrameDecoder {
    return new LengthPrefixDecoder(this.#form, this.#isText, maxMessageBytes);
  }
}

const prefixes = ["u16", "u32", "varint"] as const satisfies LengthPrefix[];
const textCodecs: ReadonlyMap<string, FrameCodec> = new Map(
  prefixes.map((prefix) => [prefix, new LengthPrefixCodec(forms[prefix], true)]),
);
const binaryCodecs: ReadonlyMap<string, FrameCodec> = new Map(
  prefixes.map((prefix) => [prefix, new LengthPrefixCodec(forms[prefix], false)]),
);

class LengthPrefixDecoder extends ChunkDecoder {
  readonly #form: PrefixForm;
  readonly #isText: boolean;
  #prefix: number[] = [];
  /** Payload bytes of the message that is begun, once its prefix is complete. */
  #length: number | undefined;

  constructor(form: PrefixForm, isText: boolean, maxBytes: number) {
    super(maxBytes);
    this.#form = form;
    this.#isText = isText;
  }

  override get isAtBoundary(): boolean {
    return this.#length === undefined && this.#prefix.length === 0 && this.at === this.chunk.length;
  }

  next(): Message | undefined {
    this.#length ??= this.#readPrefix();
    if (this.#length === undefined) return undefined;
    const start = this.at;
    const end = start + this.#length - this.begun.length;
    if (end > this.chunk.length) {
      this.keepRest();
      return undefined;
    }
    this.at = end;
    this.messageBytes = this.#length;
    this.#length = undefined;
    if (this.begun.length > 0) {
      this.begun.append(this.chunk, start, end);
      return this.#message(this.begun.take());
    }
    return this.#message(this.#isText ? this.chunk.subarray(start, end) : copyOf(this.chunk, start, end));
  }

  #readPrefix(): number | undefined {
    while (this.at < this.chunk.length) {
      this.#prefix.push(this.chunk[this.at] ?? 0);
      this.at += 1;
      const length = this.#form.read(this.#prefix);
      if (length !== undefined) {
        this.#prefix.length = 0;
        if (length > this.maxBytes) throw tooLarge(this.maxBytes);
        return length;
      }
    }
    return undefined;
  }

  #message(payload: Buffer): Message {
    return this.#isText ? toText(payload) : payload;
  }
}
