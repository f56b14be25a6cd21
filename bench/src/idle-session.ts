import { Client, frame, someAtATime, webSocket } from "./hub-load.ts";
import { alternate, connections, median, settledRss, spawnServer, STEADY_HEAP } from "./measure.ts";
import { figure, type Results, ratioTable, writeResults } from "./results.ts";

export const title = "Memory of an idle session of the hub, above that of its WebSocket connection";

/** What each connection has said, and what it was answered; the echo of a bare one is as long. */
const SAID = {
  "bare WebSocket": [["hola", "hola"]],
  "session, connected": [['{"type":"connect","id":1}', '"connected"']],
  "session, subscribed to one channel": [
    ['{"type":"connect","id":1}', '"connected"'],
    ['{"type":"subscribe","id":2,"channel":"plaza:0"}', '"subscribed"'],
  ],
} as const;
const NAMES = Object.keys(SAID) as (keyof typeof SAID)[];

const CONNECTIONS = 10_000;
/** Those that come before the others find what a process takes once. */
const FIRST = 1_000;

/**
 * Connections that are answered and then say nothing. Each round has a process of its own. Measures and
 * prints, and writes `bench/results/idle-session.json` and `.svg`.
 *
 * @param args `--quick` for 2,000 connections and one round, which writes nothing.
 */
export async function run(args: string[]): Promise<void> {
  const isQuick = args.includes("--quick");
  const count = connections(isQuick ? 2_000 : CONNECTIONS);
  const measured = Object.fromEntries(NAMES.map((name) => [name, () => bytesOfOne(name, count)]));
  const found = await alternate(measured, isQuick ? 1 : 5);
  const column = `${(count - FIRST).toLocaleString("en-US")} connections`;
  const of = (name: string): number => median(found[name] ?? []);
  const results: Results = {
    title,
    unit: "bytes of resident memory for each",
    isLessBetter: true,
    columns: [column],
    rows: NAMES.map((name) => ({ name, values: { [column]: of(name) } })),
  };
  for (const name of NAMES) console.log(`${name}: ${found[name]?.map(figure).join(" ")}`);
  console.log();
  if (isQuick) console.log(ratioTable(results));
  else writeResults("idle-session", results);
  const [bare, ...sessions] = NAMES;
  for (const name of sessions)
    console.log(`${name}: ${figure(of(name) - of(bare ?? name))} bytes above the bare WebSocket`);
}

async function bytesOfOne(name: keyof typeof SAID, count: number): Promise<number> {
  const server = await spawnServer(new URL("./hub-server.ts", import.meta.url), {
    args: [name === "bare WebSocket" ? name : "hub"],
    nodeArgs: STEADY_HEAP,
  });
  const clients: Client[] = [];
  const come = async (more: number): Promise<void> => {
    const some = await someAtATime(more, 100, async () => {
      const client = await Client.open(server.port, webSocket);
      for (const [text, until] of SAID[name]) await client.ask({ say: frame(text), until });
      return client;
    });
    clients.push(...some);
  };
  try {
    await come(FIRST);
    const before = await settledRss(server);
    await come(count - FIRST);
    return ((await settledRss(server)) - before) / (count - FIRST);
  } finally {
    for (const client of clients) client.leave();
    await server.stop();
  }
}
