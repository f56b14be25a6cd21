import type { Message } from "@zocalo/net";
import type { Compression } from "../src/core/compression.ts";
import { Core, type CoreEvents } from "../src/core/core.ts";
import { buildFrame, type Role } from "../src/core/frame.ts";
import { defaultReceiveLimits, type ReceiveLimits } from "../src/core/message-body.ts";
import type { ProtocolFailure } from "../src/core/close-frame.ts";
import type { MessagePart } from "../src/core/message-body.ts";

/** Notes what a core tells, for tests. */
export class Recorder implements CoreEvents {
  readonly core: Core;
  readonly messages: Message[] = [];
  readonly pings: string[] = [];
  readonly pongs: string[] = [];
  failure: ProtocolFailure | undefined;
  hasPeerClosed = false;
  /** Called after each message was noted. */
  afterMessage: (() => void) | undefined;

  readonly #parts: Uint8Array[] = [];
  /** The longest part of a message that was told. */
  longestPart = 0;

  constructor(
    role: Role,
    limits: Partial<ReceiveLimits> = {},
    compression?: Compression,
    isStreaming = false,
  ) {
    this.core = new Core(role, this, { ...defaultReceiveLimits, ...limits }, compression, isStreaming);
  }

  onMessage(message: Message): void {
    this.messages.push(message);
    this.afterMessage?.();
  }

  /** Puts parts together, so that they can be compared with whole messages. */
  onPart({ isText, isFirst, isLast, bytes }: MessagePart): void {
    if (isFirst !== (this.#parts.length === 0)) throw new Error("a message begins in the middle");
    this.#parts.push(bytes);
    this.longestPart = Math.max(this.longestPart, bytes.length);
    if (isLast) {
      const whole = Buffer.concat(this.#parts.splice(0));
      this.messages.push(isText ? whole.toString() : new Uint8Array(whole));
    }
    this.afterMessage?.();
  }

  onPing(payload: Uint8Array): void {
    this.pings.push(Buffer.from(payload).toString("latin1"));
  }

  onPong(payload: Uint8Array): void {
    this.pongs.push(Buffer.from(payload).toString("latin1"));
  }

  onPeerClose(): void {
    this.hasPeerClosed = true;
  }

  onFailure(failure: ProtocolFailure): void {
    this.failure = failure;
  }

  /** Feeds bytes in portions of `portion` bytes. */
  feed(bytes: Uint8Array, portion = bytes.length, isLent = false): this {
    for (let at = 0; at < bytes.length; at += Math.max(1, portion)) {
      this.core.receive(Buffer.from(bytes.subarray(at, at + Math.max(1, portion))), isLent);
    }
    return this;
  }

  /** All bytes that wait to be written. */
  written(): Buffer {
    if (this.core.outbox.length === 0) return Buffer.alloc(0);
    const pieces = this.core.outbox.take();
    const bytes = Buffer.concat(Array.isArray(pieces) ? pieces : [pieces]);
    this.core.outbox.taken(true, true);
    return bytes;
  }
}

/** The other role: whose frames `role` receives. */
export function peerOf(role: Role): Role {
  return role === "server" ? "client" : "server";
}

/** A frame as `sender` would send it, with any first byte. */
export function frameFrom(sender: Role, firstByte: number, payload: Uint8Array | string = ""): Buffer {
  return buildFrame(firstByte, payload, sender === "client" ? 0x4d3c2b1a : undefined);
}

/** Bytes from hexadecimal text with spaces. */
export function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(" ", ""), "hex");
}
