import type { Duplex } from "node:stream";
import { asError } from "../contracts/failures.ts";
import { takesSeveral } from "../node/write-past-queue.ts";

/** Called once when a write is over. */
export type Written = (error?: Error | null) => void;

/** Who has a write under way, and never two. */
export interface Writer {
  /** The write is over. */
  writeOver(error: Error | null | undefined): void;
}

/**
 * Knows whose write it is that a socket says is over. A function of each connection's own would last as long
 * as the connection. These last as long as a write, and as nearly all writes are over at once, nearly always
 * the same one does.
 */
class Completion {
  writer: Writer | undefined;
  readonly written: Written = (error?: Error | null): void => {
    const { writer } = this;
    this.writer = undefined;
    keepSpare(this);
    writer?.writeOver(error);
  };
}

let spare: Completion | undefined;

function keepSpare(completion: Completion): void {
  spare = completion;
}

/** What to call, once, when a write of `writer` is over. */
export function completionFor(writer: Writer): Written {
  const found = spare ?? new Completion();
  spare = undefined;
  found.writer = writer;
  return found.written;
}

/**
 * Gives the parts to a stream, in one step if it can take several. A stream whose `_write` throws throws at
 * whoever wrote: here it breaks.
 *
 * @param written called once all of them are written, or one has failed.
 */
export function writeByStream(stream: Duplex, parts: readonly Uint8Array[], written: Written): void {
  // Else Node goes on with the next part where one has failed.
  const given = takesSeveral(stream) || parts.length === 1 ? parts : [Buffer.concat(parts)];
  try {
    stream.cork();
    for (const part of given.slice(0, -1)) stream.write(part);
    stream.write(given.at(-1), written);
    stream.uncork();
  } catch (error) {
    stream.destroy(asError(error));
  }
}
