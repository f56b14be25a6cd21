import { isUtf8 } from "node:buffer";
import type { Addr } from "../contracts/addr.ts";
import { ChunkDecoder } from "./chunk-decoder.ts";
import type { Conn, Listener } from "../contracts/conn.ts";
import { encodeWhole, type FrameCodec, refuseFaulty, tooLarge, toText } from "./frame-codec.ts";
import { framed, type FramedOptions } from "./framed.ts";
import type { Message, MessageConn } from "../contracts/message-conn.ts";

const LF = 0x0a;
const CR = 0x0d;

/**
 * Makes a stream, or every stream a listener accepts, a connection of text messages: one line each, ended by
 * `\n` or `\r\n`, in UTF-8. A message with a newline in it cannot be sent: `bad_frame`.
 *
 * A line over `maxMessageBytes` (default 64 KiB, without its end) closes the connection with code 1009, and
 * text that is not UTF-8 with 1007. Close codes do not travel on a byte stream: a layer that wants the peer
 * to know sends a message of its own before `close`, or from the handler's `close`.
 *
 * @example
 * const listener = lines(await listen("tcp", ":7000"));
 * for await (const conn of listener) greet(conn).catch(report);
 */
export function lines(conn: Conn, options?: FramedOptions): MessageConn;
export function lines<A extends Addr>(
  listener: Listener<Conn, A>,
  options?: FramedOptions,
): Listener<MessageConn, A>;
export function lines(
  source: Conn | Listener,
  options: FramedOptions = {},
): MessageConn | Listener<MessageConn> {
  return framed(source, lineCodec, options);
}

const newline = Buffer.from("\n");
const carriageReturnAndNewline = Buffer.from("\r\n");

/** One line for each message. */
export const lineCodec: FrameCodec = {
  maxPayloadBytes: Number.POSITIVE_INFINITY,
  maxOverheadBytes: carriageReturnAndNewline.length,
  header: () => undefined,
  // The receiver strips one "\r" before the "\n". A message that ends with its own gets one to lose.
  trailer: (payload) => (payload[payload.length - 1] === CR ? carriageReturnAndNewline : newline),
  fault(message) {
    const hasNewline = typeof message === "string" ? message.includes("\n") : message.includes(LF);
    if (hasNewline) return "message contains a newline";
    return typeof message !== "string" && !isUtf8(message) ? "message is not valid UTF-8" : undefined;
  },
  encode(message) {
    if (typeof message !== "string") return encodeWhole(lineCodec, message);
    refuseFaulty(lineCodec, message);
    return Buffer.from(message.endsWith("\r") ? `${message}\r\n` : `${message}\n`, "utf8");
  },
  decoder: (maxMessageBytes) => new LineDecoder(maxMessageBytes),
};

class LineDecoder extends ChunkDecoder {
  /** All whole lines of the chunk are known to be UTF-8: one check is cheaper than one for each line. */
  #isChunkText = false;

  override write(chunk: Uint8Array): void {
    super.write(chunk);
    // A newline is never inside a code point, so the part between the first and the last one stands for
    // itself.
    const first = this.begun.length === 0 ? 0 : this.chunk.indexOf(LF) + 1;
    this.#isChunkText = isUtf8(this.chunk.subarray(first, this.chunk.lastIndexOf(LF) + 1));
  }

  next(): Message | undefined {
    const start = this.at;
    const newlineAt = this.chunk.indexOf(LF, start);
    if (newlineAt === -1) {
      this.keepRest();
      return undefined;
    }
    this.at = newlineAt + 1;
    if (this.begun.length > 0) {
      this.begun.append(this.chunk, start, newlineAt);
      const line = this.begun.take();
      return toText(line.subarray(0, this.#measure(line, 0, line.length)));
    }
    const end = this.#measure(this.chunk, start, newlineAt);
    // Hot path (bench: tcp).
    return this.#isChunkText
      ? this.chunk.toString("utf8", start, end)
      : toText(this.chunk.subarray(start, end));
  }

  /** Where the line in `bytes` ends without its "\r", after checking its length. */
  #measure(bytes: Buffer, start: number, newlineAt: number): number {
    const end = newlineAt > start && bytes[newlineAt - 1] === CR ? newlineAt - 1 : newlineAt;
    if (end - start > this.maxBytes) throw tooLarge(this.maxBytes);
    this.messageBytes = end - start;
    return end;
  }

  protected override keepRest(): void {
    super.keepRest();
    const excess = this.begun.length - this.maxBytes;
    // One byte more may be the "\r" that does not count.
    if (excess > 1 || (excess === 1 && this.begun.view().at(-1) !== CR)) throw tooLarge(this.maxBytes);
  }
}
