import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { unacknowledgedBytes } from "../../src/node/unacknowledged.ts";

/**
 * Resolves when the other system has all that was written. What waits for its acknowledgements (one small
 * segment after the other is sent only so far ahead of them) a reset would throw away.
 */
export async function hasArrived(stream: Duplex): Promise<void> {
  if (!(stream instanceof Socket)) return;
  while ((await unacknowledgedBytes(stream)) ?? 0) await turn();
}
