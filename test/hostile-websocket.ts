import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** One frame as it arrived from the server. */
export interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
}

export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;

/**
 * A WebSocket client that obeys nothing: it writes whatever bytes it is told to.
 */
export class RawWebSocket {
  readonly socket: Socket;
  /** Resolves with every frame that came, once the server has ended the connection. */
  readonly frames: Promise<Frame[]>;

  private constructor(socket: Socket) {
    this.socket = socket;
    this.frames = collect(socket);
  }

  /** Connects and shakes hands properly. */
  static async open(port: number): Promise<RawWebSocket> {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write(
      [
        "GET /ws HTTP/1.1",
        `Host: localhost:${port}`,
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
        "\r\n",
      ].join("\r\n"),
    );
    let head = "";
    while (!head.includes("\r\n\r\n")) {
      await once(socket, "readable");
      // One byte at a time, so that no byte of a frame is taken.
      for (
        let byte = socket.read(1) as Buffer | null;
        byte !== null;
        byte = socket.read(1) as Buffer | null
      ) {
        head += byte.toString("latin1");
        if (head.endsWith("\r\n\r\n")) break;
      }
    }
    if (!head.startsWith("HTTP/1.1 101 ")) throw new Error(`not upgraded: ${head}`);
    return new RawWebSocket(socket);
  }

  sendText(text: string): void {
    this.socket.write(frame(TEXT, Buffer.from(text)));
  }

  /** The close code the server sent, and the texts before it. */
  async ending(): Promise<{ code: number | undefined; texts: string[] }> {
    const frames = await this.frames;
    const close = frames.find(({ opcode }) => opcode === CLOSE);
    return {
      code: close && close.payload.length >= 2 ? close.payload.readUInt16BE(0) : undefined,
      texts: frames.filter(({ opcode }) => opcode === TEXT).map(({ payload }) => payload.toString()),
    };
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

/** The bytes of a frame; masked with a key of zeros unless told otherwise. */
export function frame(opcode: number, payload: Uint8Array, { isMasked = true, reserved = 0 } = {}): Buffer {
  const first = 0x80 | (reserved << 4) | opcode;
  const mask = isMasked ? 0x80 : 0;
  const { length } = payload;
  let head: Buffer;
  if (length < 126) head = Buffer.from([first, mask | length]);
  else if (length < 65_536) head = Buffer.from([first, mask | 126, length >> 8, length & 0xff]);
  else {
    head = Buffer.alloc(10);
    head.writeUInt16BE((first << 8) | mask | 127, 0);
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, ...(isMasked ? [Buffer.alloc(4)] : []), payload]);
}

/** Reads all there is, and leaves in order when the server says Close. */
async function collect(socket: Socket): Promise<Frame[]> {
  const frames: Frame[] = [];
  let bytes = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    for (let found = firstFrame(bytes); found !== undefined; found = firstFrame(bytes)) {
      frames.push(found.frame);
      bytes = bytes.subarray(found.end);
      if (found.frame.opcode === CLOSE) socket.end(frame(CLOSE, found.frame.payload));
    }
  });
  await once(socket, "close");
  return frames;
}

function firstFrame(bytes: Buffer): { frame: Frame; end: number } | undefined {
  const short = (bytes[1] ?? 0) & 0x7f;
  const start = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.length < start) return undefined;
  const long = () => (short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2)));
  const end = start + (short < 126 ? short : long());
  if (bytes.length < end) return undefined;
  return { frame: { opcode: (bytes[0] ?? 0) & 0x0f, payload: bytes.subarray(start, end) }, end };
}
