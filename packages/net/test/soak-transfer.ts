// Transfers in both directions at once, one of them to a slow reader, and tells how much memory that took.
//
//   npx tsx packages/net/test/soak-transfer.ts [--bytes 1GiB] [--network tcp|unix] [--seed 1]
//
// Prints one line of JSON. Exit code 1 if a hash differs or memory grew past the bound.
import { createHash } from "node:crypto";
import { parseArgs } from "node:util";
import { Random } from "@zocalo/integrity";
import type { Conn } from "@zocalo/net";
import { Pairs } from "./pairs.ts";

/**
 * How far this process, which holds both ends, may grow while it transfers, in bytes; however much it
 * transfers. The two ends hold some 100 KiB; the rest is garbage between two collections.
 */
export const GROWTH_BOUND_BYTES = 64 * 1024 * 1024;

/** What is written at once. */
const WRITE_BYTES = 256 * 1024;
/** The slow reader rests after so much. */
const REST_BYTES = 256 * 1024;
const REST_MS = 5;

const UNITS: Readonly<Record<string, number>> = { "": 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };

const { values } = parseArgs({
  options: {
    bytes: { type: "string", default: "1GiB" },
    network: { type: "string", default: "tcp" },
    seed: { type: "string", default: "1" },
  },
});
const wanted = sizeOf(values.bytes);
const random = new Random(Number(values.seed));
// Random bytes, sent from another place each time, so that no part looks like the one before.
const source = random.bytes(2 * WRITE_BYTES);

async function send(conn: Conn): Promise<string> {
  const hash = createHash("sha256");
  for (let left = wanted; left > 0; ) {
    const from = random.below(source.length - WRITE_BYTES);
    const part = source.subarray(from, from + Math.min(left, random.int(1, WRITE_BYTES)));
    hash.update(part);
    await conn.write(part);
    left -= part.length;
  }
  await conn.closeWrite();
  return hash.digest("hex");
}

async function receive(conn: Conn, isSlow: boolean): Promise<string> {
  const hash = createHash("sha256");
  let sinceRest = 0;
  for await (const bytes of conn) {
    hash.update(bytes);
    sinceRest += bytes.length;
    if (!isSlow || sinceRest < REST_BYTES) continue;
    sinceRest = 0;
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
  }
  return hash.digest("hex");
}

const pairs = new Pairs();
const pair = values.network === "unix" ? await pairs.unix() : await pairs.tcp();
const { a, b } = pair;
const before = process.memoryUsage.rss();
let peak = before;
const watching = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss());
}, 10);
const startedAt = performance.now();
const [sentA, sentB, receivedA, receivedB] = await Promise.all([
  send(a),
  send(b),
  receive(a, false),
  receive(b, true),
]);
const seconds = (performance.now() - startedAt) / 1000;
clearInterval(watching);
peak = Math.max(peak, process.memoryUsage.rss());
await Promise.all([a.close(), b.close()]);
await pair.tidy();
pairs.dispose();

const areEqual = sentA === receivedB && sentB === receivedA;
const isBounded = peak - before <= GROWTH_BOUND_BYTES;
console.log(
  JSON.stringify({
    network: values.network,
    bytesEachWay: wanted,
    seconds: Math.round(seconds * 10) / 10,
    peakRssMiB: toMiB(peak),
    growthMiB: toMiB(peak - before),
    boundMiB: toMiB(GROWTH_BOUND_BYTES),
    areEqual,
    sha256: [sentA, sentB],
  }),
);
process.exitCode = areEqual && isBounded ? 0 : 1;

function sizeOf(text: string): number {
  const [, number, unit] = /^(\d+)([KMG]iB|)$/.exec(text) ?? [];
  const factor = UNITS[unit ?? ""];
  if (number === undefined || factor === undefined) throw new Error(`${text} is not a size such as 64MiB`);
  return Number(number) * factor;
}

function toMiB(bytes: number): number {
  return Math.round((bytes / 2 ** 20) * 10) / 10;
}
