/** The version of the protocol this package speaks. A server answers any other with `unsupported_version`. */
export const PROTOCOL_VERSION = 1;

/** Limits of the protocol. A server may be configured below some of them, never above. */
export const LIMITS = {
  /** A command, in UTF-8 bytes. */
  commandBytes: 65_536,
  /** The JSON text of a publication's `data`, in UTF-16 code units. */
  dataLength: 49_152,
  /** How deep arrays and objects may nest in `data` and `info`. */
  depth: 64,
  /** A channel name, in characters. */
  channelLength: 128,
  /** An idempotency key, in characters. */
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

/** The namespace of a channel: what stands before the first `:`. */
export function namespaceOf(channel: string): string {
  const colon = channel.indexOf(":");
  return colon < 0 ? channel : channel.slice(0, colon);
}
