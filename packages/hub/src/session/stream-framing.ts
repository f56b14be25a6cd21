import { type FrameCodec, type FrameDecoder, FrameFault, lineCodec, type Message } from "@zocalo/net";
import { isBinaryStart } from "@zocalo/protocol";

/** A message begins with its type and the length of the rest, which takes no more bytes than this here. */
const MAX_LENGTH_BYTES = 5;
/** A typical short message. */
const FIRST_BYTES = 256;
const EMPTY = Buffer.alloc(0);

/**
 * How a stream carries channel messages: JSON by lines, or the binary form, whose messages know their own
 * length. The first byte that the peer sends says which. To be given to `framed`.
 *
 * @example
 * const hub = new Hub({ namespaces: { plaza: { subscribe: "anyone", publish: "anyone" } } });
 * void hub.serve(framed(await listen("tcp", "127.0.0.1:7000"), streamFraming));
 */
export const streamFraming: FrameCodec = {
  maxPayloadBytes: lineCodec.maxPayloadBytes,
  maxOverheadBytes: lineCodec.maxOverheadBytes,
  header: () => undefined,
  trailer: (payload) => (isBinary(payload) ? undefined : lineCodec.trailer(payload)),
  fault: (message) => (isBinary(message) ? undefined : lineCodec.fault(message)),
  encode: (message) => (isBinary(message) ? message : lineCodec.encode(message)),
  decoder: (maxMessageBytes) => new StreamDecoder(maxMessageBytes),
};

function isBinary(message: Message): message is Uint8Array {
  return typeof message !== "string" && isBinaryStart(message[0] ?? 0);
}

/** Knows nothing until the first byte, and then is one of the two. */
class StreamDecoder implements FrameDecoder {
  readonly #maxBytes: number;
  #form: FrameDecoder | undefined;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get messageBytes(): number {
    return this.#form?.messageBytes ?? 0;
  }

  get isAtBoundary(): boolean {
    return this.#form?.isAtBoundary ?? true;
  }

  write(chunk: Uint8Array): void {
    if (!this.#form && chunk.length > 0) {
      this.#form = isBinaryStart(chunk[0] ?? 0)
        ? new BinaryDecoder(this.#maxBytes)
        : lineCodec.decoder(this.#maxBytes);
    }
    this.#form?.write(chunk);
  }

  keep(): void {
    this.#form?.keep();
  }

  next(): Message | undefined {
    return this.#form?.next();
  }
}

/** Messages of the binary form, one after the other. */
class BinaryDecoder implements FrameDecoder {
  messageBytes = 0;
  readonly #maxBytes: number;
  #chunk: Buffer = EMPTY;
  /** What came of the message that is begun, and room for more. */
  #begun: Buffer = EMPTY;
  #begunBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isAtBoundary(): boolean {
    return this.#begunBytes === 0 && this.#chunk.length === 0;
  }

  write(chunk: Uint8Array): void {
    this.#chunk = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  }

  keep(): void {
    this.#chunk = Buffer.from(this.#chunk);
  }

  next(): Message | undefined {
    while (this.#chunk.length > 0) {
      const wanted = this.#wanted();
      const part = this.#chunk.subarray(0, wanted - this.#begunBytes);
      this.#chunk = this.#chunk.subarray(part.length);
      this.#append(part);
      if (this.#begunBytes === wanted && this.#wanted() === wanted) return this.#take();
    }
    return undefined;
  }

  /** Bytes of the message that is begun, as far as is known: its head is read byte by byte. */
  #wanted(): number {
    const head = this.#begun.subarray(0, this.#begunBytes);
    if (head.length > 0 && !isBinaryStart(head[0] ?? 0)) {
      throw new FrameFault("bad_frame", 1002, `no message begins with ${head[0]}`);
    }
    let length = 0;
    for (let at = 1; at <= MAX_LENGTH_BYTES; at++) {
      const byte = head[at];
      if (byte === undefined) return head.length + 1;
      length += (byte & 0x7f) * 128 ** (at - 1);
      if (byte > 0x7f) continue;
      const whole = at + 1 + length;
      if (whole > this.#maxBytes) throw tooLarge(this.#maxBytes);
      return whole;
    }
    throw tooLarge(this.#maxBytes);
  }

  /** What is announced takes no memory before it comes. */
  #append(part: Buffer): void {
    const needed = this.#begunBytes + part.length;
    if (this.#begun.length < needed) {
      const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, needed, 2 * this.#begun.length));
      this.#begun.copy(larger, 0, 0, this.#begunBytes);
      this.#begun = larger;
    }
    part.copy(this.#begun, this.#begunBytes);
    this.#begunBytes += part.length;
  }

  #take(): Uint8Array {
    const message = this.#begun.subarray(0, this.#begunBytes);
    this.messageBytes = message.length;
    this.#begun = EMPTY;
    this.#begunBytes = 0;
    return message;
  }
}

function tooLarge(maxBytes: number): FrameFault {
  return new FrameFault("too_large", 1009, `message larger than ${maxBytes} bytes`);
}
