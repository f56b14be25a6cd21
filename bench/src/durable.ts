import { closeSync, fdatasync, openSync, rmSync, write } from "node:fs";
import { join } from "node:path";
import { durable, type DurableEngine } from "@zocalo/hub";
import { temporaryDirectory } from "./fan-out.ts";
import { alternate, median, quantile } from "./measure.ts";
import { type Results, ratioTable, writeResults } from "./results.ts";

export const title = "Durable publications a second, beside an append-only file with group commit";

export const AT_ONCE = 64;
export const TEXT_200 = JSON.stringify("x".repeat(198));
export const RETENTION = { publications: 1_000, bytes: 1e9, ttlMs: 86_400_000, keyMs: 300_000 };
const FILE = "a file, written together and synchronized (fdatasync)";
const COLUMNS = ["without keys", "with keys", "in 100 channels, with keys"] as const;

/** Commits one; resolves when the disk has confirmed it. */
export type Commit = (number: number) => Promise<unknown>;

/** What a round found. */
export interface Round {
  readonly perSecond: number;
  /** How much too late a timer of a millisecond came, at the 99th percentile. */
  readonly lateMs: number;
}

/**
 * 64 publications of 200 bytes at once. Measures and prints, and writes `bench/results/durable.json` and
 * `.svg`.
 *
 * @param args `--quick` for a short run that writes nothing.
 */
export async function run(args: string[]): Promise<void> {
  const isQuick = args.includes("--quick");
  const count = isQuick ? 10_000 : 100_000;
  const directory = temporaryDirectory();
  const file = openSync(join(directory, "file"), "w");
  const engines: DurableEngine[] = [];
  let keys = 0;
  /** Each in a store of its own: the keys of one make the others slower. */
  const published = async (isKeyed: boolean, channels: number): Promise<() => Promise<Round>> => {
    const engine = await durable(join(directory, `${engines.length}`));
    engine.start({ publication: () => undefined, replaced: () => undefined, presence: () => undefined });
    engines.push(engine);
    const publish: Commit = (number) => {
      const key = isKeyed ? { key: `${keys++}` } : {};
      return engine.publish(`c:${number % channels}`, { user: "u", data: TEXT_200, ...key }, RETENTION);
    };
    return () => measure(publish, count);
  };
  const found = await alternate(
    {
      file: () => measure(appender(file), count),
      "without keys": await published(false, 1),
      "with keys": await published(true, 1),
      "in 100 channels, with keys": await published(true, 100),
    },
    isQuick ? 1 : 5,
  );
  for (const engine of engines) await engine.close();
  closeSync(file);
  rmSync(directory, { recursive: true });
  const perSecond = (name: string): number => median(found[name]?.map((round) => round.perSecond) ?? []);
  const results: Results = {
    title,
    unit: "publications of 200 bytes a second, 64 at once",
    isLessBetter: false,
    columns: COLUMNS,
    rows: [
      { name: FILE, values: Object.fromEntries(COLUMNS.map((column) => [column, perSecond("file")])) },
      { name: "durable()", values: Object.fromEntries(COLUMNS.map((column) => [column, perSecond(column)])) },
    ],
  };
  console.log(ratioTable(results));
  for (const column of COLUMNS) {
    const late = median(found[column]?.map(({ lateMs }) => lateMs) ?? []);
    console.log(`A timer of 1 ms meanwhile, ${column}: ${late.toFixed(1)} ms late at the 99th percentile`);
  }
  if (!isQuick) writeResults("durable", results);
}

/** 64 at once. */
export async function measure(commit: Commit, count: number): Promise<Round> {
  const late: number[] = [];
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    late.push(now - last - 1);
    last = now;
  }, 1);
  let number = 0;
  const work = async (): Promise<void> => {
    while (number < count) await commit(number++);
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const perSecond = (count / (performance.now() - start)) * 1_000;
  clearInterval(timer);
  return { perSecond, lateMs: quantile(late, 0.99) };
}

/** What waits is written in one go, and synchronized once. */
export function appender(file: number): Commit {
  const line = Buffer.from(`${TEXT_200}\n`);
  let waiting: (() => void)[] = [];
  let isBusy = false;
  const next = (): void => {
    const batch = waiting;
    waiting = [];
    isBusy = batch.length > 0;
    if (!isBusy) return;
    write(file, Buffer.concat(batch.map(() => line)), () => {
      fdatasync(file, () => {
        for (const done of batch) done();
        setImmediate(next);
      });
    });
  };
  return () =>
    new Promise<void>((resolve) => {
      waiting.push(resolve);
      if (!isBusy) setImmediate(next);
      isBusy = true;
    });
}
