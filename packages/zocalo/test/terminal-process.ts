import assert from "node:assert/strict";
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { BUNDLE } from "./zocalo-bundle.ts";

/** How a shell calls `zocalo` from source. */
export const ZOCALO = `'${process.execPath}' '${BUNDLE}'`;

/** How a run of the command ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/**
 * `zocalo listen …` or `zocalo dial …` as a process with pipes, whose output is read only when somebody asks
 * for it.
 */
export class Terminal implements AsyncDisposable {
  readonly child: ChildProcessWithoutNullStreams;
  readonly closed: Promise<unknown>;
  #chunks: Buffer[] = [];
  #isReading = false;
  stderr = "";

  /** @param command behind `zocalo`, as a shell would take it; it may be a pipeline. */
  constructor(command: string, shellCommand = `exec ${ZOCALO} ${command}`) {
    const inherited = Object.entries(process.env).filter(([name]) => !/^(?:ZOCALO_|NODE_)/.test(name));
    this.child = spawn("bash", ["-c", shellCommand], { cwd: tmpdir(), env: Object.fromEntries(inherited) });
    this.child.stdin.on("error", () => undefined);
    this.child.stderr.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.closed = once(this.child, "close");
  }

  get stdout(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  /** Begins to read standard output. */
  read(): this {
    if (!this.#isReading) this.child.stdout.on("data", (chunk: Buffer) => this.#chunks.push(chunk));
    this.#isReading = true;
    return this;
  }

  type(text: string | Uint8Array): this {
    this.child.stdin.write(text);
    return this;
  }

  /** Waits until standard output has this much, or matches. */
  async prints(wanted: number | RegExp): Promise<string> {
    this.read();
    const isThere = () =>
      typeof wanted === "number" ? this.stdout.length >= wanted : wanted.test(this.stdout.toString());
    await this.#until(isThere, this.child.stdout, String(wanted));
    return this.stdout.toString();
  }

  /** Waits for a text on standard error. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    await this.#until(() => pattern.test(this.stderr), this.child.stderr, String(pattern));
    return pattern.exec(this.stderr) as RegExpExecArray;
  }

  /** The line of a listener. */
  async listening(): Promise<{ url: string; address: string; port: number }> {
    const [line] = await this.says(/^\{"event":"listening".*\}\n/m);
    return JSON.parse(line) as { url: string; address: string; port: number };
  }

  async end(): Promise<Ended> {
    this.read();
    await this.closed;
    return { code: this.child.exitCode, stdout: this.stdout, stderr: this.stderr };
  }

  async #until(isThere: () => boolean, stream: NodeJS.ReadableStream, wanted: string): Promise<void> {
    let hasClosed = false;
    const closed = this.closed.then(() => (hasClosed = true));
    while (!isThere()) {
      assert.ok(
        !hasClosed,
        `ended without ${wanted}: ${this.stdout.subarray(0, 1000).toString()}${this.stderr}`,
      );
      await Promise.race([once(stream, "data"), closed]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    this.read();
    await this.closed;
  }
}

/** Runs to the end with this on standard input; nothing: an empty one. */
export async function run(command: string, input: string | Uint8Array = ""): Promise<Ended> {
  const terminal = new Terminal(command);
  terminal.child.stdin.end(input);
  return terminal.end();
}

/** A TCP server on a free port that hands each connection to `serve`. */
export async function tcpServer(
  serve: (socket: Socket) => void,
): Promise<{ server: Server; port: number } & Disposable> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    serve(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    server,
    port,
    [Symbol.dispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/**
 * All that comes until the end. Not by iteration, which would destroy a socket that has still something to
 * say.
 */
export async function readAll(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk)).resume();
  await once(stream, "end");
  return Buffer.concat(chunks);
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Bytes of all kinds, newlines and invalid UTF-8 among them. */
export function noise(byteCount: number): Buffer {
  return randomBytes(byteCount);
}

/** The answer to the upgrade request `head`, without the empty line. */
export function upgradeAnswer(head: Buffer): string {
  const key = /^sec-websocket-key: (.*)\r$/im.exec(head.toString("latin1"))?.[1] ?? "";
  const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n`;
}
