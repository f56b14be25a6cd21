import type { Duplex } from "node:stream";
import { asError } from "../contracts/failures.ts";

/**
 * Gives the parts to a stream, in one step if it can take several. A stream whose `_write` throws throws at whoever wrote: here it breaks.
 *
 * @param written called once all of them are written, or one has failed.
 */
export function writeByStream(
  stream: Duplex,
  parts: readonly Uint8Array[],
  written: (error?: Error | null) => void,
): void {
  // oxlint-disable-next-line no-underscore-dangle -- the name that Node gives what implements a stream
  const takesSeveral = typeof stream._writev === "function";
  // Else Node goes on with the next part where one has failed.
  const given = takesSeveral || parts.length === 1 ? parts : [Buffer.concat(parts)];
  try {
    stream.cork();
    for (const part of given.slice(0, -1)) stream.write(part);
    stream.write(given.at(-1), written);
    stream.uncork();
  } catch (error) {
    stream.destroy(asError(error));
  }
}
