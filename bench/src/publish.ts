import { closeSync, openSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { durable } from "@zocalo/hub";
import { appender, AT_ONCE, type Commit, measure, RETENTION, TEXT_200 } from "./durable.ts";
import { temporaryDirectory } from "./fan-out.ts";
import { Client, Sought, webSocket } from "./hub-load.ts";
import { alternate, median, spawnServer } from "./measure.ts";
import { type Results, ratioTable, writeResults } from "./results.ts";
import { cpuUs } from "./websocket-load.ts";

export const title =
  "Publications a second through the hub over WebSocket, with either engine, beside the engine and a file";

const FILE = "a file, written together and synchronized (fdatasync)";
const ENGINE = "durable(), in the process of the load";
const HUBS = ["hub, durable engine", "hub"] as const;
type HubName = (typeof HUBS)[number];
/** Who sends the 64. */
const COLUMNS = { "1 connection": 1, "8 connections": 8, "64 connections": 64 } as const;
type Column = keyof typeof COLUMNS;

/** What a round through the hub found. */
interface Round {
  readonly perSecond: number;
  readonly cpuUs: number;
  readonly lateMs: number;
}

/**
 * 64 publications of 200 bytes at once, all in one channel that nobody is subscribed to. Server and load
 * have the whole machine. Measures and prints, and writes `bench/results/publish.json`,
 * `publish-cpu.json`, `publish-late.json` and their pictures.
 *
 * @param args `--quick` for a short run that writes nothing.
 */
export async function run(args: string[]): Promise<void> {
  const isQuick = args.includes("--quick");
  const durationMs = isQuick ? 1_000 : 5_000;
  const count = isQuick ? 10_000 : 100_000;
  const directory = temporaryDirectory();
  const engine = await durable(join(directory, "engine"));
  engine.start({ publication: () => undefined, replaced: () => undefined, presence: () => undefined });
  const file = openSync(join(directory, "file"), "w");
  const publish: Commit = () => engine.publish("c:0", { user: "u", data: TEXT_200 }, RETENTION);
  const alone = (commit: Commit) => async (): Promise<Record<string, Round>> => {
    const { perSecond, lateMs } = await measure(commit, count);
    return Object.fromEntries(
      Object.keys(COLUMNS).map((column) => [column, { perSecond, lateMs, cpuUs: Number.NaN }]),
    );
  };
  let hubs = 0;
  const through = (name: HubName) => () => {
    const data = name === "hub" ? undefined : join(directory, `hub-${hubs++}`);
    return measureHub(data, durationMs);
  };
  const found = await alternate(
    {
      [FILE]: alone(appender(file)),
      [ENGINE]: alone(publish),
      ...Object.fromEntries(HUBS.map((name) => [name, through(name)])),
    },
    isQuick ? 1 : 5,
  );
  await engine.close();
  closeSync(file);
  rmSync(directory, { recursive: true });
  const columns = Object.keys(COLUMNS) as Column[];
  const rows = (names: readonly string[], value: (round: Round) => number): Results["rows"] =>
    names.map((name) => ({
      name,
      values: Object.fromEntries(
        columns.map((column) => {
          const rounds = (found[name] ?? []).flatMap((each) => each[column] ?? []);
          return [column, median(rounds.map(value))];
        }),
      ),
    }));
  const rates: Results = {
    title,
    unit: "publications of 200 bytes a second, 64 at once",
    isLessBetter: false,
    columns,
    rows: rows([FILE, ENGINE, ...HUBS], ({ perSecond }) => perSecond),
    baseline: ENGINE,
  };
  const cpu: Results = {
    title: "A publication through the hub over WebSocket, 64 at once",
    unit: "µs of server CPU, all threads",
    isLessBetter: true,
    columns,
    rows: rows(HUBS, (round) => round.cpuUs),
  };
  const late: Results = {
    title: "A timer of 1 ms on the loop meanwhile, 99th percentile",
    unit: "ms late",
    isLessBetter: true,
    columns,
    rows: rows([FILE, ENGINE, ...HUBS], ({ lateMs }) => lateMs),
  };
  for (const [name, results] of Object.entries({
    publish: rates,
    "publish-cpu": cpu,
    "publish-late": late,
  })) {
    console.log();
    if (isQuick) console.log(ratioTable(results));
    else writeResults(name, results);
  }
}

/** A fresh server, with each number of connections. */
async function measureHub(directory: string | undefined, durationMs: number): Promise<Record<string, Round>> {
  const args = ["hub", JSON.stringify({ directory }), "--timer"];
  const server = await spawnServer(new URL("./hub-server.ts", import.meta.url), { args });
  const timerPort = Number(server.ready["timerPort"]);
  const rounds: Record<string, Round> = {};
  for (const [column, connections] of Object.entries(COLUMNS)) {
    const load = await Load.start(server.port, connections);
    await load.run(durationMs / 4); // Until it is warm.
    await lateness(timerPort);
    const before = { cpuUs: cpuUs(server.pid), at: performance.now() };
    const published = await load.run(durationMs);
    const elapsedMs = performance.now() - before.at;
    rounds[column] = {
      perSecond: (published * 1_000) / elapsedMs,
      cpuUs: (cpuUs(server.pid) - before.cpuUs) / published,
      lateMs: await lateness(timerPort),
    };
    load.leave();
  }
  await server.stop();
  return rounds;
}

/** Since it was last asked for. */
async function lateness(port: number): Promise<number> {
  let text = "";
  for await (const bytes of connect(port, "127.0.0.1").setEncoding("utf8")) text += String(bytes);
  return (JSON.parse(text) as { readonly lateMs: number }).lateMs;
}

/** Connections with 64 publications on their way together, which send another for each that is answered. */
class Load {
  readonly #clients: readonly Client[];
  readonly #batch: Buffer;
  readonly #size: number;

  private constructor(clients: readonly Client[]) {
    const publication = webSocket.publish("x".repeat(198));
    this.#clients = clients;
    this.#size = publication.length;
    this.#batch = Buffer.concat(Array.from({ length: AT_ONCE / clients.length }, () => publication));
  }

  static async start(port: number, connections: number): Promise<Load> {
    return new Load(
      await Promise.all(Array.from({ length: connections }, () => Client.open(port, webSocket))),
    );
  }

  /** Gives how many were published, all of which are answered by then. */
  async run(durationMs: number): Promise<number> {
    const endsAt = performance.now() + durationMs;
    const counts = await Promise.all(this.#clients.map((client) => this.#publish(client, endsAt)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  leave(): void {
    for (const client of this.#clients) client.leave();
  }

  #publish(client: Client, endsAt: number): Promise<number> {
    const inFlight = this.#batch.length / this.#size;
    const answer = new Sought('"published"');
    const failure = new Sought('"error"');
    return new Promise((resolve, reject) => {
      let sent = inFlight;
      let answered = 0;
      client.take = (bytes) => {
        if (failure.countIn(bytes) > 0) reject(new Error("a publication was refused"));
        const count = answer.countIn(bytes);
        answered += count;
        if (performance.now() < endsAt) {
          sent += count;
          client.write(this.#batch.subarray(0, count * this.#size));
        } else if (answered === sent) resolve(answered);
      };
      client.write(this.#batch);
    });
  }
}
