import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { alternate, median, settledRss, spawnServer } from "./measure.ts";
import { type Results, ratioTable, writeResults } from "./results.ts";

export const title = "What a visitor costs who does nothing: silent, one byte, half a request of 8 kB";

/** At "refused" one is let in, all others are past its limit per address. */
const DOORS = ["TCP, lines", "TCP, lines, watched", "TCP, refused", "TLS, lines", "WebSocket"] as const;

/** Of what is begun and not ended, in bytes. */
const HALF_BYTES = 8_000;
/** A record of TLS that announces a handshake message of 10,000 bytes, and half of that. */
const HALF_HELLO = Buffer.concat([Buffer.from("160301271401002710", "hex"), Buffer.alloc(HALF_BYTES)]);
const HALF_LINE = Buffer.alloc(HALF_BYTES, "x");
const HALF_REQUEST = Buffer.from(`GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ${"x".repeat(HALF_BYTES)}`);

const VISITORS = ["silent", "one byte", "half of 8 kB"] as const;

function wordOf(door: string, visitor: (typeof VISITORS)[number]): Buffer | undefined {
  if (visitor === "silent") return undefined;
  const half = door.startsWith("TLS") ? HALF_HELLO : door === "WebSocket" ? HALF_REQUEST : HALF_LINE;
  return visitor === "one byte" ? half.subarray(0, 1) : half;
}

interface Figure {
  readonly bytes: number;
  /** To take one in, in microseconds of the server's CPU. */
  readonly cpuUs: number;
}

/**
 * Measures and prints, and writes `bench/results/idle-visitors.json` and `-cpu.json`, with their pictures.
 *
 * @param args `--quick` for 500 visitors and one round, which writes nothing.
 */
export async function run(args: string[]): Promise<void> {
  const isQuick = args.includes("--quick");
  const count = isQuick ? 500 : 5_000;
  const directory = mkdtempSync(join(tmpdir(), "zocalo-idle-visitors-"));
  try {
    const files = certificate(directory);
    const measured: Record<string, () => Promise<Figure>> = {};
    for (const door of DOORS) {
      for (const visitor of VISITORS) {
        measured[`${door}: ${visitor}`] = () => measure(door, wordOf(door, visitor), count, files);
      }
    }
    const figures = await alternate(measured, isQuick ? 1 : 3);
    const table = (name: string, unit: string, pick: (figure: Figure) => number): Results => ({
      title: name,
      unit,
      isLessBetter: true,
      baseline: DOORS[0],
      columns: [...VISITORS],
      rows: DOORS.map((door) => ({
        name: door,
        values: Object.fromEntries(
          VISITORS.map((visitor) => [visitor, median((figures[`${door}: ${visitor}`] ?? []).map(pick))]),
        ),
      })),
    });
    const memory = table(
      "Memory of a visitor who does nothing",
      "bytes per connection",
      ({ bytes }) => bytes,
    );
    const cpu = table("A visitor who does nothing", "µs of server CPU to take one in", ({ cpuUs }) => cpuUs);
    for (const [name, results] of Object.entries({ "idle-visitors": memory, "idle-visitors-cpu": cpu })) {
      if (isQuick) console.log(`\n${ratioTable(results)}`);
      else writeResults(name, results);
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** A fresh server for each, so that what others left behind does not count. */
async function measure(
  door: string,
  word: Buffer | undefined,
  count: number,
  files: readonly string[],
): Promise<Figure> {
  const server = await spawnServer(new URL("./idle-visitors-server.ts", import.meta.url), {
    args: [door, ...files],
  });
  const visitors: Socket[] = [];
  try {
    for (const socket of await visit(server.port, word, 200)) socket.destroy(); // Code and tables that all share.
    const before = await settledRss(server);
    const cpuBefore = server.cpuMs();
    visitors.push(...(await visit(server.port, word, count)));
    const after = await settledRss(server);
    return { bytes: (after - before) / count, cpuUs: ((server.cpuMs() - cpuBefore) * 1000) / count };
  } finally {
    for (const socket of visitors) socket.destroy();
    await server.stop();
  }
}

async function visit(port: number, word: Buffer | undefined, count: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let i = 0; i < count; i++) {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    socket.on("error", () => undefined);
    await once(socket, "connect");
    if (word !== undefined) socket.write(word);
    sockets.push(socket);
  }
  return sockets;
}

/** Makes a certificate that nobody checks; gives its files. */
function certificate(directory: string): readonly string[] {
  const [certFile = "", keyFile = ""] = ["crt", "key"].map((name) => join(directory, name));
  const command =
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost";
  execFileSync("openssl", [...command.split(" "), "-keyout", keyFile, "-out", certFile], { stdio: "ignore" });
  return [certFile, keyFile];
}
