import type { Duplex } from "node:stream";
import { type Conn, NetError, toNodeStream } from "@zocalo/net";
import { holdStill } from "@zocalo/net/transport";
import { WebSocketNetError } from "../core/error.ts";

/** Those that a dial has taken: they are its own, whatever has become of it. */
const takenConns = new WeakSet<Conn>();

/**
 * Refuses a connection that somebody else still speaks over, or that has come to an end: two who read the
 * same stream would each get a part of it. What the application has said before does not matter.
 *
 * @throws WebSocketNetError `invalid_argument`. The connection is left as it is.
 */
export function checkGivenConn(conn: Conn): void {
  if (takenConns.has(conn)) throw refusal("it was given to another dial");
  try {
    holdStill(conn, "dial");
  } catch (cause) {
    throw refusal(cause instanceof NetError ? cause.reason : String(cause), cause);
  }
}

/**
 * Takes it, as a stream, if nobody else has begun to use it since it was checked.
 *
 * @throws WebSocketNetError `invalid_argument`. The connection is left as it is.
 */
export function takeGivenConn(conn: Conn): Duplex {
  checkGivenConn(conn);
  takenConns.add(conn);
  // An error between two steps is seen as a close by the next one.
  return toNodeStream(conn).on("error", ignore);
}

/** Closes it where the dial ends before it was taken, unless it is another dial's by now. */
export function closeGivenConn(conn: Conn): void {
  if (!takenConns.has(conn)) toNodeStream(conn).on("error", ignore).destroy();
}

function refusal(reason: string, cause?: unknown): WebSocketNetError {
  return new WebSocketNetError("invalid_argument", `conn cannot be spoken over: ${reason}`, { cause });
}

function ignore(): void {}
