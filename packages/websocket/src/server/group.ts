import { type Message, PreparedMessage } from "@zocalo/net";
import type { WebSocketConn } from "../session/conn.ts";

/** What `Group.broadcast` did, in connections. */
export interface BroadcastOutcome {
  /** Took the message. */
  readonly sent: number;
  /** Took it, and are past their high-water mark. */
  readonly buffered: number;
  /** Did not take it: too far behind, or closed. `onMissed` was told of each. */
  readonly refused: number;
}

/** How a group treats its members. */
export interface GroupOptions {
  /**
   * Told of each member that did not take a message, because too much waits to be sent to it. Default: it
   * misses the message. A common answer is `conn.close(1013, "too slow")`.
   */
  readonly onMissed?: ((conn: WebSocketConn, message: Message) => void) | undefined;
}

/**
 * Connections that get the same messages. A message is framed once, and compressed once for each set of
 * parameters; what several members have pending at the end of a turn is joined once, and the same buffer is
 * written to all of them.
 *
 * @example
 * const everybody = new Group();
 * for await (const conn of listener) {
 *   everybody.add(conn);
 *   conn.serve({
 *     message: (message) => void everybody.broadcast(message),
 *     close: () => void everybody.delete(conn),
 *   });
 * }
 */
export class Group implements Iterable<WebSocketConn> {
  readonly #members = new Set<WebSocketConn>();
  readonly #onMissed: GroupOptions["onMissed"];

  constructor(options: GroupOptions = {}) {
    this.#onMissed = options.onMissed;
  }

  get size(): number {
    return this.#members.size;
  }

  /**
   * Takes a connection in. It stays until `delete`: call that from the handler's `close`, or when iteration
   * has ended.
   */
  add(conn: WebSocketConn): this {
    this.#members.add(conn);
    return this;
  }

  /** True if it was a member. */
  delete(conn: WebSocketConn): boolean {
    return this.#members.delete(conn);
  }

  /** True for a member. */
  has(conn: WebSocketConn): boolean {
    return this.#members.has(conn);
  }

  /** The members, in the order in which they came. */
  [Symbol.iterator](): IterableIterator<WebSocketConn> {
    return this.#members.values();
  }

  /**
   * Sends to all members but `except`. Never waits, and never throws for a member that is behind or closed.
   */
  broadcast(message: Message | PreparedMessage, except?: WebSocketConn): BroadcastOutcome {
    const prepared = message instanceof PreparedMessage ? message : new PreparedMessage(message);
    const refused: WebSocketConn[] = [];
    let sent = 0;
    let buffered = 0;
    for (const conn of this.#members) {
      if (conn === except) continue;
      const outcome = conn.trySend(prepared);
      if (outcome === "sent") sent++;
      else if (outcome === "buffered") buffered++;
      else refused.push(conn);
    }
    // Not in the loop: it may well change the members.
    if (this.#onMissed !== undefined) for (const conn of refused) this.#onMissed(conn, prepared.message);
    return { sent, buffered, refused: refused.length };
  }
}
