import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Broker, brokersHere, startBroker } from "./brokers.ts";
import { Crowd, type Dialect, mqtt, nats, socketIo, tcpLines, webSocket } from "./hub-load.ts";
import { alternate, connections, median, type ServerProcess, spawnServer } from "./measure.ts";
import { type Results, ratioTable, RESULTS_DIRECTORY, writeResults } from "./results.ts";
import { canPin, SERVER_CPU } from "./tcp-programs.ts";
import { pinLoad } from "./udp.ts";
import { cpuUs } from "./websocket-load.ts";

export const title =
  "Channels: server CPU per delivered publication, beside ws, Socket.IO, nats-server and mosquitto";

/** With both engines; what stands behind `ws` is a loop over its clients. */
export const PLACES = ["hub", "hub, durable engine", "hub over TCP", "ws", "Socket.IO"] as const;
export type Place = (typeof PLACES)[number] | Broker;

const COLUMNS = { "bursts of 16": 16, "one at a time": 1 } as const;
export type Column = keyof typeof COLUMNS;

const SUBSCRIBERS = 1_000;

/**
 * A client publishes 200 bytes, in bursts of 16 and one at a time, to all subscribers of a channel, and again
 * when all have them. Each round has processes of its own. Measures and prints, and writes
 * `bench/results/fan-out.json` and `.svg`.
 *
 * @param args `--quick` for a short run that writes nothing.
 */
export async function run(args: string[]): Promise<void> {
  const isQuick = args.includes("--quick");
  const count = connections(SUBSCRIBERS);
  const places: readonly Place[] = [...PLACES, ...brokersHere()];
  pinLoad();
  const measured = Object.fromEntries(
    places.map((place) => [place, () => cpuPerDelivery(place, count, isQuick ? 400 : 2_000)]),
  );
  const found = await alternate(measured, isQuick ? 1 : 7);
  const columns = Object.keys(COLUMNS) as Column[];
  const results: Results = {
    title: `Channels: a publication of 200 bytes to ${count.toLocaleString("en-US")} subscribers`,
    unit: "µs of server CPU per delivery",
    isLessBetter: true,
    columns,
    rows: places.map((name) => ({
      name,
      values: Object.fromEntries(
        columns.map((column) => [column, median(found[name]?.map((each) => each[column]) ?? [])]),
      ),
    })),
  };
  console.log();
  if (isQuick) console.log(ratioTable(results));
  else writeResults("fan-out", results);
}

/** What a delivery costs a server of its own, in microseconds. */
export async function cpuPerDelivery(
  place: Place,
  subscribers: number,
  durationMs: number,
): Promise<Readonly<Record<Column, number>>> {
  const { server, dialect, end } = await startPlace(place);
  try {
    const crowd = await Crowd.gather(server.port, dialect, subscribers);
    const measure = async (burst: number): Promise<number> => {
      await crowd.deliver(burst, durationMs / 4); // Until it is warm.
      const before = cpuUs(server.pid);
      const { deliveries } = await crowd.deliver(burst, durationMs);
      return (cpuUs(server.pid) - before) / deliveries;
    };
    const figures = {
      "bursts of 16": await measure(COLUMNS["bursts of 16"]),
      "one at a time": await measure(COLUMNS["one at a time"]),
    };
    crowd.leave();
    return figures;
  } finally {
    await end();
  }
}

interface Started {
  readonly server: ServerProcess;
  readonly dialect: Dialect;
  readonly end: () => Promise<void>;
}

async function startPlace(place: Place): Promise<Started> {
  const pin = canPin ? { cpu: SERVER_CPU } : {};
  if (place === "nats-server" || place === "mosquitto") {
    const broker = await startBroker(place, pin);
    return { server: broker, dialect: place === "mosquitto" ? mqtt : nats, end: () => broker.stop() };
  }
  const [contender = place, engine] = place.split(", ");
  const directory = engine === undefined ? undefined : temporaryDirectory();
  const args = [contender, JSON.stringify({ directory })];
  const server = await spawnServer(new URL("./hub-server.ts", import.meta.url), { args, ...pin });
  const dialects: Record<string, Dialect> = { "hub over TCP": tcpLines, "Socket.IO": socketIo };
  return {
    server,
    dialect: dialects[contender] ?? webSocket,
    end: async () => {
      await server.stop();
      if (directory !== undefined) rmSync(directory, { recursive: true });
    },
  };
}

/** A new directory on a real disk: that for temporary files may be in memory. */
export function temporaryDirectory(): string {
  const parent = join(RESULTS_DIRECTORY, "tmp");
  mkdirSync(parent, { recursive: true });
  return mkdtempSync(join(parent, "data-"));
}
