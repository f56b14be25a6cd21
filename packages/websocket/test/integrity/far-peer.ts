import type { Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { TLSSocket } from "node:tls";
import {
  type CaseContext,
  FarEnd,
  type FarReading,
  type Planned,
  type Random,
  wireBytesOf,
} from "@zocalo/integrity";
import { unacknowledgedBytes } from "@zocalo/net/transport";
import { Direction } from "../conformance/deflate.ts";
import {
  BINARY,
  CLOSE,
  closing,
  encode,
  encodeFragments,
  type Frame,
  FrameReader,
  PING,
  TEXT,
} from "../conformance/wire.ts";
import type { FarSide } from "./links.ts";

/** What the far end sends before it leaves surely lies in our system's buffer by then. */
export const SURELY_ARRIVED_BYTES = 32_768;

/** How the far end behaves. */
export interface FarPeerOptions {
  readonly reading: FarReading;
  /** A stalled reader reads then. Default: after some milliseconds. */
  readonly mayRead?: Promise<void>;
  /** Most bytes of one frame that it sends. Default: each message is one frame. */
  readonly frame?: number;
  /** Most bytes of one write. Default: each message is one. */
  readonly portion?: number;
  /** It pings between its messages. Default true. */
  readonly pings?: boolean;
}

/** The far end: reads frames as they come, and answers a Close. It shares no code with the package. */
export class FarPeer {
  readonly end: FarEnd;
  hasGotClose = false;
  readonly #side: FarSide;
  readonly #options: FarPeerOptions;
  readonly #context: CaseContext;
  readonly #reader: FrameReader;
  readonly #outgoing: Direction | undefined;
  readonly #incoming: Direction | undefined;
  readonly #data: Frame[] = [];
  #hasSentClose = false;

  constructor(side: FarSide, context: CaseContext, random: Random, options: FarPeerOptions) {
    this.#side = side;
    this.#options = options;
    this.#context = context;
    const { agreed, isFarClient } = side;
    if (agreed !== undefined) {
      const server = new Direction(15, !agreed.serverNoContextTakeover);
      const client = new Direction(15, !agreed.clientNoContextTakeover);
      this.#outgoing = isFarClient ? client : server;
      this.#incoming = isFarClient ? server : client;
    }
    this.#reader = new FrameReader(!isFarClient, agreed === undefined ? 0 : 4);
    this.end = new FarEnd(side.far, options.reading, random, options.mayRead);
    this.end.onBytes = (bytes) => this.#read(bytes);
  }

  /** Writes messages in frames, and those in portions that do not care where a frame begins. */
  async writeAll(stream: number, planned: readonly Planned[]): Promise<void> {
    const { frame = 10_000_000, portion = 10_000_000, pings = true } = this.#options;
    const isMasked = this.#side.isFarClient;
    let written = 0;
    for (const each of planned) {
      const plain = wireBytesOf(stream, each);
      const opcode = each.isText ? TEXT : BINARY;
      const payload = this.#outgoing?.compress(plain) ?? plain;
      const size = Math.max(frame, Math.ceil(payload.length / 200));
      const wire = encodeFragments(isMasked, opcode, payload, size, this.#outgoing === undefined ? 0 : 4);
      for (let at = 0; at < wire.length; written += 1) {
        if (this.#hasSentClose && at === 0) return;
        const part = wire.subarray(at, at + (written < 60 || portion > 1000 ? portion : 20_000));
        if (!(await this.end.put(part))) return;
        at += part.length;
      }
      if (pings && written % 7 === 3 && !this.#hasSentClose)
        await this.end.put(encode(isMasked, PING, Buffer.from("alive")));
    }
    if (this.hasGotClose) await this.#answerClose();
  }

  async close(): Promise<void> {
    if (this.#hasSentClose) return;
    this.#hasSentClose = true;
    await this.end.put(encode(this.#side.isFarClient, CLOSE, closing(1000)));
  }

  /** Is gone as soon as all that it wrote has arrived, with all unread that it was sent. */
  async leave(): Promise<void> {
    await hasArrived(this.#side.far);
    this.#side.far.destroy();
  }

  /** Is gone at once, with a reset where there is one. */
  reset(): void {
    const { far } = this.#side;
    if (far instanceof TLSSocket || far.remotePort === undefined) far.destroy();
    else far.resetAndDestroy();
  }

  /** All whole messages that came. */
  messages(): Buffer[] {
    const messages: Buffer[] = [];
    let parts: Buffer[] = [];
    let isCompressed = false;
    for (const { opcode, isFinal, rsv, payload } of this.#data) {
      if (opcode !== 0) isCompressed = rsv === 4;
      parts.push(payload);
      if (!isFinal) continue;
      const whole = Buffer.concat(parts);
      messages.push(isCompressed && this.#incoming !== undefined ? this.#incoming.decompress(whole) : whole);
      parts = [];
    }
    return messages;
  }

  #read(bytes: Uint8Array): void {
    try {
      this.#reader.push(Buffer.from(bytes));
      for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next()) {
        if (frame.opcode === CLOSE) {
          this.hasGotClose = true;
          void this.#answerClose();
        } else if (frame.opcode < CLOSE) this.#data.push(frame);
      }
    } catch (error) {
      this.#context.fail(error);
    }
  }

  async #answerClose(): Promise<void> {
    await this.close();
    this.end.end();
  }
}

/** Resolves when the other system has all that was written: the rest a reset would throw away. */
async function hasArrived(socket: Socket): Promise<void> {
  while ((await unacknowledgedBytes(socket)) ?? 0) await turn();
}
