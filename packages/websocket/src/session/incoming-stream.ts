import { StringDecoder } from "node:string_decoder";
import type { Message, WaitOptions } from "@zocalo/net";
import type { Inbox } from "@zocalo/net/transport";
import { WebSocketNetError } from "../core/error.ts";
import type { MessagePart } from "../core/message-body.ts";

/**
 * One message while it arrives. Text comes as strings, of whole characters, and binary as bytes that are
 * yours. Iterate once.
 */
export interface IncomingStream extends AsyncIterable<Message> {
  readonly isText: boolean;
}

/** Puts the parts that a streaming core tells together to one `IncomingStream` after the other. */
export class IncomingStreams {
  readonly #parts: Inbox<MessagePart>;
  #current: PartStream | undefined;
  #isWaiting = false;

  constructor(parts: Inbox<MessagePart>) {
    this.#parts = parts;
  }

  /** See `WebSocketConn.receiveStream`. */
  async next(options?: WaitOptions): Promise<IncomingStream | null> {
    if (this.#isWaiting) throw new WebSocketNetError("invalid_argument", "somebody waits in receiveStream");
    this.#isWaiting = true;
    try {
      await this.#current?.skip(options);
      const first = await this.#parts.receive(options);
      this.#current = first === null ? undefined : new PartStream(this.#parts, first);
      return this.#current ?? null;
    } finally {
      this.#isWaiting = false;
    }
  }
}

class PartStream implements IncomingStream {
  readonly isText: boolean;
  readonly #parts: Inbox<MessagePart>;
  readonly #decoder: StringDecoder | undefined;
  #first: MessagePart | undefined;
  #isOver = false;

  constructor(parts: Inbox<MessagePart>, first: MessagePart) {
    this.#parts = parts;
    this.isText = first.isText;
    this.#first = first;
    this.#decoder = first.isText ? new StringDecoder("utf8") : undefined;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Message, void> {
    while (!this.#isOver) {
      const part = await this.#take();
      // A Close frame may come between the fragments of a message.
      if (part === null) throw new WebSocketNetError("closed", "the peer closed in the middle of a message");
      const chunk = this.#decoder === undefined ? part.bytes : this.#decoder.write(asBuffer(part.bytes));
      if (chunk.length > 0) yield chunk;
    }
  }

  /** Throws away what is left. */
  async skip(options: WaitOptions | undefined): Promise<void> {
    while (!this.#isOver) await this.#take(options);
  }

  async #take(options?: WaitOptions): Promise<MessagePart | null> {
    const part = this.#first ?? (await this.#parts.receive(options));
    this.#first = undefined;
    this.#isOver = part === null || part.isLast;
    return part;
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
