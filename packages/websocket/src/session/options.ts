import { shown } from "@zocalo/net/transport";
import { defaultReceiveLimits, type ReceiveLimits } from "../core/receiver.ts";
import { WebSocketError } from "../core/error.ts";

/** What every connection can be told, whichever side began it. */
export interface ConnOptions {
  /** Largest message that is received, in bytes. Default 1,048,576. A larger one closes with 1009; raise it only as far as memory allows, for each connection can hold one. */
  readonly maxMessageBytes?: number | undefined;
  /** Largest payload of one received data frame, in bytes. Default: only `maxMessageBytes` counts. */
  readonly maxFrameBytes?: number | undefined;
  /** Most frames that one received message may come in. Default 131,072. */
  readonly maxFragments?: number | undefined;
  /**
   * `"whole"`, or `"stream"`: each message is received while it arrives, by `receiveStream` alone. Nothing is put together, so that `maxMessageBytes`
   * and `maxFragments` have no limit unless they are given. Default `"whole"`.
   */
  readonly messages?: "whole" | "stream" | undefined;
  /** Received messages that may wait for the application, in bytes, before the peer is held back. Default 65,536. */
  readonly readBufferSize?: number | undefined;
  /** Bytes that may wait to be sent before `send` waits and `trySend` answers `buffered`. Default 65,536. */
  readonly writeBufferSize?: number | undefined;
  /**
   * Past `writeBufferSize`, messages are accepted while no more than this many bytes would wait; then
   * `trySend` refuses, and `send` holds its message back. Default 1,048,576.
   */
  readonly maxBufferedBytes?: number | undefined;
  /** Bytes waiting to be sent from which on only the newest ping is answered. Default 16,384. */
  readonly controlBacklogBytes?: number | undefined;
  /** Silence of the peer after which it is pinged, in milliseconds. Default 20,000; 0 switches keepalive off, and then a peer that vanished is never missed. */
  readonly pingIntervalMs?: number | undefined;
  /**
   * How long a pinged peer may stay silent and take nothing of what it is sent, in milliseconds. Default 20,000. Where acknowledgements cannot be seen (not on Linux), what the
   * system's send buffer holds must pass in that time.
   */
  readonly pongTimeoutMs?: number | undefined;
  /**
   * How long a peer may take nothing of what waits to be sent to it, in milliseconds, even if it sends
   * itself. Then the connection ends with `timeout`, at most two quarters of the time later. Default 60,000;
   * 0 waits for ever, and what waits is kept for ever. A peer whose application stops reading for longer is
   * cut, too.
   */
  readonly writeTimeoutMs?: number | undefined;
  /**
   * How long a message may take from its first byte to its last, in milliseconds, not counting the time in
   * which the application takes nothing. Then the connection is closed with 1008 and ends with `timeout`, at
   * most two quarters of the time later. Without it a peer may send a byte now and then for ever. Default
   * 300,000: a megabyte at 4 kB/s passes. Raise it with `maxMessageBytes`. 0 waits for ever, and is the
   * default with `messages: "stream"`.
   */
  readonly messageTimeoutMs?: number | undefined;
  /** How long `close` waits for the peer, and for the end of the TCP connection, in milliseconds, at most 2^31 - 1. Default 5,000. */
  readonly closeTimeoutMs?: number | undefined;
}

/** Every name of `ConnOptions`. A misspelt option would be a limit or a door left open, and TypeScript sees it in literals only. */
export const connOptionNames: Readonly<Record<keyof ConnOptions, 1>> = {
  maxMessageBytes: 1,
  maxFrameBytes: 1,
  maxFragments: 1,
  messages: 1,
  readBufferSize: 1,
  writeBufferSize: 1,
  maxBufferedBytes: 1,
  controlBacklogBytes: 1,
  pingIntervalMs: 1,
  pongTimeoutMs: 1,
  writeTimeoutMs: 1,
  messageTimeoutMs: 1,
  closeTimeoutMs: 1,
};

/** Where messages are streamed nothing is kept that would need a limit. */
const streamLimits: ReceiveLimits = {
  ...defaultReceiveLimits,
  maxMessageBytes: Number.MAX_SAFE_INTEGER,
  maxFragments: Number.MAX_SAFE_INTEGER,
};

/** `ConnOptions`, complete and checked; one object for all connections of an upgrader. */
export interface ConnSettings {
  readonly receive: ReceiveLimits;
  /** Messages are told in parts. */
  readonly isStreaming: boolean;
  readonly inbox: { readonly highWaterBytes: number };
  readonly writeBufferSize: number;
  readonly maxBufferedBytes: number;
  readonly controlBacklogBytes: number;
  readonly pingIntervalMs: number;
  readonly pongTimeoutMs: number;
  readonly writeTimeoutMs: number;
  readonly messageTimeoutMs: number;
  readonly closeTimeoutMs: number;
}

/** How long a handshake may take, in milliseconds, where `handshakeTimeoutMs` is left out. */
export const DEFAULT_HANDSHAKE_TIMEOUT_MS = 10_000;

/** The longest time that a timer can have, in milliseconds: Node takes a longer one for 1. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Completes options with their defaults.
 *
 * @throws WebSocketError `invalid_argument`, naming the option, its value and what is allowed.
 */
export function connSettings(options: ConnOptions): ConnSettings {
  const { messages = "whole" } = options;
  if (messages !== "whole" && messages !== "stream") {
    const message = `messages ${shown(messages)} is neither "whole" nor "stream"`;
    throw new WebSocketError("invalid_argument", message);
  }
  const isStreaming = messages === "stream";
  const limits = isStreaming ? streamLimits : defaultReceiveLimits;
  return {
    isStreaming,
    receive: {
      maxMessageBytes: wholeNumber("maxMessageBytes", options.maxMessageBytes, limits.maxMessageBytes, 1),
      maxFrameBytes: wholeNumber("maxFrameBytes", options.maxFrameBytes, limits.maxFrameBytes, 1),
      maxFragments: wholeNumber("maxFragments", options.maxFragments, limits.maxFragments, 1),
    },
    inbox: { highWaterBytes: wholeNumber("readBufferSize", options.readBufferSize, 65_536, 1) },
    writeBufferSize: wholeNumber("writeBufferSize", options.writeBufferSize, 65_536, 1),
    maxBufferedBytes: wholeNumber("maxBufferedBytes", options.maxBufferedBytes, 1_048_576, 1),
    controlBacklogBytes: wholeNumber("controlBacklogBytes", options.controlBacklogBytes, 16_384, 1),
    pingIntervalMs: wholeNumber("pingIntervalMs", options.pingIntervalMs, 20_000, 0),
    pongTimeoutMs: wholeNumber("pongTimeoutMs", options.pongTimeoutMs, 20_000, 1),
    writeTimeoutMs: wholeNumber("writeTimeoutMs", options.writeTimeoutMs, 60_000, 0),
    messageTimeoutMs: wholeNumber("messageTimeoutMs", options.messageTimeoutMs, isStreaming ? 0 : 300_000, 0),
    closeTimeoutMs: wholeNumber("closeTimeoutMs", options.closeTimeoutMs, 5_000, 1, MAX_TIMER_MS),
  };
}

/** `handshakeTimeoutMs` of a listener, an upgrader or a dial, or its default. @throws WebSocketError `invalid_argument`. */
export function handshakeTimeout(value: number | undefined): number {
  return wholeNumber("handshakeTimeoutMs", value, DEFAULT_HANDSHAKE_TIMEOUT_MS, 1, MAX_TIMER_MS);
}

/** `value`, or `fallback` if it is left out. @throws WebSocketError `invalid_argument`. */
export function wholeNumber(
  name: string,
  value: number | undefined,
  fallback: number,
  least: number,
  most: number = Number.MAX_SAFE_INTEGER,
): number {
  if (value === undefined) return fallback;
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  const allowed = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  throw new WebSocketError("invalid_argument", `${name} ${shown(value)} is not a whole number ${allowed}`);
}
