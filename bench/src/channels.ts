import { rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { freePort } from "./brokers.ts";
import { type Curves, curvesTable, writeCurves } from "./curves.ts";
import { temporaryDirectory } from "./fan-out.ts";
import { channelName } from "./hub-load.ts";
import { alternate, median, rssBytes, type ServerProcess, spawnServer } from "./measure.ts";
import { figure } from "./results.ts";

export const title =
  "10 to 1,000,000 channels with a publication each: a start after kill -9, memory, CPU for each publication";

const COUNTS = [10, 100, 1_000, 10_000, 100_000, 1_000_000];
const QUICK_COUNTS = [10, 1_000, 50_000];
const ZOCALO = fileURLToPath(new URL("../../packages/zocalo/bin/zocalo.js", import.meta.url));
const FILL_TIMEOUT_MS = 3_600_000;
/** How often it is tried whether the server that starts takes connections. */
const TRY_MS = 2;
/** Published by the client of a server before it is killed, which finds them in the log of changes. */
const BEFORE_KILL = 500;

/** What a start found. */
interface Start {
  /** Since the process was begun. */
  readonly answeredMs: number;
  readonly publishedMs: number;
  readonly rssBytes: number;
}

/** What `channels-server.ts` says. */
interface Published {
  readonly filledMs: number;
  readonly bytes: number;
  readonly perSecond: number;
  readonly cpuUs: number;
}

/**
 * Makes stores that are larger and larger. The built `zocalo serve` is started on each, in turn, asked for
 * the history of a channel, and killed while it publishes; and each engine publishes 64 at once in
 * channels drawn at random. Measures and prints, and writes `bench/results/channels-*.json` and `.svg`.
 *
 * @param args `--quick` for up to 50,000 channels, which writes nothing.
 */
export async function run(args: string[]): Promise<void> {
  const isQuick = args.includes("--quick");
  const counts = isQuick ? QUICK_COUNTS : COUNTS;
  const publications = isQuick ? 5_000 : 50_000;
  const parent = temporaryDirectory();
  const directoryOf = (count: number): string => join(parent, `${count}`);
  for (const count of counts) {
    const { filledMs } = await publishIn(count, 0, directoryOf(count));
    const bytes = ["zocalo.db", "zocalo.db-wal"].map((file) => statSync(join(directoryOf(count), file)).size);
    const megabytes = bytes.map((size) => (size / 1e6).toFixed(1)).join(" + ");
    console.log(
      `${figure(count)} channels: made in ${(filledMs / 1_000).toFixed(1)} s, ${megabytes} MB (with its log of changes)`,
    );
  }
  const each = <T>(work: (count: number) => Promise<T>) =>
    Object.fromEntries(counts.map((count) => [`${count}`, () => work(count)]));
  const empty = join(parent, "empty");
  const starts = await alternate(
    { empty: () => start(empty, 1), ...each((count) => start(directoryOf(count), count)) },
    isQuick ? 2 : 7,
  );
  const rounds = isQuick ? 1 : 3;
  const durable = await alternate(
    each((count) => publishIn(count, publications, directoryOf(count))),
    rounds,
  );
  const memory = await alternate(
    each((count) => publishIn(count, publications)),
    rounds,
  );
  rmSync(parent, { recursive: true });

  const line = <T>(name: string, found: Record<string, T[]>, value: (one: T) => number) => ({
    name,
    points: counts.map((count) => [count, median(found[count]?.map(value) ?? [])] as const),
  });
  const level = (name: string, value: (one: Start) => number) => ({
    name,
    points: counts.map((count) => [count, median(starts["empty"]?.map(value) ?? [])] as const),
  });
  const common = { along: "channels", isLessBetter: true } as const;
  const megabytes = ({ rssBytes }: Start): number => rssBytes / 1e6;
  const all: Record<string, Curves> = {
    "channels-start": {
      ...common,
      title: "The built server, started after kill -9 on a store of so many channels",
      unit: "ms from the start of the process",
      lines: [
        level("no channel: first answer", ({ answeredMs }) => answeredMs),
        line("first answer", starts, ({ answeredMs }) => answeredMs),
        line("publication on disk", starts, ({ publishedMs }) => publishedMs),
      ],
    },
    "channels-memory": {
      ...common,
      title: "Memory of the built server, once it has answered",
      unit: "MB resident",
      lines: [level("no channel", megabytes), line("durable engine", starts, megabytes)],
    },
    "channels-publish": {
      ...common,
      title: "A publication of 200 bytes in one of so many channels, 64 at once",
      unit: "µs of CPU, all threads",
      lines: [
        line("durable engine", durable, ({ cpuUs }) => cpuUs),
        line("memory engine", memory, ({ cpuUs }) => cpuUs),
      ],
    },
    "channels-memory-engine": {
      ...common,
      title: "Memory engine: a channel with a publication of 200 bytes",
      unit: "bytes resident for each channel, what V8 has not collected included",
      lines: [
        {
          name: "memory engine",
          points: line("", memory, ({ bytes }) => bytes).points.map(([at, bytes]) => [at, bytes / at]),
        },
      ],
    },
  };
  for (const [name, curves] of Object.entries(all)) {
    console.log();
    if (isQuick) console.log(curvesTable(curves));
    else writeCurves(name, curves);
  }
}

async function publishIn(count: number, publications: number, directory?: string): Promise<Published> {
  const server = await spawnServer(new URL("./channels-server.ts", import.meta.url), {
    args: [count, publications, ...(directory === undefined ? [] : [directory])].map(String),
    nodeArgs: ["--max-old-space-size=8192"],
    readyTimeoutMs: FILL_TIMEOUT_MS,
  });
  await kill(server);
  return server.ready as unknown as Published;
}

async function kill(server: ServerProcess): Promise<void> {
  process.kill(server.pid, "SIGKILL");
  await server.stop();
}

async function start(directory: string, channels: number): Promise<Start> {
  const port = await freePort();
  const beganAt = performance.now();
  const starting = spawnServer(ZOCALO, {
    args: [
      "serve",
      "--http-port=0",
      "--udp-port=0",
      "--arena=off",
      `--tcp-port=${port}`,
      `--data=${directory}`,
      "--log-level=warn",
    ],
    readyFrom: (line) => (/^ +TCP /.test(line) ? {} : undefined),
  });
  const channel = channelName(Math.floor(channels / 2));
  const ask = await asking(port, starting);
  await ask({ type: "history", id: 1, channel, limit: 1 });
  const answeredMs = performance.now() - beganAt;
  await ask({ type: "publish", id: 2, channel, data: "hola" });
  const publishedMs = performance.now() - beganAt;
  const server = await starting;
  const bytes = rssBytes(server.pid);
  for (let number = 0; number < BEFORE_KILL; number++) {
    const last = ask({
      type: "publish",
      id: 3,
      channel: channelName(number % channels),
      data: "x".repeat(198),
    });
    if (number === BEFORE_KILL - 1) await last;
  }
  await kill(server);
  return { answeredMs, publishedMs, rssBytes: bytes };
}

/** Sends a command and waits for a line. */
type Ask = (command: object) => Promise<void>;

/** Connects as soon as somebody listens there. */
async function asking(port: number, starting: Promise<ServerProcess>): Promise<Ask> {
  let hasFailed = false;
  starting.catch(() => {
    hasFailed = true;
  });
  for (;;) {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true));
      socket.on("error", () => resolve(false)); // also later, when the server is killed
    });
    if (!isOpen) {
      if (hasFailed) await starting;
      await wait(TRY_MS);
      continue;
    }
    const waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
    createInterface({ input: socket }).on("line", (line) => {
      const asked = waiting.shift();
      if (line.includes('"type":"error"')) asked?.reject(new Error(line));
      else asked?.resolve();
    });
    return (command) =>
      new Promise((resolve, reject) => {
        waiting.push({ resolve, reject });
        socket.write(`${JSON.stringify(command)}\n`);
      });
  }
}
