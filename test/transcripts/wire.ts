// The client's end of a connection, from raw sockets: nothing of ours stands between the bytes and the file.
import { createSocket, type Socket as Datagrams } from "node:dgram";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Transport } from "./transcript.ts";

/** Sends bytes, and receives whole messages with their framing. */
export interface Wire {
  send(bytes: Buffer): void;
  /** The next message; `null` where the server has ended the connection. */
  next(): Promise<Buffer | null>;
  /** Ends it, as far as the transport has an end. */
  end(): void;
}

/** Connects to a server on this machine. */
export async function openWire(transport: Transport, port: number): Promise<Wire> {
  if (transport === "udp") {
    const socket = createSocket("udp4");
    socket.connect(port, "127.0.0.1");
    await once(socket, "connect");
    return new DatagramWire(socket);
  }
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  return new StreamWire(socket, LENGTHS[transport]);
}

class StreamWire implements Wire {
  readonly #socket: Socket;
  readonly #lengthOfFirst: (bytes: Buffer) => number;
  #bytes = Buffer.alloc(0);
  #hasEnded = false;
  #changed: () => void = () => undefined;

  /** @param lengthOfFirst of the first message in these bytes; 0: it is not complete */
  constructor(socket: Socket, lengthOfFirst: (bytes: Buffer) => number) {
    this.#socket = socket;
    this.#lengthOfFirst = lengthOfFirst;
    socket.on("data", (bytes) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      this.#changed();
    });
    socket.on("close", () => {
      this.#hasEnded = true;
      this.#changed();
    });
    socket.on("error", () => undefined); // "close" follows
  }

  send(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  async next(): Promise<Buffer | null> {
    for (;;) {
      const length = this.#bytes.length === 0 ? 0 : this.#lengthOfFirst(this.#bytes);
      if (length > 0) {
        const message = this.#bytes.subarray(0, length);
        this.#bytes = this.#bytes.subarray(length);
        return message;
      }
      if (this.#hasEnded) return null;
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }

  end(): void {
    this.#socket.end();
  }
}

class DatagramWire implements Wire {
  readonly #socket: Datagrams;
  readonly #waiting: Buffer[] = [];

  constructor(socket: Datagrams) {
    this.#socket = socket;
    socket.on("message", (bytes) => this.#waiting.push(bytes));
  }

  send(bytes: Buffer): void {
    this.#socket.send(bytes);
  }

  async next(): Promise<Buffer | null> {
    while (this.#waiting.length === 0) await once(this.#socket, "message");
    return this.#waiting.shift() ?? null;
  }

  end(): void {
    this.#socket.close();
  }
}

function lengthOfLine(bytes: Buffer): number {
  return bytes.indexOf("\n") + 1;
}

/** A type, a length in groups of seven bits, and so many bytes. */
function lengthOfBinaryMessage(bytes: Buffer): number {
  let length = 0;
  for (let at = 1; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    length += (byte & 0x7f) * 128 ** (at - 1);
    const end = at + 1 + length;
    if (byte < 0x80) return bytes.length < end ? 0 : end;
  }
  return 0;
}

const HTTP = Buffer.from("HTTP/");

/** The answer to the upgrade, or a frame of a server: not masked. */
function lengthOfWebSocketMessage(bytes: Buffer): number {
  if (bytes.subarray(0, HTTP.length).equals(HTTP)) {
    const end = bytes.indexOf("\r\n\r\n");
    return end < 0 ? 0 : end + 4;
  }
  const frame = readFrame(bytes);
  return frame === undefined ? 0 : frame.length;
}

const LENGTHS = {
  tcp: lengthOfLine,
  binary: lengthOfBinaryMessage,
  websocket: lengthOfWebSocketMessage,
} as const;

/** A frame (RFC 6455 §5.2). */
export interface Frame {
  /** FIN, reserved bits and opcode. */
  readonly first: number;
  readonly mask: Buffer | undefined;
  /** Unmasked. */
  readonly payload: Buffer;
  /** Of the whole frame, in bytes. */
  readonly length: number;
}

/** Reads the frame that begins here, if all of it is here. */
export function readFrame(bytes: Buffer): Frame | undefined {
  const second = bytes[1] ?? 0;
  const short = second & 0x7f;
  let at = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0);
  const isMasked = second > 0x7f;
  if (bytes.length < at + (isMasked ? 4 : 0)) return undefined;
  const size =
    short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
  const mask = isMasked ? bytes.subarray(at, at + 4) : undefined;
  at += mask?.length ?? 0;
  if (bytes.length < at + size) return undefined;
  const payload = masked(bytes.subarray(at, at + size), mask);
  return { first: bytes[0] ?? 0, mask, payload, length: at + size };
}

/** A frame as bytes. */
export function printFrame({ first, mask, payload }: Omit<Frame, "length">): Buffer {
  const bit = mask === undefined ? 0 : 0x80;
  let head: Buffer;
  if (payload.length < 126) head = Buffer.from([first, bit | payload.length]);
  else if (payload.length < 65_536) {
    head = Buffer.from([first, bit | 126, 0, 0]);
    head.writeUInt16BE(payload.length, 2);
  } else {
    head = Buffer.from([first, bit | 127, 0, 0, 0, 0, 0, 0, 0, 0]);
    head.writeBigUInt64BE(BigInt(payload.length), 2);
  }
  return Buffer.concat([head, mask ?? Buffer.alloc(0), masked(payload, mask)]);
}

function masked(payload: Buffer, mask: Buffer | undefined): Buffer {
  if (mask === undefined) return payload;
  return Buffer.from(payload.map((byte, index) => byte ^ (mask[index % 4] ?? 0)));
}
