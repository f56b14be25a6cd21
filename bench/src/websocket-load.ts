import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { promisify } from "node:util";
import { constants, deflateRawSync } from "node:zlib";
import { compiled } from "./tcp-programs.ts";

/** What is measured in one round. */
export interface Load {
  readonly connections: number;
  readonly payloadBytes: number;
  readonly inFlight: number;
  readonly isText: boolean;
  readonly durationMs: number;
}

/** What came out of it. */
export interface Outcome {
  /** Server CPU for each message, in microseconds. */
  readonly cpuUs: number;
  readonly perSecond: number;
  /** Milliseconds from a write to the answer, of a sample. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /**
   * True if this process had no time to spare and the server had: then only the CPU figure means anything.
   */
  readonly isLoadBound: boolean;
}

const READ_BUFFER = Buffer.allocUnsafe(1 << 20);
const isDeflating = (path: string | undefined): boolean => path?.endsWith("deflate") === true;
/** Paths on which the server may keep its context: it is offered what browsers offer. */
const keepsContext = (path: string | undefined): boolean => path?.endsWith("takeover") === true;
const isCompressing = (path: string | undefined): boolean => isDeflating(path) || keepsContext(path);
const UPGRADE = (path: string): string =>
  `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n${
    isDeflating(path)
      ? "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"
      : keepsContext(path)
        ? "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        : ""
  }\r\n`;
const SAMPLES = 65_536;

/** Processor time of all threads of a process so far, in microseconds. */
export function cpuUs(pid: number): number {
  let total = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    total += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
  }
  return total / 1000;
}

/** A client's frame, masked with a fixed key. */
export function clientFrame(payload: Uint8Array, isText: boolean, isCompressed = false): Buffer {
  const { length } = payload;
  const size = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.alloc(size + 4 + length);
  frame[0] = 0x80 | (isText ? 1 : 2) | (isCompressed ? 0x40 : 0);
  if (size === 2) frame[1] = 0x80 | length;
  else if (size === 4) {
    frame[1] = 0x80 | 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 0x80 | 127;
    frame.writeUInt32BE(length, 6);
  }
  const key = [0x1f, 0x2e, 0x3d, 0x4c];
  for (const [i, byte] of key.entries()) frame[size + i] = byte;
  for (let i = 0; i < length; i++) frame[size + 4 + i] = (payload[i] as number) ^ (key[i & 3] as number);
  return frame;
}

/** A connection of the load: it only counts bytes. */
class Client {
  readonly socket: Socket;
  onBytes: (count: number) => void = () => undefined;

  constructor(port: number, onConnect: () => void, onEnd: (error?: Error) => void) {
    this.socket = connect({
      port,
      host: "127.0.0.1",
      noDelay: true,
      onread: {
        buffer: READ_BUFFER,
        callback: (count: number) => {
          this.onBytes(count);
          return true;
        },
      },
    });
    this.socket.once("connect", onConnect);
    this.socket.on("error", onEnd);
    this.socket.on("close", () => onEnd());
  }
}

/** Connects, and upgrades unless `path` is `undefined`. */
async function open(port: number, path: string | undefined): Promise<Client> {
  return new Promise((resolve, reject) => {
    const client = new Client(
      port,
      () => {
        if (path === undefined) resolve(client);
        else client.socket.write(UPGRADE(path));
      },
      (error) => reject(error ?? new Error("the server closed the connection")),
    );
    let head = "";
    client.onBytes = (count) => {
      head += READ_BUFFER.toString("latin1", 0, count);
      if (!head.endsWith("\r\n\r\n")) return;
      client.onBytes = () => undefined;
      if (head.startsWith("HTTP/1.1 101")) resolve(client);
      else reject(new Error(head));
    };
  });
}

/** Opens `count` connections, some at a time. */
export async function openAll(port: number, path: string | undefined, count: number): Promise<Client[]> {
  const clients: Client[] = [];
  while (clients.length < count) {
    const some = Math.min(100, count - clients.length);
    clients.push(...(await Promise.all(Array.from({ length: some }, () => open(port, path)))));
  }
  return clients;
}

/** Ends connections and waits until they are gone. */
export async function closeAll(clients: readonly Client[]): Promise<void> {
  await Promise.all(
    clients.map(
      ({ socket }) =>
        new Promise<void>((resolve) => {
          socket.on("close", () => resolve());
          socket.resetAndDestroy();
        }),
    ),
  );
}

/** Text or bytes of a given size. */
export function payloadOf(length: number, isText: boolean): Buffer {
  return isText ? Buffer.alloc(length, "zocalo ") : Buffer.alloc(length, 0xa5);
}

/** JSON of about `length` bytes, as an application would send it. */
function jsonOf(length: number): Buffer {
  const items = Array.from({ length: 200 }, (_, i) => ({
    id: i * 7919,
    user: `user${i % 17}`,
    text: `hola ${i}`,
    ok: i % 2 === 0,
  }));
  return Buffer.from(JSON.stringify(items).slice(0, length));
}

/** A client's frame with JSON of about `length` bytes, compressed. */
function compressedFrame(length: number): Buffer {
  const bytes = deflateRawSync(jsonOf(length), { finishFlush: constants.Z_SYNC_FLUSH, level: 1 });
  return clientFrame(bytes.subarray(0, -4), true, true);
}

/**
 * The frame that is sent, and the size of what comes back: a server's frame has no mask, raw TCP gives back
 * what it got.
 */
async function frameFor(
  port: number,
  path: string | undefined,
  load: Load,
): Promise<{ frame: Buffer; answerBytes: number }> {
  if (!isDeflating(path)) {
    const frame = clientFrame(payloadOf(load.payloadBytes, load.isText), load.isText);
    return { frame, answerBytes: path === undefined ? frame.length : frame.length - 4 };
  }
  const frame = compressedFrame(load.payloadBytes);
  // Servers compress differently: ask this one.
  const client = await open(port, path);
  const answerBytes = await new Promise<number>((resolve) => {
    client.onBytes = resolve;
    client.socket.write(frame);
  });
  await closeAll([client]);
  return { frame, answerBytes };
}

/** Each connection keeps `inFlight` messages on their way; whatever comes back goes out again. */
export async function echo(
  pid: number,
  port: number,
  path: string | undefined,
  load: Load,
): Promise<Outcome> {
  const { frame, answerBytes } = await frameFor(port, path, load);
  const batch = Buffer.concat(Array.from({ length: load.inFlight }, () => frame));
  const clients = await openAll(port, path, load.connections);
  const samples = new Float64Array(SAMPLES);
  let sampled = 0;
  let messages = 0;
  let isOver = false;
  for (const client of clients) {
    let pending = 0;
    let sentAt = performance.now();
    client.onBytes = (count) => {
      pending += count;
      if (pending < answerBytes) return;
      const complete = Math.floor(pending / answerBytes);
      pending -= complete * answerBytes;
      messages += complete;
      if (isOver) return;
      const now = performance.now();
      samples[sampled++ % SAMPLES] = now - sentAt;
      sentAt = now;
      client.socket.write(complete >= load.inFlight ? batch : batch.subarray(0, complete * frame.length));
    };
    client.socket.write(batch);
  }
  await wait(Math.min(300, load.durationMs / 3)); // Until the server is warm.
  const before = { server: cpuUs(pid), own: process.cpuUsage(), messages, at: performance.now() };
  sampled = 0;
  await wait(load.durationMs);
  const elapsedMs = performance.now() - before.at;
  const done = messages - before.messages;
  const serverUs = cpuUs(pid) - before.server;
  const own = process.cpuUsage(before.own);
  isOver = true;
  await closeAll(clients);
  const sorted = samples.subarray(0, Math.min(sampled, SAMPLES)).toSorted();
  return {
    cpuUs: serverUs / done,
    perSecond: (done * 1000) / elapsedMs,
    p50Ms: sorted[Math.floor(sorted.length * 0.5)] ?? Number.NaN,
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN,
    isLoadBound: own.user + own.system > elapsedMs * 950 && serverUs < elapsedMs * 900,
  };
}

/** One connection publishes `burst` messages at a time to all others, and again when all have them. */
export async function broadcast(pid: number, port: number, path: string, load: Load): Promise<Outcome> {
  const { frame, answerBytes } = await frameFor(port, path, load);
  const batch = Buffer.concat(Array.from({ length: load.inFlight }, () => frame));
  const clients = await openAll(port, path, load.connections);
  const [publisher] = clients;
  if (publisher === undefined) throw new Error("nobody to publish");
  const roundBytes = load.connections * load.inFlight * answerBytes;
  let pending = 0;
  let rounds = 0;
  let isOver = false;
  let sentAt = performance.now();
  const samples: number[] = [];
  for (const client of clients) {
    client.onBytes = (count) => {
      pending += count;
      if (pending < roundBytes) return;
      pending -= roundBytes;
      rounds++;
      if (isOver) return;
      const now = performance.now();
      samples.push(now - sentAt);
      sentAt = now;
      publisher.socket.write(batch);
    };
  }
  // Two rounds are on their way, so that server and load work at the same time.
  publisher.socket.write(batch);
  publisher.socket.write(batch);
  await wait(Math.min(300, load.durationMs / 3));
  const before = { server: cpuUs(pid), own: process.cpuUsage(), rounds, at: performance.now() };
  await wait(load.durationMs);
  const elapsedMs = performance.now() - before.at;
  const deliveries = (rounds - before.rounds) * load.connections * load.inFlight;
  const serverUs = cpuUs(pid) - before.server;
  const own = process.cpuUsage(before.own);
  isOver = true;
  await closeAll(clients);
  samples.sort((a, b) => a - b);
  return {
    cpuUs: serverUs / deliveries,
    perSecond: (deliveries * 1000) / elapsedMs,
    p50Ms: samples[Math.floor(samples.length * 0.5)] ?? Number.NaN,
    p99Ms: samples[Math.floor(samples.length * 0.99)] ?? Number.NaN,
    isLoadBound: own.user + own.system > elapsedMs * 950 && serverUs < elapsedMs * 900,
  };
}

/**
 * Connections are opened, `atOnce` at a time, and reset as soon as they are upgraded: by a program in C where
 * there is a compiler.
 */
export async function upgrades(
  pid: number,
  port: number,
  atOnce: number,
  durationMs: number,
): Promise<Outcome> {
  const program = compiled("upgrade-load");
  const before = cpuUs(pid);
  const { count, elapsedUs, ownCpuUs } = await (program === undefined
    ? upgradesByNode(port, atOnce, durationMs)
    : upgradesByProgram(program, port, atOnce, durationMs));
  const serverUs = cpuUs(pid) - before;
  return {
    cpuUs: serverUs / count,
    perSecond: (count * 1e6) / elapsedUs,
    p50Ms: Number.NaN,
    p99Ms: Number.NaN,
    isLoadBound: ownCpuUs > elapsedUs * 0.95 && serverUs < elapsedUs * 0.9,
  };
}

interface Upgraded {
  readonly count: number;
  readonly elapsedUs: number;
  readonly ownCpuUs: number;
}

async function upgradesByProgram(
  program: string,
  port: number,
  atOnce: number,
  durationMs: number,
): Promise<Upgraded> {
  const numbers = [port, "/echo", atOnce, durationMs].map(String);
  const { stdout } = await promisify(execFile)(program, numbers);
  const { upgrades: count, elapsedUs, ownCpuUs } = JSON.parse(stdout) as Record<string, number>;
  return { count: count ?? 0, elapsedUs: elapsedUs ?? 0, ownCpuUs: ownCpuUs ?? 0 };
}

async function upgradesByNode(port: number, atOnce: number, durationMs: number): Promise<Upgraded> {
  let count = 0;
  let isOver = false;
  const own = process.cpuUsage();
  const startedAt = performance.now();
  const one = async (): Promise<void> => {
    while (!isOver) {
      const client = await open(port, "/echo");
      count++;
      client.socket.resetAndDestroy();
    }
  };
  const all = Promise.all(Array.from({ length: atOnce }, one));
  await wait(durationMs);
  isOver = true;
  await all;
  const { user, system } = process.cpuUsage(own);
  return { count, elapsedUs: (performance.now() - startedAt) * 1000, ownCpuUs: user + system };
}

/**
 * Opens `count` connections and sends one message on each: 16 bytes, or 1 KiB of compressed JSON where `path`
 * compresses. Resolves when all are answered.
 */
export async function idle(port: number, path: string | undefined, count: number): Promise<Client[]> {
  const frame = isCompressing(path) ? compressedFrame(1024) : clientFrame(payloadOf(16, false), false);
  const clients = await openAll(port, path, count);
  await Promise.all(
    clients.map(
      (client) =>
        new Promise<void>((resolve) => {
          client.onBytes = () => resolve();
          client.socket.write(frame);
        }),
    ),
  );
  return clients;
}

/** Waits. */
export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
