import { closeSync, fdatasync, mkdirSync, mkdtempSync, openSync, rmSync, statSync, write } from "node:fs";
import { join } from "node:path";
import { durable } from "@zocalo/hub";
import { alternate, median, quantile, spawnServer } from "./measure.ts";
import { type Results, ratioTable, RESULTS_DIRECTORY, writeResults } from "./results.ts";

export const title =
  "Durable publications a second, beside an append-only file with group commit; a start after kill -9";

const AT_ONCE = 64;
const DATA = JSON.stringify("x".repeat(198));
const RETENTION = { publications: 1_000, bytes: 1e9, ttlMs: 86_400_000, keyTtlMs: 300_000 };
const FILE = "a file, written together and synchronized (fdatasync)";
const COLUMNS = ["without keys", "with keys", "in 100 channels, with keys"] as const;

/** Channels with one publication each, before the start that is measured. */
const CHANNELS = 1_000_000;
const QUICK_CHANNELS = 20_000;
/** How often the store is opened after its process was killed. */
const STARTS = 5;

/** Commits one; resolves when the disk has confirmed it. */
type Commit = (number: number) => Promise<unknown>;

/** What a round found. */
interface Round {
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
  const tmp = join(RESULTS_DIRECTORY, "tmp"); // a real disk: /tmp may be memory
  mkdirSync(tmp, { recursive: true });
  const directory = mkdtempSync(join(tmp, "durable-"));
  const engine = await durable(join(directory, "data"));
  engine.start({ publication: () => undefined, replaced: () => undefined, presence: () => undefined });
  const file = openSync(join(directory, "file"), "w");
  let keys = 0;
  const publish = (isKeyed: boolean, channels: number) => (number: number) => {
    const key = isKeyed ? { key: `${keys++}` } : {};
    return engine.publish(`c:${number % channels}`, { user: "u", data: DATA, ...key }, RETENTION);
  };
  const found = await alternate(
    {
      file: () => measure(appender(file), count),
      "without keys": () => measure(publish(false, 1), count),
      "with keys": () => measure(publish(true, 1), count),
      "in 100 channels, with keys": () => measure(publish(true, 100), count),
    },
    isQuick ? 1 : 5,
  );
  await engine.close();
  closeSync(file);
  await measureStart(join(directory, "many"), isQuick ? QUICK_CHANNELS : CHANNELS, isQuick ? 1 : STARTS);
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

/** How long it takes until a publication is answered, in a process that opens what a killed one has left. */
async function measureStart(directory: string, channels: number, starts: number): Promise<void> {
  const writer = new URL("durable-start.ts", import.meta.url);
  const found: { readonly openMs: number; readonly firstMs: number; readonly rssBytes: number }[] = [];
  const begin = performance.now();
  for (let start = 0; start <= starts; start++) {
    // The first one makes the channels; each is killed while it publishes.
    const args = [directory, start === 0 ? `${channels}` : "0"];
    const server = await spawnServer(writer, { args, readyTimeoutMs: 3_600_000 });
    const { openMs, firstMs } = server.ready as { readonly openMs: number; readonly firstMs: number };
    if (start > 0) found.push({ openMs, firstMs, rssBytes: server.rssBytes() });
    process.kill(server.pid, "SIGKILL");
    await server.stop();
    if (start === 0) {
      const seconds = ((performance.now() - begin) / 1_000).toFixed(0);
      const megabytes = (statSync(join(directory, "zocalo.db")).size / 1e6).toFixed(0);
      console.log(`${channels} channels with one publication each: ${seconds} s, ${megabytes} MB`);
    }
  }
  const of = (value: (each: (typeof found)[number]) => number): string => median(found.map(value)).toFixed(0);
  console.log(
    `A start after SIGKILL, median of ${starts}: open after ${of(({ openMs }) => openMs)} ms, the first publication ` +
      `acknowledged after ${of(({ firstMs }) => firstMs)} ms, ${of(({ rssBytes }) => rssBytes / 1e6)} MB resident`,
  );
}

async function measure(commit: Commit, count: number): Promise<Round> {
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
function appender(file: number): Commit {
  const line = Buffer.from(`${DATA}\n`);
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
