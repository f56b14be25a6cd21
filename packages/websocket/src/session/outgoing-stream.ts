import type { Message, WaitOptions } from "@zocalo/net";
import { onceAborted } from "@zocalo/net/transport";
import { canceled, WebSocketError } from "../core/error.ts";

/** What `sendStream` takes. */
export type StreamSource = AsyncIterable<Message> | Iterable<Message>;

/** The connection, as a stream that is sent sees it. */
export interface OutgoingHost {
  /** True while parts may be sent. */
  readonly isOpen: boolean;
  /** Puts a part on its way; resolves when there is room for more. */
  sendPart(part: Message, isLast: boolean): Promise<void>;
  closedError(): WebSocketError;
  /** The message that was begun can neither be finished nor taken back. */
  breakOff(): void;
}

/**
 * Messages that are sent while they are made. One at a time: RFC 6455 §5.4 lets nothing but control frames between its fragments, so
 * whatever else is sent meanwhile waits.
 */
export class OutgoingStreams {
  readonly #host: OutgoingHost;
  /** Resolves when the last of the streams that were begun has ended. */
  #turn: Promise<void> | undefined;
  /** Bytes of messages that wait for the end of a stream. */
  waitingBytes = 0;
  #fail: ((error: WebSocketError) => void) | undefined;

  constructor(host: OutgoingHost) {
    this.#host = host;
  }

  get isBusy(): boolean {
    return this.#turn !== undefined;
  }

  /** Calls `send` when all streams that were begun have ended, in the order of the calls. */
  async after(byteLength: number, send: () => Promise<void>): Promise<void> {
    this.waitingBytes += byteLength;
    try {
      await this.#turn;
    } finally {
      this.waitingBytes -= byteLength;
    }
    return send();
  }

  /** The connection has ended. */
  stop(error: WebSocketError): void {
    this.#fail?.(error);
  }

  async send(source: StreamSource, options: WaitOptions | undefined): Promise<void> {
    const before = this.#turn;
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#turn = ended;
    try {
      await before;
      await this.#sendAll(source, options?.signal);
    } finally {
      this.#fail = undefined;
      // Behind those who wait already.
      const free = ended.then(() => {
        if (this.#turn === ended) this.#turn = undefined;
        return undefined;
      });
      end();
      await free;
    }
  }

  async #sendAll(source: StreamSource, signal: AbortSignal | undefined): Promise<void> {
    const broken = new Promise<never>((_, reject) => {
      this.#fail = reject;
    });
    broken.catch(ignore);
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
      if (!isExhausted) void Promise.resolve(iterator.return?.()).catch(ignore);
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
      throw new WebSocketError("invalid_argument", `a chunk is a string or bytes, not ${typeof chunk}`);
    }
    this.#isText ??= isText;
    if (isText !== this.#isText) {
      throw new WebSocketError("invalid_argument", "a message is either all text or all bytes");
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

function ignore(): void {}
