// What the programs of `hostile.ts` have in common: a client of lines over TCP, at an address of its own.
import { connect, type Socket } from "node:net";

/** What a client counts of its answers. */
export interface Got {
  /** Messages, by type, and errors by code. */
  readonly messages: Record<string, number>;
  bytes: number;
  /** Connections that were ended. */
  ended: number;
}

export function nothing(): Got {
  return { messages: {}, bytes: 0, ended: 0 };
}

/** A client of lines. It looks at no more of an answer than it needs, so that one process can be many. */
export class LineClient {
  readonly socket: Socket;
  isClosed = false;
  /** Told of each line as it begins: a page of history is not put together. */
  heard: (start: string) => void = () => undefined;
  ended: () => void = () => undefined;
  readonly #got: Got;
  #isLeaving = false;
  #start = "";
  #isInside = false;

  private constructor(socket: Socket, got: Got) {
    this.socket = socket;
    this.#got = got;
    socket.on("data", (bytes: Buffer) => this.#read(bytes));
    socket.on("error", () => undefined); // A reset is how some are refused; it is counted as an end.
    socket.on("close", () => {
      this.isClosed = true;
      if (!this.#isLeaving) got.ended++;
      this.ended();
    });
  }

  /** Resolves when it is connected, or has failed to. */
  static async open(localAddress: string, port: number, got: Got): Promise<LineClient> {
    const socket = connect({ host: "127.0.0.1", port, localAddress, noDelay: true });
    const client = new LineClient(socket, got);
    await new Promise((resolve) => socket.once("connect", resolve).once("close", resolve));
    return client;
  }

  /** By a reset, so that no port of its address is kept. */
  leave(): void {
    this.#isLeaving = true;
    this.socket.resetAndDestroy();
  }

  say(command: string): void {
    this.socket.write(`${command}\n`);
  }

  /** Asks until there is an answer that begins so, as late as the server says. */
  async ask(command: string, answer: string): Promise<string> {
    for (;;) {
      const start = await new Promise<string>((resolve, reject) => {
        this.heard = (line) => {
          if (line.startsWith(`{"type":"${answer}"`) || line.startsWith('{"type":"error"')) resolve(line);
        };
        this.ended = () => reject(new Error(`ended before ${answer} came`));
        this.say(command);
      });
      this.heard = () => undefined;
      if (!start.startsWith('{"type":"error"')) return start;
      if (retryMs(start) === 0) throw new Error(start);
      await pause(retryMs(start));
    }
  }

  #read(bytes: Buffer): void {
    this.#got.bytes += bytes.length;
    for (let at = 0; at < bytes.length; ) {
      const end = bytes.indexOf(10, at);
      if (!this.#isInside || this.#start.length < START_LENGTH) {
        const most = Math.min(end === -1 ? bytes.length : end, at + START_LENGTH - this.#start.length);
        this.#start += bytes.toString("latin1", at, most);
      }
      this.#isInside = end === -1;
      if (end === -1) return;
      this.#line(this.#start);
      this.#start = "";
      at = end + 1;
    }
  }

  #line(start: string): void {
    const [, type = "?", code] = /^\{"type":"(\w+)"(?:.*?"code":"(\w+)")?/.exec(start) ?? [];
    const name = type === "error" ? (code ?? type) : type;
    const { messages } = this.#got;
    messages[name] = (messages[name] ?? 0) + 1;
    this.heard(start);
  }
}

/** Of a line so much is looked at. */
const START_LENGTH = 200;

/** In how many milliseconds a client that was refused is to go on; 0 if it was not. */
export function retryMs(start: string): number {
  return Number(/"retryMs":(\d+)/.exec(start)?.[1] ?? 0);
}

/** Runs tasks, so many at a time. */
export async function inTurn(count: number, atOnce: number, task: (index: number) => Promise<void>) {
  let next = 0;
  const run = async (): Promise<void> => {
    while (next < count) await task(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, run));
}

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
