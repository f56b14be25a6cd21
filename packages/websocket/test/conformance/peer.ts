// One connection with a subject under test, from the side of the suite: it sends what a case wants and holds
// what comes against it.
import type { Socket } from "node:net";
import { type Agreed, Direction } from "./deflate.ts";
import {
  BINARY,
  CLOSE,
  closing,
  CONTINUATION,
  encode,
  encodeFragments,
  type Frame,
  FrameReader,
  PING,
  PONG,
  TEXT,
  Violation,
} from "./wire.ts";

/** Nobody answers later than this unless he hangs, in milliseconds. */
const HANG_MS = 30_000;

export interface Received {
  readonly opcode: number;
  readonly payload: Buffer;
  readonly wasCompressed: boolean;
}

export class Peer {
  /** What this side is; the subject is the other. */
  readonly role: "client" | "server";
  readonly agreed: Agreed | undefined;
  readonly outgoing: Direction | undefined;
  readonly #incoming: Direction | undefined;
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  readonly #frames: Frame[] = [];
  #violation: Error | undefined;
  #hasEnded = false;
  #isReset = false;
  #hasEndedWriting = false;
  #wake: (() => void) | undefined;

  constructor(role: "client" | "server", socket: Socket, head: Buffer, agreed: Agreed | undefined) {
    this.role = role;
    this.agreed = agreed;
    this.#socket = socket;
    if (agreed !== undefined) {
      const server = new Direction(agreed.serverMaxWindowBits, !agreed.serverNoContextTakeover);
      const client = new Direction(agreed.clientMaxWindowBits, !agreed.clientNoContextTakeover);
      this.outgoing = role === "client" ? client : server;
      this.#incoming = role === "client" ? server : client;
    }
    this.#reader = new FrameReader(role === "server", agreed === undefined ? 0 : 4);
    socket.setNoDelay(true);
    socket.on("data", (chunk) => this.#received(chunk));
    socket.on("end", () => {
      this.#hasEnded = true;
      this.#wake?.();
    });
    socket.on("error", () => {
      this.#isReset = true;
      this.#wake?.();
    });
    socket.on("close", () => this.#wake?.());
    if (head.length > 0) this.#received(head);
  }

  get isCompressing(): boolean {
    return this.agreed !== undefined;
  }

  // --- sending

  /** A frame as this side has to send it. */
  frame(
    opcode: number,
    payload?: Uint8Array | string,
    options?: { isFinal?: boolean; rsv?: number },
  ): Buffer {
    const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
    return encode(this.role === "client", opcode, bytes, options);
  }

  /** A message in frames of `size` bytes. */
  fragments(opcode: number, payload: Uint8Array, size: number, rsv = 0): Buffer {
    return encodeFragments(this.role === "client", opcode, payload, size, rsv);
  }

  /** A message, compressed if that was agreed on, whole or in frames of `size` bytes. */
  compressed(opcode: number, payload: Uint8Array, size = Number.POSITIVE_INFINITY, level?: number): Buffer {
    if (this.outgoing === undefined) return this.fragments(opcode, payload, size);
    return this.fragments(opcode, this.outgoing.compress(payload, level), size, 4);
  }

  /** @param chop writes of so many bytes, each in a turn of its own. */
  async write(bytes: Uint8Array, chop = Number.POSITIVE_INFINITY): Promise<void> {
    if (chop >= bytes.length) {
      this.#socket.write(bytes);
      return;
    }
    for (let at = 0; at < bytes.length; at += chop) {
      // A subject that has already failed takes no more; what it says is looked at later.
      if (this.#hasEnded || this.#isReset || this.#socket.destroyed) return;
      this.#socket.write(bytes.subarray(at, at + chop));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Ends this side of TCP. */
  endWriting(): void {
    this.#hasEndedWriting = true;
    this.#socket.end();
  }

  // --- receiving

  #received(chunk: Buffer): void {
    try {
      this.#reader.push(chunk);
      for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next())
        this.#frames.push(frame);
    } catch (error) {
      this.#violation ??= error instanceof Error ? error : new Error(String(error));
    }
    this.#wake?.();
  }

  /** The next frame, or how the connection ended instead. */
  async next(): Promise<Frame | "end" | "reset"> {
    for (;;) {
      const frame = this.#frames.shift();
      // On a busy machine a subject may have heard nothing for so long that it asks.
      if (frame?.opcode === PING) continue;
      if (frame !== undefined) return frame;
      if (this.#violation !== undefined) throw this.#violation;
      if (this.#hasEnded) {
        if (this.#reader.rest > 0) throw new Violation("the connection ended within a frame");
        return "end";
      }
      if (this.#isReset || this.#socket.destroyed) return "reset";
      await this.#change();
    }
  }

  async #change(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        this.#wake = resolve;
        timer = setTimeout(() => reject(new Violation("no answer")), HANG_MS);
      });
    } finally {
      clearTimeout(timer);
    }
  }

  async #frameOf(wanted: string): Promise<Frame> {
    const frame = await this.next();
    if (typeof frame === "string") throw new Violation(`${frame} of the connection instead of ${wanted}`);
    return frame;
  }

  /** The next message; no control frame may come before its end. */
  async message(): Promise<Received> {
    const first = await this.#frameOf("a message");
    if (first.opcode !== TEXT && first.opcode !== BINARY)
      throw new Violation(`${describe(first)} instead of a message`);
    const parts = [first.payload];
    for (let isFinal = first.isFinal; !isFinal; ) {
      const more = await this.#frameOf("the rest of a message");
      if (more.opcode !== CONTINUATION) throw new Violation(`${describe(more)} within a message`);
      parts.push(more.payload);
      isFinal = more.isFinal;
    }
    let payload = parts.length === 1 ? first.payload : Buffer.concat(parts);
    if (first.rsv === 4) payload = this.#incoming?.decompress(payload) ?? payload;
    return { opcode: first.opcode, payload, wasCompressed: first.rsv === 4 };
  }

  /** The next thing is this message, to the byte. */
  async echoes(opcode: number, payload: Uint8Array | string): Promise<void> {
    const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
    const message = await this.message();
    if (message.opcode !== opcode) throw new Violation(`opcode ${message.opcode} came back for ${opcode}`);
    if (Buffer.compare(message.payload, bytes) !== 0) {
      throw new Violation(`another message came back: ${message.payload.length} bytes for ${bytes.length}`);
    }
  }

  async pongs(payload: Uint8Array | string = ""): Promise<void> {
    const frame = await this.#frameOf("a pong");
    const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
    if (frame.opcode !== PONG || Buffer.compare(frame.payload, bytes) !== 0)
      throw new Violation(`${describe(frame)} instead of the pong`);
  }

  /** It is alive: answers a ping with nothing before. */
  async isAlive(): Promise<void> {
    await this.write(this.frame(PING, "alive?"));
    await this.pongs("alive?");
  }

  /**
   * The subject fails the connection with `code`: its Close frame is next, then it ends TCP by itself
   * (RFC 6455 §7.1.7).
   */
  async fails(code: number): Promise<void> {
    await this.#closes(code);
    await this.#ends();
    this.#socket.end();
  }

  /**
   * The subject answers our Close frame, which was sent, with `code`, and TCP ends in order: a server ends it
   * by itself, a client waits for the server, which is us (RFC 6455 §7.1.1).
   *
   * @param code `undefined`: a Close frame without one.
   * @param patienceMs how long this side, as the server, keeps TCP open meanwhile.
   */
  async closed(code: number | undefined, patienceMs = 0): Promise<void> {
    await this.#closes(code);
    if (this.role === "server") {
      // Nothing is to happen in this time, so there is no event to wait for.
      if (patienceMs > 0) await new Promise((resolve) => setTimeout(resolve, patienceMs));
      if (this.#hasEnded && !this.#hasEndedWriting)
        throw new Violation("the client ended TCP before the server did");
      this.#socket.end();
    }
    await this.#ends();
    this.#socket.end();
  }

  /** Ends a case in which nothing was wrong. */
  async finish(): Promise<void> {
    await this.write(this.frame(CLOSE, closing(1000)));
    await this.closed(1000);
  }

  async #closes(code: number | undefined): Promise<void> {
    const frame = await this.#frameOf("a Close frame");
    if (frame.opcode !== CLOSE) throw new Violation(`${describe(frame)} instead of a Close frame`);
    const { payload } = frame;
    if (payload.length === 1) throw new Violation("a Close frame of one byte");
    const got = payload.length === 0 ? undefined : payload.readUInt16BE(0);
    if (got !== code)
      throw new Violation(
        `closed with ${got ?? "no code"} instead of ${code ?? "none"}: ${payload.subarray(2).toString()}`,
      );
    if (!Buffer.from(payload.subarray(2).toString()).equals(payload.subarray(2)))
      throw new Violation("a reason that is not UTF-8");
  }

  async #ends(): Promise<void> {
    const end = await this.next();
    if (typeof end !== "string") throw new Violation(`${describe(end)} after the Close frame`);
    if (end === "reset" && !this.#hasEnded) throw new Violation("TCP was reset instead of ended");
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

function describe({ opcode, payload, isFinal, rsv }: Frame): string {
  return `a frame (opcode ${opcode}, FIN ${isFinal}, RSV ${rsv}, ${payload.length} bytes ${JSON.stringify(payload.subarray(0, 40).toString("latin1"))})`;
}
