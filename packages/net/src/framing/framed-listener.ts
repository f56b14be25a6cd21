import type { Addr } from "../contracts/addr.ts";
import type { Conn, Deadline, Listener, WaitOptions } from "../contracts/conn.ts";
import type { MessageConn } from "../contracts/message-conn.ts";
import { told } from "../flow/told.ts";

/** A listener of streams, seen as one of message connections. The streams stay the inner listener's to count and to abort. */
export class FramedListener implements Listener<MessageConn> {
  readonly addr: Addr;
  readonly #inner: Listener;
  readonly #frame: (conn: Conn) => MessageConn;

  constructor(inner: Listener, frame: (conn: Conn) => MessageConn) {
    this.addr = inner.addr;
    this.#inner = inner;
    this.#frame = frame;
  }

  accept(options?: WaitOptions): Promise<MessageConn> {
    return told(this.#inner.accept(options).then(this.#frame));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<MessageConn, void, undefined> {
    for await (const conn of this.#inner) yield this.#frame(conn);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  drain(deadline: Deadline, options?: WaitOptions): Promise<void> {
    return this.#inner.drain(deadline, options);
  }

  abort(): Promise<void> {
    return this.#inner.abort();
  }

  unref(): void {
    this.#inner.unref();
  }

  ref(): void {
    this.#inner.ref();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
