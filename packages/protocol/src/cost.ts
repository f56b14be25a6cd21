/**
 * What counts for how much against the rates that `connected` states, in thousandths of a command such as
 * `ping` (docs/protocol.md, Names and limits). A server counts so, and a client that counts along is not
 * refused.
 */
export const COST = {
  /** Any command, and each full 1,024 characters of one: 3 to 15 µs to check and to keep. */
  command: 1_000,
  /** Each full 1,024 characters of an answer, or of what one is told of a command. */
  kilobyte: 125,
  /** A publication read from the log, for `history` or for a subscription that is behind. */
  publication: 50,
  /** A user read for a page of presence. */
  presentUser: 50,
  /** A token that is to be judged: a signature by RSA takes 30 to 100 µs. */
  token: 10_000,
  /** Handing a publication, or a change of presence, to one who is subscribed. */
  delivery: 50,
} as const;

/** So many characters count together, and fewer for nothing. */
const UNIT = 1_024;

/** What the length of a command, in UTF-16 code units, counts for beside its being one. */
export function costOfReceived(length: number): number {
  return Math.floor(length / UNIT) * COST.command;
}

/** What the length of an answer, or of what one is told, counts for. */
export function costOfLength(length: number): number {
  return Math.floor(length / UNIT) * COST.kilobyte;
}
