import { connect, type Socket } from "node:net";
import { clientFrame } from "./websocket-load.ts";

/** The load of channels: connections that speak as little of each protocol as is needed. */

/** What `hub-server.ts` is told. */
export interface HubServerOptions {
  /** Of the durable engine; unset: in memory. */
  readonly directory?: string;
  /** Publications that each channel has before anybody comes; the last one has `LAST` in it. */
  readonly behind?: number;
  /** Default 1. */
  readonly channels?: number;
}

/** What a channel of this number is called. */
export function channelName(number: number): string {
  return `plaza:${number}`;
}

/** Stands in the last publication of a burst, or of what is missed. */
export const LAST = "##LAST##";

/** What is said, and what comes then. */
interface Step {
  readonly say: string | Buffer;
  readonly until: string;
}

/** How a contender is spoken with; in the channel with number 0. */
export interface Dialect {
  readonly enter: readonly Step[];
  readonly subscribe: Step;
  readonly publish: (data: string) => Buffer;
}

function upgrade(path: string): Step {
  const say =
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
  return { say, until: "\r\n\r\n" };
}

/** A client's frame of a text. */
export function frame(text: string): Buffer {
  return clientFrame(Buffer.from(text), true);
}

const CHANNEL = channelName(0);
const SUBSCRIBE = `{"type":"subscribe","channel":"${CHANNEL}"}`;
const publishCommand = (data: string): string =>
  `{"type":"publish","channel":"${CHANNEL}","data":${JSON.stringify(data)}}`;

/** Of the hub, and of what one writes with ws. */
export const webSocket: Dialect = {
  enter: [upgrade("/")],
  subscribe: { say: frame(SUBSCRIBE), until: '"subscribed"' },
  publish: (data) => frame(publishCommand(data)),
};

export const tcpLines: Dialect = {
  enter: [],
  subscribe: { say: `${SUBSCRIBE}\n`, until: '"subscribed"' },
  publish: (data) => Buffer.from(`${publishCommand(data)}\n`),
};

/** Engine.IO 4 and Socket.IO 5, whose packets begin with digits. */
export const socketIo: Dialect = {
  enter: [upgrade("/socket.io/?EIO=4&transport=websocket"), { say: frame("40"), until: '40{"sid"' }],
  subscribe: { say: frame(`42["subscribe","${CHANNEL}"]`), until: '"subscribed"' },
  publish: (data) => frame(`42${JSON.stringify(["publish", CHANNEL, data])}`),
};

/** https://docs.nats.io/reference/reference-protocols/nats-protocol */
export const nats: Dialect = {
  enter: [{ say: 'CONNECT {"verbose":false,"pedantic":false}\r\nPING\r\n', until: "PONG\r\n" }],
  subscribe: { say: "SUB plaza.0 1\r\nPING\r\n", until: "PONG\r\n" },
  publish: (data) => Buffer.from(`PUB plaza.0 ${data.length}\r\n${data}\r\n`),
};

/** MQTT 3.1.1 at quality of service 0; with no keep-alive. */
export const mqtt: Dialect = {
  enter: [{ say: mqttPacket(0x10, "\0\x04MQTT\x04\x02\0\0\0\0"), until: "\x20\x02\0\0" }],
  subscribe: { say: mqttPacket(0x82, "\0\x01\0\x07plaza/0\0"), until: "\x90\x03" },
  publish: (data) => mqttPacket(0x30, `\0\x07plaza/0${data}`),
};

function mqttPacket(type: number, body: string): Buffer {
  const { length } = body;
  const size = length < 128 ? [length] : [(length & 127) | 128, length >> 7];
  return Buffer.concat([Buffer.from([type, ...size]), Buffer.from(body, "latin1")]);
}

/** All connections read into it: what comes is looked at, and not kept. */
const READ_BUFFER = Buffer.allocUnsafe(1 << 20);

/** A connection of the load. */
export class Client {
  readonly #socket: Socket;
  readonly #ended: Promise<never>;
  /** Called with what comes, which is not kept. */
  take: (bytes: Buffer) => void = () => undefined;

  private constructor(socket: Socket, ended: Promise<never>) {
    this.#socket = socket;
    this.#ended = ended;
    ended.catch(() => undefined); // Who waits for something is told.
  }

  /** Connects and says what comes first. */
  static async open(port: number, { enter }: Pick<Dialect, "enter">): Promise<Client> {
    let client: Client | undefined;
    const socket = connect({
      port,
      host: "127.0.0.1",
      noDelay: true,
      onread: {
        buffer: READ_BUFFER,
        callback: (count: number) => {
          client?.take(READ_BUFFER.subarray(0, count));
          return true;
        },
      },
    });
    const ended = new Promise<never>((_resolve, reject) => {
      socket.once("error", reject);
      socket.once("close", () => reject(new Error("the server has closed a connection")));
    });
    client = new Client(socket, ended);
    await client.#or(new Promise((resolve) => socket.once("connect", resolve)));
    for (const step of enter) await client.ask(step);
    return client;
  }

  /** Says something and waits for what comes then. */
  ask({ say, until }: Step): Promise<void> {
    const answer = this.until(until);
    this.write(say);
    return answer;
  }

  /** Waits until this text has come. */
  until(text: string): Promise<void> {
    return this.#or(
      new Promise((resolve) => {
        const sought = new Sought(text);
        this.take = (bytes) => {
          if (sought.countIn(bytes) > 0) resolve();
        };
      }),
    );
  }

  write(bytes: string | Buffer): void {
    this.#socket.write(bytes);
  }

  /** By a reset, so that no port of it is kept. */
  leave(): void {
    this.#socket.resetAndDestroy();
  }

  #or(happens: Promise<void>): Promise<void> {
    return Promise.race([happens, this.#ended]);
  }
}

/** Counts how often a text comes, wherever what comes is cut. */
export class Sought {
  readonly #text: Buffer;
  /** The end of what came, too short to have the text. */
  #tail: Buffer = Buffer.alloc(0);

  constructor(text: string) {
    this.#text = Buffer.from(text, "latin1");
  }

  countIn(bytes: Buffer): number {
    const most = this.#text.length - 1;
    const seam = Buffer.concat([this.#tail, bytes.subarray(0, most)]);
    let count = seam.includes(this.#text) ? 1 : 0;
    for (let at = bytes.indexOf(this.#text); at >= 0; at = bytes.indexOf(this.#text, at + most + 1)) count++;
    const end = bytes.length >= most ? bytes : seam;
    this.#tail = Buffer.from(end.subarray(Math.max(0, end.length - most)));
    return count;
  }
}

/** Does so many things, some at a time. */
export async function someAtATime<T>(
  count: number,
  atOnce: number,
  make: (number: number) => Promise<T>,
): Promise<T[]> {
  const made: T[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) {
      const number = next++;
      made[number] = await make(number);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, work));
  return made;
}

/** Subscribers of one channel, and a publisher. */
export class Crowd {
  readonly #subscribers: readonly Client[];
  readonly #publisher: Client;
  readonly #dialect: Dialect;
  #left = 0;
  #haveAll: () => void = () => undefined;

  private constructor(subscribers: readonly Client[], publisher: Client, dialect: Dialect) {
    this.#subscribers = subscribers;
    this.#publisher = publisher;
    this.#dialect = dialect;
    publisher.take = () => undefined;
    for (const subscriber of subscribers) {
      const last = new Sought(LAST);
      subscriber.take = (bytes) => {
        this.#left -= last.countIn(bytes);
        if (this.#left === 0) this.#haveAll();
      };
    }
  }

  static async gather(port: number, dialect: Dialect, count: number): Promise<Crowd> {
    const subscribers = await someAtATime(count, 100, async () => {
      const client = await Client.open(port, dialect);
      await client.ask(dialect.subscribe);
      return client;
    });
    return new Crowd(subscribers, await Client.open(port, dialect), dialect);
  }

  /** Publishes as many texts of 200 bytes at once, time and again, each time when all have the last ones. */
  async deliver(burst: number, durationMs: number): Promise<{ readonly deliveries: number }> {
    const { publish } = this.#dialect;
    const text = "x".repeat(198); // in quotes where it is JSON
    const texts = Array.from({ length: burst - 1 }, () => publish(text));
    const bytes = Buffer.concat([...texts, publish(`${LAST}${text.slice(LAST.length)}`)]);
    const endsAt = performance.now() + durationMs;
    let bursts = 0;
    while (bursts < LEAST_BURSTS || performance.now() < endsAt) {
      this.#left = this.#subscribers.length;
      const haveAll = new Promise<void>((resolve) => {
        this.#haveAll = resolve;
      });
      this.#publisher.write(bytes);
      await haveAll;
      bursts++;
    }
    return { deliveries: bursts * burst * this.#subscribers.length };
  }

  leave(): void {
    for (const client of [this.#publisher, ...this.#subscribers]) client.leave();
  }
}

const LEAST_BURSTS = 3;
