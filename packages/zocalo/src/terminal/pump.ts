import { type CloseInfo, type Conn, NetError } from "@zocalo/net";
import { WebSocketError } from "@zocalo/websocket";
import { UserError } from "../exit-code.ts";
import type { Closing } from "./flags.ts";
import { IdleTimer } from "./idle-timer.ts";
import type { Input } from "./input.ts";
import { closeWords, type End, isErrorCode, type MessageLink } from "./link.ts";
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
}

/**
 * How long a silent input may go on being waited for once the peer has ended its side, in milliseconds. While something comes it is sent:
 * the peer may only have said that it asks nothing more. But a pipe that nobody writes to must not keep the command for ever.
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
  }
}

/**
 * Joins a flow of messages with standard input and output until the peer ends, or the input does.
 *
 * @throws UserError for a bad line of the input or an end that says that something went wrong; what broke the connection.
 */
export async function pumpMessages(link: MessageLink, options: PumpOptions): Promise<End> {
  const { conn, hasEnd, ping } = link;
  const { input, output, timeoutMs, closing } = options;
  const printer = new Printer(options.shape);
  let end: End | undefined;
  let hasReceived = false;
  let hasInputEnded = false;
  let isPrinting = false;
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
    await conn.send(message);
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
  if (feed.inputFailure !== undefined) throw feed.inputFailure;
  if (end !== undefined && (info.wasClean || end === "timeout")) return end;
  if (info.error !== undefined) throw info.error;
  if (isErrorCode(info.code)) throw new UserError(`The peer closed the connection: ${closeWords(info)}.`);
  if (info.wasClean && !isClosed(feed.sendFailure)) feed.rethrow();
  return "ended";
}

/** Standard input on its way to one connection. */
class Feed {
  readonly #options: PumpOptions;
  readonly #send: (message: string | Uint8Array) => Promise<void>;
  readonly #over = new AbortController();
  #isWaiting = false;
  #hasPeerEnded = false;
  #grace: NodeJS.Timeout | undefined;
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
   * @param sendFailed called when it cannot be sent. By default nothing is done: a stream that broke tells so itself, after what the peer
   * had said before.
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

function isClosed(error: unknown): boolean {
  return (error instanceof NetError || error instanceof WebSocketError) && error.code === "closed";
}
