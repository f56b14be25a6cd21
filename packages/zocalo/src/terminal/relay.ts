import { type CloseInfo, type Conn, type Message, NetError } from "@zocalo/net";
import { UserError } from "../exit-code.ts";
import type { Flags } from "./flags.ts";
import { IdleTimer } from "./idle-timer.ts";
import { closeWords, type End, isErrorCode, isSendable, type Link, type MessageLink } from "./link.ts";
import { StreamMessages, textOf } from "./stream-messages.ts";

/** Bytes of one direction of two streams that may wait to be taken before their sender is read no further. */
const HIGH_WATER_BYTES = 262_144;
/**
 * How long messages may stay away once a stream has said its last, in milliseconds. A WebSocket knows no
 * half-close and UDP no end, and a pong would say nothing of a server behind the next relay.
 */
const LAST_ANSWERS_MS = 5000;

const NEWLINE = Buffer.from("\n");

/**
 * How a link is closed when the other one has broken, or was never there (RFC 6455 §7.4.1 and its registry).
 */
const CODES = {
  /** To who connected: what is behind this relay is not there. */
  from: 1014,
  /** To who was dialed: the one for whom it was is gone. */
  to: 1001,
} as const;

/** Closes a link because there is nothing to join it with: a stream is reset, a WebSocket gets a code. */
export function cut({ form, conn }: Link, side: keyof typeof CODES): void {
  if (form === "bytes") conn.abort();
  else void conn.close(CODES[side]).catch(() => conn.abort());
}

/**
 * Joins two links until both have ended: what comes from one goes to the other, in both directions. Who is
 * behind holds the other back.
 *
 * Resolves with `timeout` if nothing came or went in either direction for `flags.timeout`.
 *
 * @throws what broke one of them; the other is cut then.
 */
export function relay(from: Link, to: Link, flags: Flags): Promise<End> {
  return new Relay(from, to, flags).run();
}

class Relay {
  readonly #from: Link;
  readonly #to: Link;
  readonly #flags: Flags;
  readonly #idle: IdleTimer;
  #end: End = "ended";
  /** A stream has said its last: from then on silence is how an answer ends. */
  #hasAskedLast = false;
  #failure: unknown;

  constructor(from: Link, to: Link, flags: Flags) {
    this.#from = from;
    this.#to = to;
    this.#flags = flags;
    this.#idle = new IdleTimer(flags.timeout, () => {
      if (!this.#hasAskedLast) this.#end = "timeout";
      this.#closeBoth();
    });
  }

  async run(): Promise<End> {
    try {
      await this.#join();
    } finally {
      this.#idle.stop();
    }
    if (this.#failure !== undefined) throw this.#failure;
    return this.#end;
  }

  #join(): Promise<unknown> {
    const [from, to] = [this.#from, this.#to];
    if (from.form === "bytes") {
      if (to.form === "messages") return this.#joinMixed(from.conn, to);
      return Promise.all([this.#copyBytes(from.conn, to.conn), this.#copyBytes(to.conn, from.conn)]);
    }
    if (to.form === "bytes") return this.#joinMixed(to.conn, from);
    return Promise.all([this.#copyMessages(from, to), this.#copyMessages(to, from)]);
  }

  /** The first failure is the one that is told; those behind it are its consequences. */
  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    cut(this.#from, "from");
    cut(this.#to, "to");
  }

  #closeBoth(): void {
    this.#closeInOrder(this.#from.conn);
    this.#closeInOrder(this.#to.conn);
  }

  /** Once all has been taken that was passed on. */
  #closeInOrder(conn: Link["conn"]): void {
    void conn.close().catch((error: unknown) => this.#fail(error));
  }

  // Stream to stream.

  /** One direction. Resolves when `from` is closed, which its other direction has a part in. */
  #copyBytes(from: Conn, to: Conn): Promise<void> {
    return new Promise((resolve) => {
      let unsentBytes = 0;
      let hasEnded = false;
      const fail = (error: unknown): void => this.#fail(error);
      from.serve({
        // Hot path: a promise is handed back, which stops reading, only when the other side is behind.
        data: (bytes) => {
          const { length } = bytes;
          unsentBytes += length;
          this.#idle.touch();
          const writing = to
            .write(bytes)
            .catch(fail)
            .then(() => {
              unsentBytes -= length;
              this.#idle.touch();
            });
          return unsentBytes > HIGH_WATER_BYTES ? writing : undefined;
        },
        end: () => {
          hasEnded = true;
          return to.closeWrite().catch(fail);
        },
        close: (error) => {
          if (error !== undefined) fail(error);
          // Closed by this side. After an end in order the other direction goes on, and `close` would cut the
          // writes that wait.
          else if (!hasEnded) this.#closeInOrder(to);
          resolve();
        },
      });
    });
  }

  // Messages to messages.

  #copyMessages(from: MessageLink, to: MessageLink): Promise<void> {
    return new Promise((resolve) => {
      from.conn.serve({
        message: (message) => {
          this.#idle.touch();
          return this.#send(to, message);
        },
        close: (info) => {
          this.#hasClosed(info);
          const code = isSendable(info.code) ? info.code : undefined;
          void to.conn.close(code, code === undefined ? "" : info.reason).catch(() => to.conn.abort());
          resolve();
        },
      });
    });
  }

  async #send(to: MessageLink, message: Message): Promise<void> {
    try {
      await to.conn.send(this.#converted(message, to));
      this.#idle.touch();
    } catch (error) {
      // Datagrams may be lost: this one does not fit in the queue, or would be more than an address that may
      // be forged has sent.
      if (!to.hasEnd && error instanceof NetError && error.code === "no_room") return;
      this.#fail(error);
    }
  }

  /** A datagram carries bytes, and becomes text where that is asked for. */
  #converted(message: Message, to: MessageLink): Message {
    if (!to.hasEnd) return typeof message === "string" ? Buffer.from(message) : message;
    if (typeof message === "string" || this.#flags.text !== true) return message;
    return textOf(message, "A datagram", "without --text it is a binary message");
  }

  /** A code that means an error is passed on as it is; a connection that just broke breaks the other. */
  #hasClosed(info: CloseInfo): void {
    if (info.error !== undefined) this.#fail(info.error);
    else if (isErrorCode(info.code)) {
      this.#failure ??= new UserError(`One side closed the connection: ${closeWords(info)}.`);
    }
  }

  // Stream and messages.

  #joinMixed(stream: Conn, link: MessageLink): Promise<unknown> {
    const outgoing = new StreamMessages(!link.hasEnd, this.#flags);
    const fail = (error: unknown): void => this.#fail(error);
    /** Runs once the stream has said its last. */
    let silence: IdleTimer | undefined;

    const finish = async (): Promise<void> => {
      for (const message of outgoing.end()) await this.#send(link, message);
      this.#hasAskedLast = true;
      if (this.#flags.timeout !== undefined) return;
      silence = new IdleTimer(LAST_ANSWERS_MS, () => this.#closeBoth());
    };

    const streaming = new Promise<void>((resolve) => {
      stream.serve({
        data: async (bytes) => {
          this.#idle.touch();
          for (const message of outgoing.of(bytes)) await this.#send(link, message);
        },
        end: () => void finish().catch(fail),
        close: (error) => {
          if (error !== undefined) fail(error);
          this.#closeInOrder(link.conn);
          resolve();
        },
      });
    });
    const messaging = new Promise<void>((resolve) => {
      link.conn.serve({
        message: (message) => {
          this.#idle.touch();
          silence?.touch();
          const bytes = typeof message === "string" ? Buffer.from(message) : message;
          const isOne = this.#flags.lines === true;
          const writing = isOne ? stream.writev([bytes, NEWLINE]) : stream.write(bytes);
          return writing.catch(fail).then(() => {
            this.#idle.touch();
            silence?.touch();
          });
        },
        close: (info) => {
          this.#hasClosed(info);
          if (this.#failure === undefined) this.#closeInOrder(stream);
          else stream.abort();
          resolve();
        },
      });
    });
    return Promise.all([streaming, messaging]).finally(() => silence?.stop());
  }
}
