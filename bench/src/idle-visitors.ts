import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { alternate, median, rssBytes, type ServerProcess, spawnServer } from "./measure.ts";
import { figure, type Results, ratioTable, writeResults } from "./results.ts";

export const title =
  "What a visitor costs who does nothing: silent, one byte, half of 8 kB; and to refuse one";

/** Those that begin with `serve` are doors of `zocalo serve` as a user starts it. */
const DOORS = [
  "node:net",
  "TCP, lines",
  "TCP, lines, watched",
  "TLS, lines",
  "WebSocket",
  "serve, TCP",
  "serve, HTTP",
] as const;

/** Who refuses a visitor that says nothing, and the last two one that asks for a WebSocket. */
const REFUSING = [
  "node:net",
  "TCP, lines",
  "TLS, lines",
  "WebSocket",
  "serve, TCP",
  "serve, HTTP",
  "WebSocket, asked: 429",
  "serve, WebSocket: 1013",
] as const;

const VISITORS = ["silent", "one byte", "half of 8 kB"] as const;
type Visitor = (typeof VISITORS)[number];

/** Of what is begun and not ended, in bytes. */
const HALF_BYTES = 8_000;
/** A record of TLS that announces a handshake message of 10,000 bytes, and half of that. */
const HALF_HELLO = Buffer.concat([Buffer.from("160301271401002710", "hex"), Buffer.alloc(HALF_BYTES)]);
const HALF_LINE = Buffer.alloc(HALF_BYTES, "x");
const HALF_REQUEST = Buffer.from(`GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ${"x".repeat(HALF_BYTES)}`);
const UPGRADE = Buffer.from(
  "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
);

function wordOf(door: string, visitor: Visitor): Buffer | undefined {
  if (visitor === "silent") return undefined;
  const isHttp = door === "WebSocket" || door === "serve, HTTP";
  const half = door.startsWith("TLS") ? HALF_HELLO : isHttp ? HALF_REQUEST : HALF_LINE;
  return visitor === "one byte" ? half.subarray(0, 1) : half;
}

/** Of all that are measured, at most these find memory that others have left. */
const WARM_UP = 100;
const ROUNDS = 3;
/** How many connections are opened at a time: less than the shortest queue of a system. */
const AT_ONCE = 50;
/** Past the hundred that `serve` lets one address open beside its clients. */
const TAKEN = 200;

/**
 * The room for new objects has one size from the beginning, and so does not count: by itself it grows to
 * 16 MiB while visitors arrive, and shrinks only after seven seconds of rest. Some doors do not let a silent
 * one wait so long.
 */
const ONE_SIZE = ["--min-semi-space-size=1", "--max-semi-space-size=1"];
/** With so little room a program starts slowly, on a busy machine all the more. */
const READY_TIMEOUT_MS = 60_000;
const COLLECT_MS = 300;
const COLLECTIONS = 5;

/** Has `zocalo serve` collect garbage on SIGUSR2, as the other servers do. */
const COLLECTS = `data:text/javascript,${encodeURIComponent(
  `import { setFlagsFromString } from "node:v8"; import { runInNewContext } from "node:vm";
   setFlagsFromString("--expose-gc"); const collect = runInNewContext("gc"); process.on("SIGUSR2", () => collect());`,
)}`;
const ZOCALO = fileURLToPath(new URL("../../packages/zocalo/bin/zocalo.js", import.meta.url));

/**
 * Measures and prints, and writes `bench/results/idle-visitors.json`, `-cpu.json` and `-refused.json`, with
 * their pictures.
 *
 * @param args `--quick` for 500 visitors and one round, which writes nothing; `--memory`, `--cpu`,
 *   `--refused` for a part of it.
 */
export async function run(args: string[]): Promise<void> {
  const isQuick = args.includes("--quick");
  const count = isQuick ? 500 : 4_000;
  const parts = ["--memory", "--cpu", "--refused"].filter((part) => args.includes(part));
  const has = (part: string): boolean => parts.length === 0 || parts.includes(part);
  const directory = mkdtempSync(join(tmpdir(), "zocalo-idle-visitors-"));
  const show = (name: string, results: Results): void => {
    console.log();
    if (isQuick) console.log(ratioTable(results));
    else writeResults(name, results);
  };
  const common = { isLessBetter: true, baseline: DOORS[0] } as const;
  try {
    const files = certificate(directory);
    const start = (door: string, isRefusing: boolean) => startDoor(door, isRefusing, files);
    if (has("--memory")) {
      const rows = await inTurn(DOORS, isQuick ? 1 : ROUNDS, (door) =>
        ofEach(VISITORS, (visitor) => memory(() => start(door, false), wordOf(door, visitor), count)),
      );
      const title = "Memory of a visitor who does nothing";
      show("idle-visitors", { ...common, title, unit: "bytes per connection", columns: VISITORS, rows });
    }
    if (has("--cpu")) {
      const rows = await inTurn(DOORS, isQuick ? 1 : ROUNDS, async (door) => ({
        silent: await cpuToTakeIn(() => start(door, false), undefined, count),
      }));
      const title = "A silent visitor, taken in";
      show("idle-visitors-cpu", { ...common, title, unit: "µs of server CPU", columns: ["silent"], rows });
    }
    if (has("--refused")) {
      const rows = await inTurn(REFUSING, isQuick ? 1 : ROUNDS, async (door) => ({
        refused: await cpuToRefuse(() => start(door, true), door.includes(": ") ? UPGRADE : undefined, count),
      }));
      const title = "A visitor past the limit of its address, refused";
      show("idle-visitors-refused", {
        ...common,
        title,
        unit: "µs of server CPU",
        columns: ["refused"],
        rows,
      });
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/**
 * The figures of each door, round by round in turn, and of those the medians; prints how far the rounds lie
 * apart.
 */
async function inTurn(
  doors: readonly string[],
  rounds: number,
  measured: (door: string) => Promise<Record<string, number>>,
): Promise<Results["rows"]> {
  const contenders = Object.fromEntries(doors.map((door) => [door, () => measured(door)]));
  const figures = await alternate(contenders, rounds);
  return doors.map((name) => {
    const found = figures[name] ?? [];
    const values: Record<string, number> = {};
    for (const column of Object.keys(found[0] ?? {})) {
      const all = found.map((one) => one[column] ?? Number.NaN);
      values[column] = median(all);
      console.log(`${name}: ${column}: ${all.map(figure).join(" ")}`);
    }
    return { name, values };
  });
}

async function ofEach<K extends string>(
  keys: readonly K[],
  make: (key: K) => Promise<number>,
): Promise<Record<K, number>> {
  const made = await Promise.all(keys.map(async (key) => [key, await make(key)] as const));
  return Object.fromEntries(made) as Record<K, number>;
}

/** A fresh server, so that what others left behind does not count. */
async function memory(
  start: () => Promise<ServerProcess>,
  word: Buffer | undefined,
  count: number,
): Promise<number> {
  const server = await start();
  let visitors: Visitors | undefined;
  try {
    (await Visitors.come(server, word, WARM_UP)).leave();
    const before = await rssAfterCollecting(server);
    visitors = await Visitors.come(server, word, count);
    const after = await rssAfterCollecting(server);
    visitors.expectOpen(count);
    return (after - before) / count;
  } finally {
    visitors?.leave();
    await server.stop();
  }
}

async function cpuToTakeIn(
  start: () => Promise<ServerProcess>,
  word: Buffer | undefined,
  count: number,
): Promise<number> {
  const server = await start();
  let visitors: Visitors | undefined;
  try {
    (await Visitors.come(server, word, WARM_UP)).leave();
    const before = await idleCpuMs(server);
    visitors = await Visitors.come(server, word, count);
    const after = await idleCpuMs(server);
    visitors.expectOpen(count);
    return ((after - before) * 1000) / count;
  } finally {
    visitors?.leave();
    await server.stop();
  }
}

/** Before them came as many as are let in. */
async function cpuToRefuse(
  start: () => Promise<ServerProcess>,
  word: Buffer | undefined,
  count: number,
): Promise<number> {
  const server = await start();
  let first: Visitors | undefined;
  try {
    first = await Visitors.come(server, word, word === undefined ? TAKEN : 1);
    (await Visitors.come(server, word, WARM_UP)).leave();
    const before = await idleCpuMs(server);
    const visitors = await Visitors.come(server, word, count);
    await visitors.expectRefused();
    return (((await idleCpuMs(server)) - before) * 1000) / count;
  } finally {
    first?.leave();
    await server.stop();
  }
}

/** Connections that say `word`, or nothing, and then wait. */
class Visitors {
  readonly #sockets: Socket[] = [];
  readonly #closed: Promise<unknown>[] = [];
  #open = 0;

  static async come(server: ServerProcess, word: Buffer | undefined, count: number): Promise<Visitors> {
    const visitors = new Visitors();
    for (let i = 0; i < count; i += AT_ONCE) {
      const together = Array.from({ length: Math.min(AT_ONCE, count - i) }, () =>
        visitors.#enter(server.port, word),
      );
      await Promise.all(together);
    }
    return visitors;
  }

  async #enter(port: number, word: Buffer | undefined): Promise<void> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    this.#sockets.push(socket);
    this.#open++;
    this.#closed.push(new Promise<void>((resolve) => socket.once("close", () => resolve(void this.#open--))));
    // A refusal may be a reset, even before this side knows that it is connected.
    socket.on("error", () => undefined);
    await new Promise((resolve) => socket.once("connect", resolve).once("close", resolve));
    if (socket.destroyed) return;
    socket.resume();
    if (word !== undefined) socket.write(word);
  }

  expectOpen(count: number): void {
    if (this.#open !== count) throw new Error(`${count - this.#open} of ${count} visitors were cut`);
  }

  async expectRefused(): Promise<void> {
    const giveUp = new AbortController();
    const tooLate = wait(10_000, "too late", { signal: giveUp.signal });
    const all = await Promise.race([Promise.all(this.#closed), tooLate]);
    giveUp.abort();
    tooLate.catch(() => undefined); // It was called off just now.
    if (all === "too late") throw new Error(`${this.#open} visitors were let in`);
  }

  /**
   * By a reset, so that no port of theirs is kept. One whose end has begun cannot be reset: Node would keep
   * it for ever.
   */
  leave(): void {
    for (const socket of this.#sockets) {
      if (socket.writableEnded) socket.destroy();
      else socket.resetAndDestroy();
    }
  }
}

/** Processor time of a server, once it has nothing more to do. */
async function idleCpuMs(server: ServerProcess): Promise<number> {
  for (let last = -1; ; await wait(200)) {
    const now = server.cpuMs();
    if (now === last) return now;
    last = now;
  }
}

async function rssAfterCollecting({ pid }: ServerProcess): Promise<number> {
  for (let i = 0; i < COLLECTIONS; i++) {
    process.kill(pid, "SIGUSR2");
    await wait(COLLECT_MS);
  }
  return rssBytes(pid);
}

function startDoor(door: string, isRefusing: boolean, files: readonly string[]): Promise<ServerProcess> {
  if (door.startsWith("serve,")) return startServe(door, isRefusing);
  const args = [door.split(", asked")[0] ?? "", isRefusing ? "refusing" : "", ...files];
  return spawnServer(new URL("./idle-visitors-server.ts", import.meta.url), {
    args,
    nodeArgs: ONE_SIZE,
    readyTimeoutMs: READY_TIMEOUT_MS,
  });
}

/** From the banner it is known where it listens. */
async function startServe(door: string, isRefusing: boolean): Promise<ServerProcess> {
  const ports = [
    "--http-port=0",
    "--tcp-port=0",
    "--udp-port=0",
    "--arena=off",
    "--log-level=warn",
    "--engine=memory",
  ];
  const limits = isRefusing ? ["--exempt-addresses=192.0.2.1", "--max-clients-per-address=1"] : [];
  const line = door === "serve, TCP" ? /^ +TCP +\S+:(\d+)/ : /^ +WebSocket +ws:\S+:(\d+)/;
  return await spawnServer(ZOCALO, {
    nodeArgs: [...ONE_SIZE, `--import=${COLLECTS}`],
    args: ["serve", ...ports, ...limits],
    readyTimeoutMs: READY_TIMEOUT_MS,
    readyFrom: (text) => {
      const port = line.exec(text)?.[1];
      return port === undefined ? undefined : { port: Number(port) };
    },
  });
}

/** Makes a certificate that nobody checks; gives its files. */
function certificate(directory: string): readonly string[] {
  const [certFile = "", keyFile = ""] = ["crt", "key"].map((name) => join(directory, name));
  const command =
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost";
  execFileSync("openssl", [...command.split(" "), "-keyout", keyFile, "-out", certFile], { stdio: "ignore" });
  return [certFile, keyFile];
}
