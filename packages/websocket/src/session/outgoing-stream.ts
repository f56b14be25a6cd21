import type { Message } from "@zocalo/net";
import { onceAborted, told } from "@zocalo/net/transport";
import { canceled, WebSocketNetError } from "../core/error.ts";

/** What `sendStream` takes. */
export type StreamSource = AsyncIterable<Message> | Iterable<Message>;

/** The connection, as a stream that is sent sees it. */
export interface OutgoingHost {
  /** True while parts may be sent. */
  readonly isOpen: boolean;
  /** Puts a part on its way; resolves when there is room for more. */
  sendPart(part: Message, isLast: boolean): Promise<void>;
  /** Nothing is being sent in parts any more. */
  onStreamEnded(): void;
  closedError(): WebSocketNetError;
  /** The message that was begun can neither be finished nor taken back. */
  breakOff(): void;
}

/**
 * Sends messages while they are made, one at a time. RFC 6455 §5.4 lets nothing but control frames between
 * fragments: who sends sees to that.
 */
export class OutgoingStream {
  readonly #host: OutgoingHost;
  isBusy = false;
  #fail: ((error: WebSocketNetError) => void) | undefined;

  constructor(host: OutgoingHost) {
    this.#host = host;
  }

  /** The connection has ended. */
  stop(error: WebSocketNetError): void {
    this.#fail?.(error);
  }

  async send(source: StreamSource, signal: AbortSignal | undefined): Promise<void> {
    this.isBusy = true;
    try {
      await this.#sendAll(source, signal);
    } finally {
      this.#fail = undefined;
      this.isBusy = false;
      this.#host.onStreamEnded();
    }
  }

  async #sendAll(source: StreamSource, signal: AbortSignal | undefined): Promise<void> {
    const broken = new Promise<never>((_, reject) => {
      this.#fail = reject;
    });
    void told(broken); // It may come when nothing is awaited: the next race tells.
    const onAbort = (): void => this.#fail?.(canceled(signal as AbortSignal));
    if (signal?.aborted) onAbort();
    const forget = signal && onceAborted(signal, onAbort);
    if (!this.#host.isOpen) this.#fail?.(this.#host.closedError());
    const parts = new Parts();
    const iterator =
      Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
    let isExhausted = false;
    try {
      for (;;) {
        const step = await Promise.race([broken, iterator.next()]);
        isExhausted = step.done === true;
        const part = isExhausted ? parts.last() : parts.next(step.value as Message);
        if (part === undefined) continue;
        const { isOpen } = this.#host;
        const sent = this.#host.sendPart(part, isExhausted);
        // It is on its way, also if the signal ends the waiting for room.
        if (isOpen) parts.areUnfinished = !isExhausted;
        await Promise.race([broken, sent]);
        if (isExhausted) return;
      }
    } catch (error) {
      if (parts.areUnfinished) this.#host.breakOff();
      // Not awaited: a source that waits for something else would hold this up.
      if (!isExhausted) void leave(iterator);
      throw error;
    } finally {
      forget?.();
    }
  }
}

/** Checks chunks for their kind, and keeps surrogate pairs together. */
class Parts {
  /** One has been sent, and not the last. */
  areUnfinished = false;
  #isText: boolean | undefined;
  /** The first half of a pair, from the end of the last chunk. */
  #half = "";

  /** The part for a chunk; `undefined`: there is nothing to send yet. */
  next(chunk: Message): Message | undefined {
    const isText = typeof chunk === "string";
    if (!isText && !(chunk instanceof Uint8Array)) {
      throw new WebSocketNetError("invalid_argument", `a chunk is a string or bytes, not ${typeof chunk}`);
    }
    this.#isText ??= isText;
    if (isText !== this.#isText) {
      throw new WebSocketNetError("invalid_argument", "a message is either all text or all bytes");
    }
    if (!isText) return chunk.length > 0 ? chunk : undefined;
    const text = this.#half + chunk;
    const last = text.charCodeAt(text.length - 1);
    const isCut = last >= 0xd800 && last <= 0xdbff;
    this.#half = isCut ? text.slice(-1) : "";
    const whole = isCut ? text.slice(0, -1) : text;
    return whole === "" ? undefined : whole;
  }

  /** The part that ends the message. */
  last(): Message {
    return this.#isText === true ? this.#half : new Uint8Array(0);
  }
}

async function leave(source: Iterator<Message> | AsyncIterator<Message>): Promise<void> {
  try {
    await source.return?.();
  } catch {
    // Nobody is told, as with `for await`: the caller learns why the source was left.
  }
}
