// The two kinds of subjects: a server that the suite connects to, and a client that connects to the suite,
// once for each case.
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import type { Case } from "./case.ts";
import { type Agreed, type Offer, parseAgreed, parseOffers } from "./deflate.ts";
import { Peer } from "./peer.ts";
import { Violation } from "./wire.ts";

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const USUAL_OFFER = "permessage-deflate; client_max_window_bits";
const USUAL_ANSWER = "permessage-deflate";
/** How long a client may take to start and connect, and to end, in milliseconds: it hangs after that. */
const PROCESS_MS = 60_000;

/** Whoever is tried. */
export interface Subject {
  readonly role: "client" | "server";
  readonly isCompressing: boolean;
  /** Runs one case on a connection of its own. @throws Violation, or whatever went wrong. */
  run(test: Case): Promise<void>;
}

// --- a server

export class ServerSubject implements Subject {
  readonly role = "server";
  readonly #port: number;
  readonly isCompressing: boolean;

  constructor(port: number, isCompressing: boolean) {
    this.#port = port;
    this.isCompressing = isCompressing;
  }

  async run(test: Case): Promise<void> {
    const socket = connect({ port: this.#port, host: "127.0.0.1", allowHalfOpen: true });
    try {
      await once(socket, "connect");
      const key = randomBytes(16).toString("base64");
      const offer = test.offer ?? (this.isCompressing ? USUAL_OFFER : undefined);
      socket.write(
        request([
          "GET /conformance HTTP/1.1",
          "Host: 127.0.0.1",
          "Connection: keep-alive, Upgrade",
          "Upgrade: WebSocket",
          `Sec-WebSocket-Key: ${key}`,
          "Sec-WebSocket-Version: 13",
          ...(offer === undefined ? [] : [`Sec-WebSocket-Extensions: ${offer}`]),
        ]),
      );
      const { first, fields, rest } = await readHead(socket);
      if (!first.startsWith("HTTP/1.1 101 ")) throw new Violation(`answered ${JSON.stringify(first)}`);
      if (fields.get("sec-websocket-accept") !== acceptOf(key))
        throw new Violation("a wrong Sec-WebSocket-Accept");
      if (fields.get("upgrade")?.toLowerCase() !== "websocket") throw new Violation("no Upgrade");
      if (fields.get("connection")?.toLowerCase() !== "upgrade")
        throw new Violation("no Connection: Upgrade");
      const extensions = fields.get("sec-websocket-extensions");
      const agreed = extensions === undefined ? undefined : parseAgreed(extensions);
      checkAgreed(agreed, test, this.isCompressing && offer !== undefined);
      await test.run(new Peer("client", socket, rest, agreed));
    } finally {
      socket.destroy();
    }
  }
}

function checkAgreed(agreed: Agreed | undefined, { agrees }: Case, isExpected: boolean): void {
  if (agrees === null || !isExpected) {
    if (agreed !== undefined) throw new Violation(`agreed to ${JSON.stringify(agreed)}`);
    return;
  }
  if (agreed === undefined) throw new Violation("agreed to nothing");
  for (const [name, value] of Object.entries(agrees ?? {})) {
    const got = agreed[name as keyof Agreed];
    if (got !== value) throw new Violation(`agreed to ${name} ${got} instead of ${value}`);
  }
}

// --- a client

/** A client that was started: resolves when it has ended, rejects if it did so in no good way. */
export type StartClient = (url: string, test: Case) => Promise<void>;

export class ClientSubject implements Subject, AsyncDisposable {
  readonly role = "client";
  readonly isCompressing: boolean;
  readonly #start: StartClient;
  readonly #server: Server;
  readonly #waiting = new Map<string, (socket: Socket, head: Head) => void>();
  readonly #sockets = new Set<Socket>();
  /** Frames of the suite leave in one write with the answer to the handshake. */
  readonly #isJoined: boolean;
  #count = 0;

  private constructor(server: Server, isCompressing: boolean, start: StartClient, isJoined: boolean) {
    this.#server = server;
    this.isCompressing = isCompressing;
    this.#start = start;
    this.#isJoined = isJoined;
    server.on("connection", (socket: Socket) => void this.#connected(socket));
  }

  static async open(isCompressing: boolean, start: StartClient, isJoined: boolean): Promise<ClientSubject> {
    const server = createServer({ allowHalfOpen: true });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new ClientSubject(server, isCompressing, start, isJoined);
  }

  async #connected(socket: Socket): Promise<void> {
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => this.#sockets.delete(socket));
    try {
      const head = await readHead(socket);
      const [, path = ""] = head.first.split(" ");
      const take = this.#waiting.get(path);
      this.#waiting.delete(path);
      if (take === undefined) throw new Violation(`nobody waits for ${path}`);
      take(socket, head);
    } catch {
      socket.destroy();
    }
  }

  async run(test: Case): Promise<void> {
    const path = `/case?n=${++this.#count}`;
    const connected = new Promise<{ socket: Socket; head: Head }>((resolve) => {
      this.#waiting.set(path, (socket, head) => resolve({ socket, head }));
    });
    const { port } = this.#server.address() as AddressInfo;
    const ended = this.#start(`ws://127.0.0.1:${port}${path}`, test);
    ended.catch(() => undefined);
    const { socket, head } = await within(Promise.race([connected, never(ended)]), "the client to connect");
    try {
      await this.#converse(test, socket, head);
    } finally {
      socket.destroy();
    }
    await within(ended, "the client to end");
  }

  async #converse(test: Case, socket: Socket, { first, fields, rest }: Head): Promise<void> {
    if (!/^GET \S+ HTTP\/1\.1$/.test(first)) throw new Violation(`asked ${JSON.stringify(first)}`);
    const key = fields.get("sec-websocket-key") ?? "";
    if (Buffer.from(key, "base64").length !== 16 || key.length !== 24) throw new Violation(`key ${key}`);
    if (fields.get("sec-websocket-version") !== "13") throw new Violation("not version 13");
    if (fields.get("upgrade") !== "websocket") throw new Violation("no Upgrade");
    if (fields.get("connection")?.toLowerCase() !== "upgrade") throw new Violation("no Connection: Upgrade");
    if (fields.get("host") === undefined) throw new Violation("no Host");
    const offered = fields.get("sec-websocket-extensions");
    if ((offered !== undefined) !== this.isCompressing) throw new Violation(`offered ${offered}`);
    const answer = answerTo(test, offered === undefined ? undefined : parseOffers(offered));
    socket.cork();
    socket.write(
      request([
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        `Sec-WebSocket-Accept: ${acceptOf(key)}`,
        ...(answer === null ? [] : [`Sec-WebSocket-Extensions: ${answer}`]),
      ]),
    );
    if (this.#isJoined) setImmediate(() => socket.uncork());
    else socket.uncork();
    if (test.mustRefuse) {
      const [word] = await Promise.race([once(socket, "end"), once(socket, "data"), once(socket, "close")]);
      if (Buffer.isBuffer(word)) throw new Violation(`sent ${word.length} bytes instead of refusing`);
      return;
    }
    await test.run(new Peer("server", socket, rest, answer === null ? undefined : parseAgreed(answer)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}

function answerTo({ answer }: Case, offers: readonly Offer[] | undefined): string | null {
  if (answer !== undefined) return answer(offers ?? []);
  return offers === undefined ? null : USUAL_ANSWER;
}

/** A client that ends before it has connected. */
async function never(ended: Promise<void>): Promise<never> {
  await ended;
  throw new Violation("the client ended without connecting");
}

async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Violation(`waited in vain for ${what}`)), PROCESS_MS);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// --- HTTP

interface Head {
  /** The first line of the request, or of the answer. */
  readonly first: string;
  readonly fields: ReadonlyMap<string, string>;
  readonly rest: Buffer;
}

function request(lines: readonly string[]): string {
  return `${lines.join("\r\n")}\r\n\r\n`;
}

function acceptOf(key: string): string {
  return createHash("sha1").update(`${key}${GUID}`).digest("base64");
}

function readHead(socket: Socket): Promise<Head> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    const failed = (): void =>
      reject(new Violation(`no HTTP head: ${JSON.stringify(bytes.toString("latin1"))}`));
    const received = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      const end = bytes.indexOf("\r\n\r\n");
      if (end === -1) return;
      socket.off("data", received).off("end", failed).off("close", failed);
      const [first = "", ...rows] = bytes.toString("latin1", 0, end).split("\r\n");
      const fields = new Map<string, string>();
      for (const row of rows) {
        const colon = row.indexOf(":");
        fields.set(row.slice(0, colon).toLowerCase(), row.slice(colon + 1).trim());
      }
      resolve({ first, fields, rest: bytes.subarray(end + 4) });
    };
    socket.on("data", received).on("end", failed).on("close", failed);
  });
}
