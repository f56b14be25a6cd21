import { loadavg } from "node:os";
import { setTimeout as wait } from "node:timers/promises";
import { Client, frame, socketIo, Sought, someAtATime, webSocket } from "./hub-load.ts";
import { alternate, median, spawnServer } from "./measure.ts";
import { figure, type Results, ratioTable, writeResults } from "./results.ts";
import { canPin, SERVER_CPU } from "./tcp-programs.ts";
import { pinLoad } from "./udp.ts";
import { clientFrame, cpuUs } from "./websocket-load.ts";

export const title =
  "Casts: server CPU per input and per snapshot of a game, beside ws and Socket.IO's volatile emit";

const CLIENTS = 100;
const TICK_MS = 1_000 / 30;
const INPUT = "sixteen bytes ok";

/** How a client says something: its first words, and an input. */
interface Speech {
  readonly dialect: Pick<typeof webSocket, "enter">;
  readonly input: Buffer;
  /** Stands once in each snapshot. */
  readonly snapshot: string;
}

const binary = (bytes: Buffer): Buffer => clientFrame(bytes, false);
/** `cast` in the binary form: type 11 with member 53, the method, and member 6, the bytes. */
const castOfBytes = Buffer.concat([
  Buffer.from([0x80 + 11, 7 + 2 + INPUT.length, 2 * 53 + 1, 5]),
  Buffer.from("input"),
  Buffer.from([2 * 6 + 1, INPUT.length]),
  Buffer.from(INPUT),
]);
const [upgrade] = webSocket.enter;
const offersBinary = {
  say: String(upgrade?.say).replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: zocalo.binary\r\n\r\n"),
  until: "zocalo.binary",
};

const SPEECHES: Readonly<Record<string, Speech>> = {
  "hub, bytes": { dialect: { enter: [offersBinary] }, input: binary(castOfBytes), snapshot: "snapshot" },
  "hub, JSON": {
    dialect: webSocket,
    input: frame(`{"type":"cast","method":"input","data":"${INPUT}"}`),
    snapshot: '"snapshot"',
  },
  "ws, bytes": {
    dialect: webSocket,
    input: binary(Buffer.from(`input${INPUT}`)),
    snapshot: "snapshot",
  },
  "ws, JSON": {
    dialect: webSocket,
    input: frame(`{"type":"input","data":"${INPUT}"}`),
    snapshot: '"snapshot"',
  },
  "Socket.IO, bytes": {
    dialect: socketIo,
    input: Buffer.concat([frame('451-["input",{"_placeholder":true,"num":0}]'), binary(Buffer.from(INPUT))]),
    snapshot: '"snapshot"',
  },
  "Socket.IO, JSON": { dialect: socketIo, input: frame(`42["input","${INPUT}"]`), snapshot: '"snapshot"' },
};

/**
 * 100 clients, 30 times a second: inputs of 16 bytes from each, or a snapshot of 1,000 bytes to each, of its
 * own. Each round has processes of its own. Measures and prints, and writes `bench/results/cast.json` and
 * `.svg`.
 *
 * @param args `--quick` for a short run that writes nothing.
 */
export async function run(args: string[]): Promise<void> {
  const isQuick = args.includes("--quick");
  const busy = loadavg()[0] ?? Number.NaN;
  pinLoad();
  const names = Object.keys(SPEECHES);
  const durationMs = isQuick ? 1_500 : 2_000;
  const measured = Object.fromEntries(
    names.map((name) => [
      name,
      async () => ({
        "an input": await cpuPerMessage(name, "in", durationMs),
        "a snapshot": await cpuPerMessage(name, "out", durationMs),
      }),
    ]),
  );
  const found = await alternate(measured, isQuick ? 1 : 5);
  const columns = ["an input", "a snapshot"] as const;
  const results: Results = {
    title: "Casts: 100 clients, 30 times a second",
    unit: "µs of server CPU per message, timers and idling included",
    isLessBetter: true,
    columns,
    baseline: "ws, bytes",
    notes: [`Load average of the machine at the start: ${figure(busy)}.`],
    rows: names.map((name) => ({
      name,
      values: Object.fromEntries(
        columns.map((column) => [column, median(found[name]?.map((each) => each[column]) ?? [])]),
      ),
    })),
  };
  console.log();
  if (isQuick) console.log(ratioTable(results));
  else writeResults("cast", results);
}

/** What a message costs a server of its own, in microseconds. */
async function cpuPerMessage(name: string, direction: "in" | "out", durationMs: number): Promise<number> {
  const speech = SPEECHES[name];
  if (speech === undefined) throw new Error(`nobody speaks ${name}`);
  const server = await spawnServer(new URL("./cast-server.ts", import.meta.url), {
    args: [...name.split(", "), direction],
    ...(canPin ? { cpu: SERVER_CPU } : {}),
  });
  let heard = 0;
  const clients = await someAtATime(CLIENTS, 20, () => Client.open(server.port, speech.dialect));
  for (const client of clients) {
    const sought = new Sought(speech.snapshot);
    client.take = (bytes) => {
      heard += sought.countIn(bytes);
    };
    client.write(speech.input);
  }
  let said = 0;
  const saying = setInterval(() => {
    if (direction === "out") return;
    said += clients.length;
    for (const client of clients) client.write(speech.input);
  }, TICK_MS);
  await wait(durationMs / 4); // Until it is warm.
  const [before, saidBefore, heardBefore] = [cpuUs(server.pid), said, heard];
  await wait(durationMs);
  const spent = cpuUs(server.pid) - before;
  const messages = direction === "in" ? said - saidBefore : heard - heardBefore;
  clearInterval(saying);
  for (const client of clients) client.leave();
  await server.stop();
  if (messages < (durationMs / TICK_MS) * CLIENTS * 0.8) {
    throw new Error(`${name}, ${direction}: only ${messages} messages in ${durationMs} ms`);
  }
  return spent / messages;
}
