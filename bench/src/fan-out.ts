import { cpus } from "node:os";
import { connect, type Socket } from "node:net";
import { alternate, median, type ServerProcess, spawnServer } from "./measure.ts";
import { type Results, ratioTable, writeResults } from "./results.ts";
import { clientFrame } from "./websocket-load.ts";

export const title = "Channels: server CPU per delivered publication, beside a bare loop over ws";

const CONTENDERS = ["ws", "hub over WebSocket", "hub over TCP"] as const;
const COLUMNS = ["100 subscribers", "1,000 subscribers"] as const;
const SUBSCRIBE = '{"type":"subscribe","channel":"plaza:x"}';
const END = Buffer.from('"END"');

/**
 * Publications of 64 bytes to all subscribers of one channel, in bursts of 16. Measures and prints, and
 * writes `bench/results/fan-out.json` and `.svg`.
 *
 * @param args `--quick` for a short run that writes nothing.
 */
export async function run(args: string[]): Promise<void> {
  const isQuick = args.includes("--quick");
  const rounds = isQuick ? 3 : 7;
  const deliveries = isQuick ? 160_000 : 800_000;
  const values: Record<string, Record<string, number>> = {};
  for (const column of COLUMNS) {
    const subscribers = column === "100 subscribers" ? 100 : 1_000;
    const publications = deliveries / subscribers;
    const contenders = CONTENDERS.map(async (name) => {
      const file = new URL("./fan-out-server.ts", import.meta.url);
      const pin = cpus().length > 1 ? { cpu: 0 } : {};
      const server = await spawnServer(file, { args: [name, String(publications)], ...pin });
      const clients = await Promise.all(
        Array.from({ length: subscribers }, () => subscriber(server.port, name === "hub over TCP")),
      );
      return { name, server, clients };
    });
    const ready = await Promise.all(contenders);
    const measured = Object.fromEntries(
      ready.map(({ name, server, clients }) => [name, () => cpuPerDelivery(server, clients, deliveries)]),
    );
    await alternate(measured, 1); // warm
    for (const [name, found] of Object.entries(await alternate(measured, rounds))) {
      (values[name] ??= {})[column] = median(found);
    }
    for (const { server, clients } of ready) {
      for (const { socket } of clients) socket.destroy();
      await server.stop();
    }
  }
  const results: Results = {
    title,
    unit: "µs of server CPU per delivery",
    isLessBetter: true,
    columns: COLUMNS,
    rows: CONTENDERS.map((name) => ({ name, values: values[name] ?? {} })),
  };
  console.log(ratioTable(results));
  if (!isQuick) writeResults("fan-out", results);
}

interface Subscriber {
  readonly socket: Socket;
  /** Called with what comes. */
  take: (bytes: Buffer) => void;
}

/** A subscriber that only looks for the end. */
async function subscriber(port: number, isTcp: boolean): Promise<Subscriber> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const it: Subscriber = { socket, take: () => undefined };
  socket.on("data", (bytes: Buffer) => it.take(bytes));
  const until = (text: string) =>
    new Promise<void>((resolve, reject) => {
      let head = "";
      socket.once("error", reject);
      it.take = (bytes) => {
        head += bytes.toString("latin1");
        if (head.includes(text)) resolve();
      };
    });
  if (isTcp) socket.write(`${SUBSCRIBE}\n`);
  else {
    socket.write(
      "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    );
    await until("\r\n\r\n");
    socket.write(clientFrame(Buffer.from(SUBSCRIBE), true));
  }
  await until('"subscribed"');
  return it;
}

async function cpuPerDelivery(
  server: ServerProcess,
  clients: readonly Subscriber[],
  deliveries: number,
): Promise<number> {
  const ends = clients.map(
    (client) =>
      new Promise<void>((resolve) => {
        let tail = Buffer.alloc(0);
        client.take = (bytes) => {
          const seen = tail.length > 0 ? Buffer.concat([tail, bytes]) : bytes;
          if (seen.indexOf(END) >= 0) resolve();
          tail = Buffer.from(seen.subarray(Math.max(0, seen.length - END.length + 1)));
        };
      }),
  );
  const before = server.cpuMs();
  process.kill(server.pid, "SIGUSR2");
  await Promise.all(ends);
  return ((server.cpuMs() - before) * 1000) / deliveries;
}
