/** The version of the protocol this package speaks. A server answers any other with `unsupported_version`. */
export const PROTOCOL_VERSION = 1;

/**
 * Limits of the protocol. A server may be configured below some of them, and above only where it says so:
 * what one namespace takes (`dataLength`, `dataBytes`), and with it a command.
 */
export const LIMITS = {
  /**
   * A command, in UTF-8 bytes, where no namespace takes more `data` than by default. See `commandBytesFor`.
   */
  commandBytes: 65_536,
  /** What a datagram holds over IPv4. */
  datagramBytes: 65_507,
  /** The JSON text of a publication's `data`, in UTF-16 code units, where the namespace does not say. */
  dataLength: 49_152,
  /** The same of bytes: in base64 they are as long. */
  dataBytes: 36_864,
  /** Either, where the namespace takes most. */
  largestDataLength: 1_048_576,
  /** How deep arrays and objects may nest in `data` and `info`. */
  depth: 64,
  /** The name of a channel or method, in characters. */
  channelLength: 128,
  /** An idempotency key, or the key of a cast, in characters. */
  keyLength: 64,
  /** A token, in characters. */
  tokenLength: 8_192,
  /** The name of a session, in characters. */
  sessionLength: 64,
  /** The JSON text of `info`, in UTF-16 code units. */
  infoLength: 1_024,
  /** An epoch, in characters. */
  epochLength: 64,
  /** Publications asked for at once, by `last` or by a history page. */
  publications: 1_000,
  /** Users asked for at once, by a page of presence. */
  users: 1_000,
} as const;

/**
 * The largest command, in UTF-8 bytes, of a server whose namespaces take this much `data`: 16,384 bytes more,
 * and at least 65,536.
 *
 * @example commandBytesFor(1_048_576) // 1_064_960
 */
export function commandBytesFor(dataLength: number): number {
  return LIMITS.commandBytes + Math.max(0, dataLength - LIMITS.dataLength);
}

const CHANNEL = /^[A-Za-z0-9_-]+(?::[A-Za-z0-9_.~@/-]+)*$/;

/**
 * True for a channel name: a namespace, then `:` and more. Letters, digits and `_ . ~ @ / -`, at most 128
 * characters.
 *
 * @example isChannelName("plaza:general") // true
 */
export function isChannelName(text: string): boolean {
  return text.length <= LIMITS.channelLength && CHANNEL.test(text);
}

const METHOD = /^[A-Za-z0-9_.~@/:-]+$/;

/**
 * True for the name of a method: letters, digits and `_ . ~ @ / : -` in any order, at most 128 characters.
 *
 * @example isMethodName("shop.buy") // true
 */
export function isMethodName(text: string): boolean {
  return text.length <= LIMITS.channelLength && METHOD.test(text);
}

/** The namespace of a channel: what stands before the first `:`. */
export function namespaceOf(channel: string): string {
  const colon = channel.indexOf(":");
  return colon < 0 ? channel : channel.slice(0, colon);
}
