// What a memory engine is filled with to see what memory it takes, and a process of its own for each.
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";

/** One kind of publications. */
export interface Filling {
  /** Characters of `data`. */
  readonly length: number;
  /** What they are. Default `x`. */
  readonly character?: string;
  /** Channels they go to in turn. Default 100; `Infinity`: each to one of its own. */
  readonly channels?: number;
  /** Each has a key, as long as there is room for one. */
  readonly isKeyed?: boolean;
  /** Each comes from another address. */
  readonly hasAddress?: boolean;
  readonly info?: string;
  /** `data` is so many bytes, no text. */
  readonly isBytes?: boolean;
  /** `length` of every second thousand. */
  readonly otherLength?: number;
}

export const FILLINGS: Readonly<Record<string, Filling>> = {
  "200 B": { length: 200 },
  "20 B": { length: 20 },
  "4 kB": { length: 4_000 },
  "64 KiB": { length: 65_536 },
  "1 MiB": { length: 1_048_576, channels: 3 },
  "16 bytes": { length: 16, isBytes: true },
  "200 bytes": { length: 200, isBytes: true },
  "64 KiB of bytes": { length: 65_536, isBytes: true },
  "1 MiB of bytes": { length: 1_048_576, isBytes: true, channels: 3 },
  "20 B and 64 KiB in turn": { length: 20, otherLength: 65_536 },
  "20 B and 4 kB in turn, in channels that come again": { length: 20, otherLength: 4_000, channels: 200_000 },
  "200 B with info": { length: 200, info: JSON.stringify({ name: "Ana", picture: "a".repeat(120) }) },
  "200 characters that are not Latin": { length: 200, character: "漢" },
  "200 B with keys": { length: 200, isKeyed: true },
  "200 B, a channel each": { length: 200, channels: Number.POSITIVE_INFINITY },
  "20 B, a channel each": { length: 20, channels: Number.POSITIVE_INFINITY },
  "20 B, a channel, a key and an address each": {
    length: 20,
    channels: Number.POSITIVE_INFINITY,
    isKeyed: true,
    hasAddress: true,
  },
};

/** What a process found. Memory is resident memory past what it had before, in parts of `maxBytes`. */
export interface Filled {
  /** When the engine had to make room first. */
  readonly full: number;
  /** At most, at any time. */
  readonly most: number;
  /** In the end, when V8 has collected what passed through. */
  readonly settled: number;
  /** What the engine says at the end. */
  readonly counted: number;
  /** Publications. */
  readonly published: number;
  /** Processor time for each, in microseconds. */
  readonly cpuUs: number;
}

const PROGRAM = fileURLToPath(new URL("memory-fill.ts", import.meta.url));

/**
 * Fills an engine in a process of its own.
 *
 * @param times so many times `maxBytes` are published in all
 */
export async function fill(
  name: string,
  maxBytes: number,
  times: number,
  nodeArgs: readonly string[] = [],
  node: string = process.execPath,
): Promise<Filled> {
  const loader = ["--conditions=zocalo-source", "--import", import.meta.resolve("tsx")];
  const args = [...nodeArgs, ...loader, PROGRAM, name, `${maxBytes}`, `${times}`];
  const { stdout } = await promisify(execFile)(node, args);
  return JSON.parse(stdout) as Filled;
}
