import {
  type CipherGCM,
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  type DecipherGCM,
  type KeyObject,
} from "node:crypto";
import { ReplayWindow } from "./replay-window.ts";

/*
 * Datagrams that only two can read or write, without I/O. One is, byte by byte:
 *
 *   0        kind: 1 a message, 2 a ping, 3 a pong
 *   1 … 8    id of the lane, which the server drew
 *   9 … 11   the low 24 bits of the counter, big-endian
 *   12 …     what is said, enciphered
 *   last 16  the tag
 *
 * AES-256-GCM (NIST SP 800-38D). Each direction has a key of its own and a counter that begins with 0 and is
 * never used twice. The nonce is the kind, three zero bytes and the counter as 64 bits, big-endian: so a
 * changed kind or counter does not open, and a changed id is another lane's, with another key. There is no
 * further data. `docs/decisions/0023-sealed-datagrams.md` says why, and `seal.test.ts` has an example.
 */

/** What a datagram is for. */
export const Kind = { message: 1, ping: 2, pong: 3 } as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

/** Bytes of a lane's id. */
export const ID_BYTES = 8;
/** Bytes of a key. */
export const KEY_BYTES = 32;
const HEADER_BYTES = 1 + ID_BYTES + 3;
const TAG_BYTES = 16;
/** By how much a datagram is longer than what it says. */
export const SEAL_BYTES = HEADER_BYTES + TAG_BYTES;

/** Longest content of one datagram, in bytes: what UDP carries, less the seal. */
export const MAX_CONTENT_BYTES = 65_507 - SEAL_BYTES;

/**
 * Datagrams that one key may seal (RFC 9001, B.1.1: of at most 2^11 bytes; 51 days at 60 a second). Then the
 * lane is at its end.
 */
export const MAX_DATAGRAMS = 2 ** 28;

const ALGORITHM = "aes-256-gcm";
const OPTIONS = { authTagLength: TAG_BYTES } as const;

/** Why a datagram was dropped. */
export type Fault = "truncated" | "malformed" | "old" | "replayed" | "excess" | "forged";

/** What was in a datagram. */
export interface Opened {
  readonly kind: Kind;
  readonly counter: number;
  /** The receiver's own. */
  readonly bytes: Uint8Array;
}

/** Datagrams are made here, one at a time: each is lent until the next, of whichever lane, is sealed. */
let scratch = Buffer.alloc(2_048);

/** Seals what one side sends. Hot path (bench: lanes). */
export class Sealer {
  readonly #id: Uint8Array;
  readonly #key: KeyObject;
  readonly #nonce = Buffer.alloc(12);
  #counter: number;

  /**
   * @param id `ID_BYTES` of them
   * @param key `KEY_BYTES` of them; never given to a second sealer
   * @param counter of the first datagram; for tests
   */
  constructor(id: Uint8Array, key: Uint8Array, counter = 0) {
    this.#id = Uint8Array.from(id);
    this.#key = createSecretKey(key);
    this.#counter = counter;
  }

  /** True if the key has sealed all that it may. */
  get isExhausted(): boolean {
    return this.#counter >= MAX_DATAGRAMS;
  }

  /**
   * One datagram. It is lent until the next is sealed; `undefined` if the key is exhausted. At most
   * `MAX_CONTENT_BYTES`.
   */
  seal(kind: Kind, bytes: Uint8Array): Uint8Array | undefined {
    const counter = this.#counter;
    if (counter >= MAX_DATAGRAMS) return undefined;
    // Before anything that could throw: a counter that was begun is used up.
    this.#counter = counter + 1;
    const nonce = this.#nonce;
    nonce[0] = kind;
    nonce.writeUInt32BE(counter, 8);
    const cipher: CipherGCM = createCipheriv(ALGORITHM, this.#key, nonce, OPTIONS);
    const length = bytes.length + SEAL_BYTES;
    if (scratch.length < length) scratch = Buffer.alloc(length);
    const datagram = scratch;
    datagram[0] = kind;
    datagram.set(this.#id, 1);
    datagram.writeUIntBE(counter & 0xff_ffff, 1 + ID_BYTES, 3);
    datagram.set(cipher.update(bytes), HEADER_BYTES);
    cipher.final();
    datagram.set(cipher.getAuthTag(), length - TAG_BYTES);
    return datagram.subarray(0, length);
  }
}

/** Opens what the other side sealed, each datagram once. Hot path (bench: lanes). */
export class Opener {
  readonly #key: KeyObject;
  readonly #nonce = Buffer.alloc(12);
  readonly #window = new ReplayWindow();
  readonly #mayDecipher: () => boolean;

  /** @param mayDecipher is asked before each datagram that has to be deciphered; false makes it `excess` */
  constructor(key: Uint8Array, mayDecipher: () => boolean = () => true) {
    this.#key = createSecretKey(key);
    this.#mayDecipher = mayDecipher;
  }

  /** The newest counter that was opened; -1 before the first. */
  get newest(): number {
    return this.#window.newest;
  }

  /**
   * What is in a datagram whose id is the lane's, or why it was dropped. What was dropped has changed
   * nothing.
   */
  open(datagram: Uint8Array): Opened | Fault {
    if (datagram.length < SEAL_BYTES) return "truncated";
    const kind = datagram[0];
    if (kind !== Kind.message && kind !== Kind.ping && kind !== Kind.pong) return "malformed";
    const low =
      ((datagram[1 + ID_BYTES] ?? 0) << 16) |
      ((datagram[2 + ID_BYTES] ?? 0) << 8) |
      (datagram[3 + ID_BYTES] ?? 0);
    const counter = nearest(low, this.#window.newest + 1);
    // No sealer of ours goes so far, and bits of a 32-bit integer would be another counter's.
    if (counter >= MAX_DATAGRAMS) return "malformed";
    const verdict = this.#window.verdict(counter);
    if (verdict !== "new") return verdict;
    if (!this.#mayDecipher()) return "excess";
    const bytes = this.#decipher(kind, counter, datagram);
    if (bytes === undefined) return "forged";
    this.#window.accept(counter);
    return { kind, counter, bytes };
  }

  #decipher(kind: Kind, counter: number, datagram: Uint8Array): Uint8Array | undefined {
    const nonce = this.#nonce;
    nonce[0] = kind;
    nonce.writeUInt32BE(counter, 8);
    const decipher: DecipherGCM = createDecipheriv(ALGORITHM, this.#key, nonce, OPTIONS);
    const end = datagram.length - TAG_BYTES;
    decipher.setAuthTag(datagram.subarray(end));
    const bytes = decipher.update(datagram.subarray(HEADER_BYTES, end));
    try {
      decipher.final(); // Compares the tags in constant time, as OpenSSL does.
    } catch {
      return undefined; // The caller counts it as forged.
    }
    return bytes;
  }
}

/** The id in a datagram as text, to find its lane by; `undefined` if there is none. */
export function idOf(datagram: Uint8Array): string | undefined {
  if (datagram.length < SEAL_BYTES) return undefined;
  let id = "";
  for (let at = 1; at <= ID_BYTES; at++) id += String.fromCharCode(datagram[at] ?? 0);
  return id;
}

/** An id as `idOf` has it. */
export function idText(id: Uint8Array): string {
  return String.fromCharCode(...id);
}

/** The counter with these low 24 bits that lies nearest to the one that is expected (RFC 9000, A.3). */
export function nearest(low: number, expected: number): number {
  const span = 0x100_0000;
  const candidate = expected - (expected % span) + low;
  if (candidate + span / 2 <= expected) return candidate + span;
  if (candidate - span / 2 > expected && candidate >= span) return candidate - span;
  return candidate;
}
