import { rmSync } from "node:fs";
import { temporaryDirectory } from "./fan-out.ts";
import { channelName, Client, frame, LAST, someAtATime, webSocket } from "./hub-load.ts";
import {
  alternate,
  connections,
  forgetPeak,
  median,
  peakRssBytes,
  rssBytes,
  type ServerProcess,
  spawnServer,
} from "./measure.ts";
import { type Results, ratioTable, writeResults } from "./results.ts";
import { canPin, SERVER_CPU } from "./tcp-programs.ts";
import { pinLoad } from "./udp.ts";
import { cpuUs } from "./websocket-load.ts";

export const title = "A crowd that comes back at once, each 100 publications behind: CPU, memory, time";

const CONTENDERS = ["ws", "hub", "hub, durable engine"] as const;
const BEHIND = 100;
const CLIENTS = 10_000;
/** Those who have not been answered yet: as many as the system takes for a server that is busy. */
const AT_ONCE = 4_000;
const CHANNELS = { "one channel": 1, "100 channels": 100 } as const;
type Column = keyof typeof CHANNELS;

/** What a crowd cost. */
interface Return {
  readonly cpuUs: number;
  /** Above what the server had before. */
  readonly peakBytes: number;
  readonly elapsedMs: number;
}

/**
 * Clients connect by WebSocket and subscribe since a position; all stay. *ws* has the publications in a
 * list, and sends them one after the other. Each round has a process of its own. Measures and prints, and
 * writes `bench/results/come-back-*.json` and `.svg`.
 *
 * @param args `--quick` for 1,000 clients and one round, which writes nothing.
 */
export async function run(args: string[]): Promise<void> {
  const isQuick = args.includes("--quick");
  const count = connections(isQuick ? 1_000 : CLIENTS);
  pinLoad();
  const columns = Object.keys(CHANNELS) as Column[];
  const cases = CONTENDERS.flatMap((name) => columns.map((column) => ({ name, column })));
  const found = await alternate(
    Object.fromEntries(
      cases.map(({ name, column }) => [`${name}: ${column}`, () => comeBack(name, CHANNELS[column], count)]),
    ),
    isQuick ? 1 : 5,
  );
  const what = `${count.toLocaleString("en-US")} clients come back at once, each ${BEHIND} publications behind`;
  const report = (file: string, title: string, unit: string, value: (each: Return) => number): void => {
    const rows = CONTENDERS.map((name) => ({
      name,
      values: Object.fromEntries(
        columns.map((column) => [column, median(found[`${name}: ${column}`]?.map(value) ?? [])]),
      ),
    }));
    const results: Results = { title: `${what}: ${title}`, unit, isLessBetter: true, columns, rows };
    console.log();
    if (isQuick) console.log(ratioTable(results));
    else writeResults(`come-back-${file}`, results);
  };
  report("cpu", "CPU", "µs of server CPU for each", (each) => each.cpuUs);
  report(
    "memory",
    "peak memory",
    "bytes for each, above what the server had",
    (each) => each.peakBytes / count,
  );
  report("time", "time until all have all", "ms", (each) => each.elapsedMs);
}

async function comeBack(name: string, channels: number, count: number): Promise<Return> {
  const [contender = "", engine] = name.split(", ");
  const directory = engine === undefined ? undefined : temporaryDirectory();
  const server = await spawnServer(new URL("./hub-server.ts", import.meta.url), {
    args: [contender, JSON.stringify({ directory, behind: BEHIND, channels })],
    ...(canPin ? { cpu: SERVER_CPU } : {}),
  });
  let clients: Client[] = [];
  try {
    await arrive(server, channels, 10); // Until it is warm.
    const rss = rssBytes(server.pid);
    forgetPeak(server.pid);
    const before = { cpuUs: cpuUs(server.pid), at: performance.now() };
    clients = await arrive(server, channels, count);
    return {
      elapsedMs: performance.now() - before.at,
      cpuUs: (cpuUs(server.pid) - before.cpuUs) / count,
      peakBytes: peakRssBytes(server.pid) - rss,
    };
  } finally {
    for (const client of clients) client.leave();
    await server.stop();
    if (directory !== undefined) rmSync(directory, { recursive: true });
  }
}

/** Each says who it is and where it was, as the SDK does, and has come back when it has the last one. */
function arrive({ port, ready }: ServerProcess, channels: number, count: number): Promise<Client[]> {
  const epochs = (ready["epochs"] ?? []) as readonly string[];
  const greetings = Array.from({ length: channels }, (_, channel) => {
    const since = { epoch: epochs[channel] ?? "", offset: 0 };
    const subscribe = { type: "subscribe", id: 2, channel: channelName(channel), since };
    return Buffer.concat([frame('{"type":"connect","id":1}'), frame(JSON.stringify(subscribe))]);
  });
  return someAtATime(count, AT_ONCE, async (number) => {
    const client = await Client.open(port, webSocket);
    await client.ask({ say: greetings[number % channels] ?? "", until: LAST });
    return client;
  });
}
