import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import type { Conn, NetError } from "@zocalo/net";

/** Two ends of one connection, and what tidies up after a test. */
export interface Pair {
  readonly a: Conn;
  readonly b: Conn;
  tidy(): Promise<void>;
}

/** What differs between implementations, and is documented. */
export interface ContractTraits {
  /** `abort` reaches the peer as `reset`. Default `true`; where there is no reset the stream just ends. */
  readonly hasReset?: boolean;
  /** An end is forgotten once the connection was reset after it. Default `false`. */
  readonly forgetsEnd?: boolean;
  /** How many bytes the big transfers carry in each direction. Default 8 MiB. */
  readonly transferBytes?: number;
  /** Why there is no such connection here; `false`: there is. Default `false`. */
  readonly skip?: string | false;
}

/** The implementation that a part of the contract is held against. */
export interface Subject {
  /** Makes a test of what two fresh ends do. */
  readonly contract: (title: string, run: (pair: Pair) => Promise<void>) => void;
  readonly makePair: () => Promise<Pair>;
  readonly hasReset: boolean;
  readonly forgetsEnd: boolean;
  readonly transferBytes: number;
}

export const text = (bytes: Uint8Array | null): string | null =>
  bytes === null ? null : Buffer.from(bytes).toString();
export const bytes = (content: string): Uint8Array => Buffer.from(content);
export const soon = (): number => Date.now() + 15;

/**
 * Writes until the peer, which does not read, has stopped it. Gives how many bytes were taken in full, and
 * the write that waits.
 */
export async function fill(conn: Conn): Promise<{ readonly written: number; readonly stuck: Promise<void> }> {
  const block = Buffer.alloc(1024 * 1024);
  for (let written = 0; ; written += block.length) {
    let isTaken = false;
    const stuck = conn.write(block);
    const taken = stuck.then(
      () => (isTaken = true),
      () => undefined,
    );
    for (let i = 0; i < 50 && !isTaken; i++) await Promise.race([taken, turn()]);
    if (!isTaken) return { written, stuck };
  }
}

/** Waits until a write that a deadline is to cut short has been; gives how far it had come. */
export async function cutByDeadline(conn: Conn, write: Promise<void>): Promise<number> {
  conn.setWriteDeadline(Date.now() - 1);
  const error = await write.then(
    () => undefined,
    (reason: NetError) => reason,
  );
  assert.equal(error?.code, "timeout");
  return error?.bytesWritten ?? Number.NaN;
}
