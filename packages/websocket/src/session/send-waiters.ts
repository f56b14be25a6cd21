import { type Message, PreparedMessage } from "@zocalo/net";
import { asItIs, asMessage, isLentMemory, Waiter, Waiters } from "@zocalo/net/transport";
import { canceled } from "../core/error.ts";

/** A call that waits until the system has taken so many bytes in all. */
class TakenWaiter extends Waiter {
  readonly until: number;

  constructor(until: number) {
    super(asItIs);
    this.until = until;
  }
}

/** A call that waits for its turn, and then settles as `send` does. */
class LineWaiter extends Waiter {
  /** Bytes it will take of the send buffer; 0 if it takes none at once. */
  readonly byteLength: number;

  constructor(byteLength: number, send: () => Promise<void>) {
    super(send);
    this.byteLength = byteLength;
  }
}

/**
 * Those who wait to send: for their turn, for room, or until the system has taken what they sent. Mostly
 * nobody does.
 */
export class SendWaiters {
  /**
   * Sends, streams and flushes for which there is no room yet, in the order of the calls. What is sent later
   * stands behind them.
   */
  readonly #line = new Waiters<LineWaiter>();
  readonly #forRoom = new Waiters();
  /** In the order of their `until`. */
  readonly #untilTaken = new Waiters<TakenWaiter>();

  /** True if somebody stands in line. */
  get hasLine(): boolean {
    return this.#line.first !== undefined;
  }

  /**
   * Calls `send` when its turn comes, and settles as that does.
   *
   * @param onLeft Its signal has taken it out of the line: who stands behind it may have room.
   */
  inLine(
    byteLength: number,
    send: () => Promise<void>,
    signal: AbortSignal | undefined,
    onLeft: () => void,
  ): Promise<void> {
    return this.#line.add(new LineWaiter(byteLength, send), signal, (by) => {
      onLeft();
      return canceled(by);
    }).promise;
  }

  /** Starts those at the head of the line for which `hasRoom` is true. */
  letIn(hasRoom: (byteLength: number) => boolean): void {
    for (let first = this.#line.first; first !== undefined; first = this.#line.first) {
      if (!hasRoom(first.byteLength)) return;
      this.#line.shift();
      first.resolve();
    }
  }

  /** Resolves with `tellRoom`. */
  forRoom(signal: AbortSignal | undefined): Promise<void> {
    return this.#forRoom.add(new Waiter(asItIs<void>), signal, canceled).promise;
  }

  tellRoom(): void {
    for (const waiter of this.#forRoom.takeAll()) waiter.resolve();
  }

  /** Resolves once `tellTaken` has told that many bytes. */
  untilTaken(until: number, signal: AbortSignal | undefined): Promise<void> {
    return this.#untilTaken.add(new TakenWaiter(until), signal, canceled).promise;
  }

  /** The system has taken so many bytes in all. */
  tellTaken(bytes: number): void {
    const waiters = this.#untilTaken;
    while ((waiters.first?.until ?? Number.POSITIVE_INFINITY) <= bytes) waiters.shift()?.resolve();
  }

  /** Nothing can be sent any more. Those in line find that out when they are let in. */
  fail(error: Error): void {
    for (const waiter of this.#untilTaken.takeAll()) waiter.reject(error);
    for (const waiter of this.#forRoom.takeAll()) waiter.reject(error);
  }
}

/**
 * Bytes of a message as it is sent, without frames.
 *
 * @throws NetError `invalid_argument` for what is no message.
 */
export function byteLengthOf(message: Message | PreparedMessage): number {
  const content = asMessage(message instanceof PreparedMessage ? message.message : message);
  return typeof content === "string" ? Buffer.byteLength(content) : content.byteLength;
}

/**
 * The message for the line: here lent bytes would begin to wait. Who may cancel a call has its memory back
 * before it is read.
 */
export function owned(message: Message, isCancelable: boolean): Message {
  if (typeof message === "string") return message;
  return isCancelable || isLentMemory(message) ? Buffer.from(message) : message;
}
