import { type CloseInfo, type Conn, NetError } from "@zocalo/net";
import { WebSocketNetError } from "@zocalo/websocket";
import { UserError } from "../exit-code.ts";
import type { Closing } from "./flags.ts";
import { IdleTimer } from "./idle-timer.ts";
import type { Input } from "./input.ts";
import { closeWords, type End, isErrorCode, type MessageLink } from "./link.ts";
import type { Notices } from "./notices.ts";
import type { Output } from "./output.ts";
import { Printer, type Shape } from "./shape.ts";

/** Standard input and output, and when to end. */
export interface PumpOptions {
  readonly input: Input;
  readonly output: Output;
  readonly shape: Shape;
  /** Silence both ways that ends it, in milliseconds. */
  readonly timeoutMs: number | undefined;
  /** How to close when the input ends; `undefined`: with code 1000, unless the input was empty. */
  readonly closing: Closing | undefined;
  /** Told of a line a person should type again. */
  readonly onMistake: (error: UserError) => void;
  /** What becomes of input that a connection did not take; unset where no other connection follows. */
  readonly unsent?: Unsent | undefined;
}

/** Told how many bytes of the input a connection that ended or broke had not taken. */
export interface Unsent {
  /** The next connection gets them. */
  readonly kept: (bytes: number) => void;
  /** The peer ended the connection because of them: nobody gets them. */
  readonly refused: (bytes: number) => void;
}

/** Tells it on standard error. */
export function tellingUnsent(notices: Notices): Unsent {
  return {
    kept: (bytes) => {
      notices.tell("kept", `${bytes} bytes of the input were not taken: the next connection gets them`, {
        bytes,
      });
    },
    refused: (bytes) => {
      notices.warn(`${bytes} bytes of the input are lost: the peer ended the connection because of them`);
    },
  };
}

/**
 * Close codes that blame what was sent (RFC 6455 §7.4.1): sent again, it would end the next connection, too.
 */
const BLAMES_MESSAGE: ReadonlySet<number> = new Set([1002, 1003, 1007, 1008, 1009]);

/**
 * How long a silent input may go on being waited for once the peer has ended its side, in milliseconds. While
 * something comes it is sent: the peer may only have said that it asks nothing more. But a pipe that nobody
 * writes to must not keep the command for ever.
 */
const INPUT_GRACE_MS = 1000;

/**
 * Joins a stream with standard input and output until both sides have ended.
 *
 * @throws UserError for a bad line of the input; what broke the connection.
 */
export async function pumpBytes(conn: Conn, options: PumpOptions): Promise<End> {
  const { output } = options;
  const printer = new Printer(options.shape);
  let isIdle = false;
  const idle = new IdleTimer(options.timeoutMs, () => {
    isIdle = true;
    conn.abort();
  });
  const feed = new Feed(options, async (message) => {
    await conn.write(message as Uint8Array);
    idle.touch();
  });
  const sending = feed.run(
    () => conn.closeWrite(),
    () => conn.abort(),
  );
  try {
    for await (const bytes of conn) {
      idle.touch();
      await output.write(printer.print(bytes));
      idle.touch();
    }
    await output.write(printer.end());
    feed.peerEnded();
    await sending;
    feed.rethrow();
    await conn.close();
    return "ended";
  } catch (error) {
    if (isIdle) return "timeout";
    conn.abort();
    throw feed.inputFailure ?? error;
  } finally {
    idle.stop();
    feed.stop();
    await sending;
    feed.keepUnsent();
  }
}

/**
 * Joins a flow of messages with standard input and output until the peer ends, or the input does.
 *
 * @throws UserError for a bad line of the input or an end that says that something went wrong; what broke the
 *   connection.
 */
export async function pumpMessages(link: MessageLink, options: PumpOptions): Promise<End> {
  const { conn, hasEnd, ping, flush, isOpen } = link;
  const { input, output, timeoutMs, closing } = options;
  const printer = new Printer(options.shape);
  let end: End | undefined;
  let hasReceived = false;
  let hasInputEnded = false;
  let isPrinting = false;
  /** Whether the last message was begun to be sent. */
  let hasBegun = false;
  const close = (): void => void conn.close(closing?.code, closing?.reason).catch(() => conn.abort());

  const idle = new IdleTimer(timeoutMs, () => {
    // Once all has been said, silence is how an answer ends.
    end = hasInputEnded && hasReceived ? "ended" : "timeout";
    close();
  });
  const closed = new Promise<CloseInfo>((resolve) => {
    conn.serve({
      message(message) {
        hasReceived = true;
        idle.touch();
        const writing = output.write(printer.print(message));
        if (writing === undefined) return undefined;
        isPrinting = true;
        return writing.then(() => {
          isPrinting = false;
          idle.touch();
        });
      },
      close: resolve,
    });
  });
  const feed = new Feed(options, async (message) => {
    hasBegun = isOpen?.() ?? true;
    await conn.send(message);
    // Nothing may wait in a connection after which there is another, and a Close that had come by then is
    // read before the next message: it is not about that one.
    if (options.unsent !== undefined && flush !== undefined) {
      await flush();
      await untilPolled();
    }
    idle.touch();
  });
  const finish = async (): Promise<void> => {
    hasInputEnded = true;
    if (!hasEnd || (closing === undefined && (timeoutMs !== undefined || input.wasEmpty))) return;
    // What the peer answers at once has come before its pong; closing first would throw it away.
    await ping?.();
    while (isPrinting) await new Promise((resolve) => setImmediate(resolve));
    end = "ended";
    close();
  };
  const sending = feed.run(finish, close, close);

  const info = await closed;
  idle.stop();
  feed.stop();
  await output.write(printer.end());
  await sending;
  if (hasBegun && BLAMES_MESSAGE.has(codeOfPeer(info) ?? 0)) feed.dropUnsent();
  else feed.keepUnsent();
  if (feed.inputFailure !== undefined) throw feed.inputFailure;
  if (end !== undefined && (info.wasClean || end === "timeout")) return end;
  if (info.error !== undefined) throw info.error;
  if (isErrorCode(info.code)) throw new UserError(`The peer closed the connection: ${closeWords(info)}.`);
  if (info.wasClean && !isClosed(feed.sendFailure)) feed.rethrow();
  return "ended";
}

/** Resolves once Node has asked all sockets again: the second of two immediates comes behind a whole poll. */
async function untilPolled(): Promise<void> {
  for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Standard input on its way to one connection. */
class Feed {
  readonly #options: PumpOptions;
  readonly #send: (message: string | Uint8Array) => Promise<void>;
  readonly #over = new AbortController();
  #isWaiting = false;
  #hasPeerEnded = false;
  #grace: NodeJS.Timeout | undefined;
  /** What could not be sent, and how much of it was taken; 0 of what only counts whole. In bytes. */
  #unsent: { readonly length: number; readonly taken: number } | undefined;
  /** Why the input could not be used. */
  inputFailure: unknown;
  /** Why it could not be sent. */
  sendFailure: unknown;

  constructor(options: PumpOptions, send: (message: string | Uint8Array) => Promise<void>) {
    this.#options = options;
    this.#send = send;
  }

  /**
   * Sends until the input ends or `stop`; never rejects.
   *
   * @param finish called at the end of the input.
   * @param giveUp called when the input cannot be used.
   * @param sendFailed called when it cannot be sent. By default nothing is done: a stream that broke tells so
   * itself, after what the peer had said before.
   */
  async run(finish: () => Promise<void>, giveUp: () => void, sendFailed?: () => void): Promise<void> {
    const { signal } = this.#over;
    for (;;) {
      let message: string | Uint8Array | null;
      try {
        message = await this.#next();
      } catch (error) {
        if (this.#options.input.isTerminal && error instanceof UserError) {
          this.#options.onMistake(error);
          continue;
        }
        this.inputFailure = error;
        return giveUp();
      }
      if (message === null && signal.aborted && !this.#hasPeerEnded) return;
      try {
        if (message === null) return await finish();
        await this.#send(message);
      } catch (error) {
        this.sendFailure = error;
        if (message !== null) this.#unsent = this.#whatIsLeft(message, error);
        return sendFailed?.();
      }
    }
  }

  /** The peer sends nothing more; a person has seen it, and a program gets a little time. */
  peerEnded(): void {
    this.#hasPeerEnded = true;
    if (this.#options.input.isTerminal) this.#over.abort();
    else if (this.#isWaiting) this.#startGrace();
  }

  /** Takes nothing more of the input. */
  stop(): void {
    clearTimeout(this.#grace);
    this.#over.abort();
  }

  /** Gives the input back what could not be sent. */
  keepUnsent(): void {
    const { unsent, input } = this.#options;
    if (this.#unsent === undefined || unsent === undefined) return;
    const { length, taken } = this.#unsent;
    input.giveBack(taken);
    unsent.kept(length - taken);
  }

  /** Tells that what could not be sent is lost. */
  dropUnsent(): void {
    if (this.#unsent !== undefined) this.#options.unsent?.refused(this.#unsent.length);
  }

  #whatIsLeft(message: string | Uint8Array, error: unknown): { length: number; taken: number } {
    const isWhole = typeof message === "string" || this.#options.shape.unit === "line";
    const taken = !isWhole && error instanceof NetError ? (error.bytesWritten ?? 0) : 0;
    return { length: Buffer.byteLength(message), taken };
  }

  /** Throws why something could not be sent, if so. */
  rethrow(): void {
    const failure = this.inputFailure ?? this.sendFailure;
    if (failure !== undefined) throw failure;
  }

  async #next(): Promise<string | Uint8Array | null> {
    this.#isWaiting = true;
    if (this.#hasPeerEnded) this.#startGrace();
    try {
      return await this.#options.input.next(this.#over.signal);
    } finally {
      this.#isWaiting = false;
      clearTimeout(this.#grace);
    }
  }

  #startGrace(): void {
    this.#grace = setTimeout(() => this.#over.abort(), INPUT_GRACE_MS);
  }
}

/** What the peer's Close frame said, also where not all was taken that it had been sent. */
function codeOfPeer({ code, error }: CloseInfo): number | undefined {
  if (error === undefined) return code;
  return error instanceof WebSocketNetError ? error.received?.code : undefined;
}

function isClosed(error: unknown): boolean {
  return error instanceof NetError && error.code === "closed";
}
