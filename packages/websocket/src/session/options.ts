import { defaultInboxLimits, type InboxLimits, shown } from "@zocalo/net/transport";
import { defaultReceiveLimits, type ReceiveLimits } from "../core/message-body.ts";
import { WebSocketNetError } from "../core/error.ts";

/**
 * What every connection can be told, whichever side began it. `Infinity` is no limit and no end of a time; 0
 * is refused.
 */
export interface ConnOptions {
  /**
   * Largest message that is received, in bytes. Default 1,048,576. A larger one closes with 1009; raise it
   * only as far as memory allows, for each connection can hold one.
   */
  readonly maxMessageBytes?: number | undefined;
  /**
   * Largest payload of one received data frame, in bytes. Default `Infinity`: only `maxMessageBytes` counts.
   */
  readonly maxFrameBytes?: number | undefined;
  /** Most frames that one received message may come in. Default 131,072. */
  readonly maxFragments?: number | undefined;
  /**
   * `"whole"`, or `"stream"`: each message is received while it arrives, by `receiveStream` alone. Nothing is
   * put together, so that `maxMessageBytes` and `maxFragments` have no limit unless they are given. Default
   * `"whole"`.
   */
  readonly messages?: "whole" | "stream" | undefined;
  /**
   * Bytes of received messages that wait for the application before the peer is held back. Default 65,536.
   */
  readonly receiveHighWaterBytes?: number | undefined;
  /** Received messages that wait for the application before the peer is held back. Default 128. */
  readonly receiveHighWaterMessages?: number | undefined;
  /** Bytes that may wait to be sent before `send` waits and `trySend` answers `buffered`. Default 65,536. */
  readonly sendHighWaterBytes?: number | undefined;
  /**
   * Past `sendHighWaterBytes`, messages are accepted while no more than this many bytes would wait; then
   * `trySend` refuses, and `send` holds its message back. Default 1,048,576.
   */
  readonly sendLimitBytes?: number | undefined;
  /** Bytes waiting to be sent from which on only the newest ping is answered. Default 16,384. */
  readonly controlBacklogBytes?: number | undefined;
  /**
   * Silence of the peer after which it is pinged, in milliseconds. Default 20,000; `Infinity` switches
   * keepalive off, and then a peer that vanished is never missed.
   */
  readonly pingIntervalMs?: number | undefined;
  /**
   * How long a pinged peer may stay silent and take nothing of what it is sent, in milliseconds. Default
   * 20,000. Where acknowledgements cannot be seen (not on Linux), what the system's send buffer holds must
   * pass in that time.
   */
  readonly pongTimeoutMs?: number | undefined;
  /**
   * How long a peer may take nothing of what waits to be sent to it, in milliseconds, even if it sends
   * itself. Then the connection ends with `timeout`, at most two quarters of the time later. Default 60,000;
   * `Infinity` waits for ever, and what waits is kept for ever. A peer whose application stops reading for
   * longer is cut, too.
   */
  readonly writeTimeoutMs?: number | undefined;
  /**
   * How long a message may take from its first byte to its last, in milliseconds, not counting the time in
   * which the application takes nothing. Then the connection is closed with 1008 and ends with `timeout`, at
   * most two quarters of the time later. Without it a peer may send a byte now and then for ever. Default
   * 300,000: a megabyte at 4 kB/s passes. Raise it with `maxMessageBytes`. `Infinity` waits for ever, and is
   * the default with `messages: "stream"`.
   */
  readonly messageTimeoutMs?: number | undefined;
  /**
   * How long `close` waits for the peer, and for the end of the TCP connection, in milliseconds. Default
   * 5,000.
   */
  readonly closeTimeoutMs?: number | undefined;
}

/**
 * Every name of `ConnOptions`. A misspelt option would be a limit or a door left open, and TypeScript sees it
 * in literals only.
 */
export const connOptionNames: Readonly<Record<keyof ConnOptions, 1>> = {
  maxMessageBytes: 1,
  maxFrameBytes: 1,
  maxFragments: 1,
  messages: 1,
  receiveHighWaterBytes: 1,
  receiveHighWaterMessages: 1,
  sendHighWaterBytes: 1,
  sendLimitBytes: 1,
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
  maxMessageBytes: Number.POSITIVE_INFINITY,
  maxFragments: Number.POSITIVE_INFINITY,
};

/** `ConnOptions`, complete and checked; one object for all connections of an upgrader. */
export interface ConnSettings {
  readonly receive: ReceiveLimits;
  /** Messages are told in parts. */
  readonly isStreaming: boolean;
  readonly inbox: Required<InboxLimits>;
  readonly sendHighWaterBytes: number;
  readonly sendLimitBytes: number;
  readonly controlBacklogBytes: number;
  readonly pingIntervalMs: number;
  readonly pongTimeoutMs: number;
  readonly writeTimeoutMs: number;
  readonly messageTimeoutMs: number;
  readonly closeTimeoutMs: number;
}

/** How long a handshake may take, in milliseconds, where `handshakeTimeoutMs` is left out. */
export const DEFAULT_HANDSHAKE_TIMEOUT_MS = 10_000;

/**
 * Completes options with their defaults.
 *
 * @throws WebSocketNetError `invalid_argument`, naming the option, its value and what is allowed.
 */
export function connSettings(options: ConnOptions): ConnSettings {
  const { messages = "whole" } = options;
  if (messages !== "whole" && messages !== "stream") {
    const message = `messages ${shown(messages)} is neither "whole" nor "stream"`;
    throw new WebSocketNetError("invalid_argument", message);
  }
  const isStreaming = messages === "stream";
  const limits = isStreaming ? streamLimits : defaultReceiveLimits;
  return {
    isStreaming,
    receive: {
      maxMessageBytes: limit("maxMessageBytes", options.maxMessageBytes, limits.maxMessageBytes),
      maxFrameBytes: limit("maxFrameBytes", options.maxFrameBytes, limits.maxFrameBytes),
      maxFragments: limit("maxFragments", options.maxFragments, limits.maxFragments),
    },
    inbox: {
      receiveHighWaterBytes: limit(
        "receiveHighWaterBytes",
        options.receiveHighWaterBytes,
        defaultInboxLimits.receiveHighWaterBytes,
      ),
      receiveHighWaterMessages: limit(
        "receiveHighWaterMessages",
        options.receiveHighWaterMessages,
        defaultInboxLimits.receiveHighWaterMessages,
      ),
    },
    sendHighWaterBytes: limit("sendHighWaterBytes", options.sendHighWaterBytes, 65_536),
    sendLimitBytes: limit("sendLimitBytes", options.sendLimitBytes, 1_048_576),
    controlBacklogBytes: limit("controlBacklogBytes", options.controlBacklogBytes, 16_384),
    pingIntervalMs: time("pingIntervalMs", options.pingIntervalMs, 20_000),
    pongTimeoutMs: time("pongTimeoutMs", options.pongTimeoutMs, 20_000),
    writeTimeoutMs: time("writeTimeoutMs", options.writeTimeoutMs, 60_000),
    messageTimeoutMs: time(
      "messageTimeoutMs",
      options.messageTimeoutMs,
      isStreaming ? Number.POSITIVE_INFINITY : 300_000,
    ),
    closeTimeoutMs: time("closeTimeoutMs", options.closeTimeoutMs, 5_000),
  };
}

/**
 * `handshakeTimeoutMs` of a listener, an upgrader or a dial, or its default.
 *
 * @throws WebSocketNetError `invalid_argument`.
 */
export function handshakeTimeout(value: number | undefined): number {
  return time("handshakeTimeoutMs", value, DEFAULT_HANDSHAKE_TIMEOUT_MS);
}

/**
 * How many there may be: a whole number of at least `least`, or `Infinity`.
 *
 * @throws WebSocketNetError `invalid_argument`.
 */
export function limit(name: string, value: number | undefined, fallback: number, least = 1): number {
  if (value === undefined) return fallback;
  if (value === Number.POSITIVE_INFINITY || (Number.isSafeInteger(value) && value >= least)) return value;
  throw wrong(name, value, `a whole number of at least ${least}, nor Infinity`);
}

/**
 * How long it may take: milliseconds above 0, or `Infinity`.
 *
 * @throws WebSocketNetError `invalid_argument`.
 */
function time(name: string, value: number | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  if (typeof value === "number" && value > 0) return value;
  throw wrong(name, value, "a number of milliseconds above 0, nor Infinity");
}

/** A number of a range that somebody else has set. @throws WebSocketNetError `invalid_argument`. */
export function wholeNumber(
  name: string,
  value: number | undefined,
  fallback: number,
  least: number,
  most: number,
): number {
  if (value === undefined) return fallback;
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw wrong(name, value, `a whole number from ${least} to ${most}`);
}

function wrong(name: string, value: unknown, allowed: string): WebSocketNetError {
  return new WebSocketNetError("invalid_argument", `${name} ${shown(value)} is not ${allowed}`);
}
