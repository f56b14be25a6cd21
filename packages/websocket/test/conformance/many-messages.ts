// Many messages in one connection, for sections 12 and 13.
import { type Case, must } from "./case.ts";
import { type Kind, messageOf } from "./payload.ts";
import type { Peer } from "./peer.ts";
import { BINARY, TEXT } from "./wire.ts";

/** Messages on their way at once. */
const IN_FLIGHT = 4;
const SIZES = [16, 64, 256, 1024, 4096, 8192, 16_384, 32_768, 65_536, 131_072] as const;
/** Message and frame sizes. */
const FRAGMENTED = [
  [8192, 256],
  [16_384, 256],
  [32_768, 1024],
  [32_768, 4096],
  [65_536, 4096],
  [65_536, 65_536],
  [131_072, 16_384],
  [131_072, 65_536],
] as const;

/** Sends `count` messages and holds against each what comes back. */
async function manyMessages(
  peer: Peer,
  kind: Kind,
  size: number,
  count: number,
  frameBytes?: number,
): Promise<void> {
  const opcode = kind === "random" || kind === "repeated" ? BINARY : TEXT;
  const level = size > 10_000 ? 1 : 6;
  let compressed = 0;
  for (let sent = 0, back = 0; back < count; back++) {
    for (; sent < count && sent < back + IN_FLIGHT; sent++) {
      await peer.write(peer.compressed(opcode, messageOf(kind, size, sent), frameBytes, level));
    }
    const expected = messageOf(kind, size, back);
    const message = await peer.message();
    must(message.opcode === opcode, `opcode ${message.opcode} for ${opcode}`);
    must(message.payload.equals(expected), `message ${back} came back wrong`);
    if (message.wasCompressed) compressed++;
  }
  // Nobody has to compress, but somebody who never does has not been tested.
  must(size < 1024 || kind === "random" || compressed > 0, "nothing came back compressed");
  await peer.finish();
}

/**
 * A case for each size, and for some in fragments; for counts below 1,000 only a few sizes, as short cases.
 */
export function rows(
  group: string,
  kind: Kind,
  title: string,
  counts: readonly number[],
  extra: Partial<Case>,
): Case[] {
  return counts.flatMap((count) => {
    const isLong = count === 1000;
    const sizes = isLong ? SIZES : SIZES.filter((size) => size === 16 || size === 1024 || size === 65_536);
    const frames = isLong ? FRAGMENTED : FRAGMENTED.slice(0, 1);
    return [...sizes.map((size) => [size, undefined] as const), ...frames].map(
      ([size, frameBytes], i): Case => ({
        id: `${group}.${i + 1}${isLong ? "" : "q"}`,
        title: `${title}: ${count} × ${size} bytes of ${kind}${frameBytes === undefined ? "" : ` in frames of ${frameBytes}`}`,
        isLong,
        needsCompression: true,
        ...extra,
        run: (peer) => manyMessages(peer, kind, size, count, frameBytes),
      }),
    );
  });
}
