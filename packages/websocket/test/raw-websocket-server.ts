import type { Socket } from "node:net";
import { rawServer, upgradeAnswer } from "./peers.ts";

/** A frame as a client sent it, unmasked. */
export interface SeenFrame {
  readonly opcode: number;
  readonly isMasked: boolean;
  readonly payload: Buffer;
}

/** The server's end of one connection. It does nothing by itself: neither does it answer a Close frame. */
export class RawEnd {
  readonly head: string;
  readonly socket: Socket;
  #bytes = Buffer.alloc(0);
  #wake = (): void => undefined;

  constructor(head: string, socket: Socket) {
    this.head = head;
    this.socket = socket;
    socket.on("data", (chunk) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#wake();
    });
  }

  send(...frames: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  /** The next frame, of less than 64 KiB. */
  async frame(): Promise<SeenFrame> {
    const [first = 0, second = 0] = await this.#take(2);
    let length = second & 0x7f;
    if (length === 126) length = (await this.#take(2)).readUInt16BE();
    const isMasked = second >= 0x80;
    const mask = isMasked ? await this.#take(4) : Buffer.alloc(4);
    const payload = (await this.#take(length)).map((byte, i) => byte ^ (mask[i & 3] ?? 0));
    return { opcode: first & 0x0f, isMasked, payload: Buffer.from(payload) };
  }

  async #take(count: number): Promise<Buffer> {
    while (this.#bytes.length < count) await new Promise<void>((resolve) => (this.#wake = resolve));
    const taken = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(count);
    return taken;
  }
}

/** What a hand-written server makes of a request; headers are added to the answer. */
export interface RawWebSocketServer extends AsyncDisposable {
  readonly url: string;
  /** The first connection that was upgraded. */
  readonly accepted: Promise<RawEnd>;
}

/**
 * A WebSocket server written by hand, so that nothing of this library answers for the other side.
 *
 * @param headers Lines that are added to the answer; a whole answer, if it begins with "HTTP/", in which
 *   "ACCEPT" stands for the value that the request asks for.
 */
export async function rawWebSocketServer(headers = ""): Promise<RawWebSocketServer> {
  let accept: (end: RawEnd) => void = () => undefined;
  const accepted = new Promise<RawEnd>((resolve) => (accept = resolve));
  const server = await rawServer((head, socket) => {
    accept(new RawEnd(head, socket));
    const answer = headers.startsWith("HTTP/")
      ? headers.replace("ACCEPT", /accept: (.*)\r$/im.exec(upgradeAnswer(head))?.[1] ?? "")
      : upgradeAnswer(head).replace(/\r\n\r\n$/, `\r\n${headers}\r\n`);
    socket.write(answer);
  });
  return {
    url: `ws://127.0.0.1:${server.port}`,
    accepted,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** An unmasked frame of less than 126 bytes, the last of its message unless `isLast` is false. */
export function frame(opcode: number, payload: Uint8Array | string = "", isLast = true): Buffer {
  const bytes = Buffer.from(payload);
  return Buffer.concat([Buffer.from([(isLast ? 0x80 : 0) | opcode, bytes.length]), bytes]);
}

export const TEXT = 1;
export const BINARY = 2;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

/** The payload of a Close frame. */
export function closing(code: number, reason: Uint8Array | string = ""): Buffer {
  return Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]);
}

const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Protocol: a\r\n";

/**
 * Answers that the standard makes a failed connection of, by the step that says so. Each is for an offer of
 * "a".
 */
export const BAD_ANSWERS: readonly (readonly [why: string, headers: string])[] = [
  ["a status other than 101", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"],
  ['a redirect (the request\'s redirect mode is "error")', "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n"],
  ["a challenge (no credentials are asked for)", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"],
  ["no subprotocol where some were offered", ""],
  ["a subprotocol that was not offered", "Sec-WebSocket-Protocol: b\r\n"],
  ["a subprotocol in another case", "Sec-WebSocket-Protocol: A\r\n"],
  ["two subprotocols", "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a\r\n"],
  ["an empty subprotocol", "Sec-WebSocket-Protocol:\r\n"],
  ["no Upgrade", `${SWITCH}Connection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n`],
  ["another Upgrade", `${SWITCH}Upgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n`],
  ["no Connection", `${SWITCH}Upgrade: websocket\r\nSec-WebSocket-Accept: ACCEPT\r\n\r\n`],
  ["no Accept", `${SWITCH}Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n`],
  [
    "a wrong Accept",
    `${SWITCH}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n`,
  ],
  [
    "an extension with a parameter that it does not have",
    "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Extensions: permessage-deflate; nonsense\r\n",
  ],
  ["an extension that was not offered", "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Extensions: x-foo\r\n"],
];

/** How the server may go on once both have said Close, or this side alone, and whether that is clean. */
export const ENDINGS: readonly RawEnding[] = [
  { why: "the server leaves TCP open", end: () => undefined, isClean: true },
  { why: "the server resets TCP", end: ({ socket }) => socket.resetAndDestroy(), isClean: true },
  {
    why: "the server says something behind its Close frame",
    end: (end) => end.send(frame(TEXT, "late")),
    isClean: true,
  },
  { why: "the server never says Close", end: () => undefined, isClean: false },
  { why: "the server ends TCP in place of a Close frame", end: ({ socket }) => socket.end(), isClean: false },
];
export interface RawEnding {
  readonly why: string;
  readonly end: (end: RawEnd) => unknown;
  /** The server's Close frame came before. */
  readonly isClean: boolean;
}

/** What a server may not send, and the code of RFC 6455 §7.4.1 that it is told. */
export const BAD_FRAMES: readonly (readonly [why: string, bytes: Buffer, code: number])[] = [
  ["text that is not UTF-8", frame(TEXT, Uint8Array.of(0xc3, 0x28)), 1007],
  ["a Close reason that is not UTF-8", frame(CLOSE, closing(1000, Uint8Array.of(0xff))), 1007],
  ["a close code that is never sent", frame(CLOSE, closing(1005)), 1002],
  ["a masked frame", Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x61]), 1002],
  ["a reserved opcode", frame(3), 1002],
  ["a reserved bit without an extension", Buffer.from([0xc1, 1, 0x61]), 1002],
];
