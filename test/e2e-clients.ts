import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Command, ServerMessage } from "@zocalo/protocol";

/**
 * A message that has not come by then does not come; in milliseconds. Tests wait for messages, not for this.
 */
const PATIENCE_MS = 90_000;

/** What a client has received, in order. */
export class Received {
  readonly all: ServerMessage[] = [];
  /**
   * How far the messages of each type were read: an answer may come before or behind the publication it is
   * about.
   */
  readonly #read = new Map<string, number>();
  #isEnded = false;
  #wake: () => void = () => undefined;

  push(text: string): void {
    this.all.push(JSON.parse(text) as ServerMessage);
    this.#wake();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  /**
   * The next message of a type, not yet taken, that passes; those of that type before it are passed over.
   * Waits for it.
   */
  async next<Type extends ServerMessage["type"]>(
    type: Type,
    isRight: (message: Extract<ServerMessage, { type: Type }>) => boolean = () => true,
  ): Promise<Extract<ServerMessage, { type: Type }>> {
    for (;;) {
      for (let at = this.#read.get(type) ?? 0; at < this.all.length; at++) {
        const message = this.all[at] as Extract<ServerMessage, { type: Type }>;
        this.#read.set(type, at + 1);
        if (message.type === type && isRight(message)) return message;
      }
      if (this.#isEnded)
        throw new Error(
          `the connection ended before a ${type} came; last: ${JSON.stringify(this.all.at(-1))}`,
        );
      await this.#news(type);
    }
  }

  async #news(awaited: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`no ${awaited} came; last: ${JSON.stringify(this.all.slice(-3))}`));
      }, PATIENCE_MS);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Texts of publications, with offsets, as `1 hola`. */
  get publications(): string[] {
    return this.all.flatMap((message) =>
      message.type === "publication" ? [`${message.offset} ${textOf(message.data)}`] : [],
    );
  }
}

/** A program that speaks to the server. */
export interface Client extends AsyncDisposable {
  readonly received: Received;
  /** Sends a command, or any text as it stands. */
  send(command: Command | string): void;
}

/** A real `nc`, as a person would use it. */
export class Netcat implements Client {
  readonly received = new Received();
  /** Resolves when `nc` has left because the server closed. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcessWithoutNullStreams;

  /** @param args what stands behind `nc`. */
  constructor(...args: readonly string[]) {
    this.#child = spawn("nc", args);
    readMessages(this.#child.stdout, this.received);
    this.#child.stdin.on("error", () => undefined);
    this.ended = once(this.#child, "exit").then(() => undefined);
  }

  send(command: Command | string): void {
    this.#child.stdin.write(`${asText(command)}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill();
    await this.ended;
  }
}

/** A plain TCP connection. */
export class TcpClient implements Client {
  readonly received = new Received();
  readonly socket: Socket;
  readonly ended: Promise<void>;

  private constructor(socket: Socket) {
    this.socket = socket;
    readMessages(socket, this.received);
    socket.on("error", () => undefined);
    this.ended = new Promise((resolve) => socket.once("close", () => resolve()));
  }

  static async connect(port: number): Promise<TcpClient> {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    return new TcpClient(socket);
  }

  send(command: Command | string): void {
    this.socket.write(`${asText(command)}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    await this.ended;
  }
}

/** A UDP socket; one datagram is one message. */
export class UdpClient implements Client {
  readonly received = new Received();
  readonly #socket: DatagramSocket = createSocket("udp4");

  static async connect(port: number): Promise<UdpClient> {
    const client = new UdpClient();
    client.#socket.connect(port, "127.0.0.1");
    await once(client.#socket, "connect");
    client.#socket.on("message", (bytes) => client.received.push(bytes.toString()));
    client.#socket.on("error", () => undefined);
    return client;
  }

  send(command: Command | string | Uint8Array): void {
    this.#socket.send(command instanceof Uint8Array ? command : asText(command));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await once(this.#socket, "close");
  }
}

/**
 * Takes each JSON object of a stream for a message: one per line over TCP, one behind the other in what
 * `nc -u` prints.
 */
export function readMessages(stream: NodeJS.ReadableStream, received: Received): void {
  let text = "";
  let depth = 0;
  let isInString = false;
  let isEscaped = false;
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    for (const char of chunk) {
      text += char;
      if (isInString) {
        if (char === '"' && !isEscaped) isInString = false;
        isEscaped = char === "\\" && !isEscaped;
      } else if (char === '"') isInString = true;
      else if (char === "{") depth++;
      else if (char === "}" && --depth === 0) {
        received.push(text);
        text = "";
      }
    }
  });
  stream.on("end", () => received.end());
  stream.on("close", () => received.end());
}

function asText(command: Command | string): string {
  return typeof command === "string" ? command : JSON.stringify(command);
}

/** What a chat message says. */
export function textOf(data: unknown): string {
  const text: unknown = typeof data === "object" && data !== null ? Reflect.get(data, "text") : undefined;
  return typeof text === "string" ? text : JSON.stringify(data);
}
