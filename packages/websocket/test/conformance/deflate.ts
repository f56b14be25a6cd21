// permessage-deflate (RFC 7692) by Node's documented, stateless zlib calls: what a message may refer to is
// handed over as a dictionary.
import { constants, deflateRawSync, inflateRawSync } from "node:zlib";
import { farthestReference } from "./deflate-blocks.ts";
import { Violation } from "./wire.ts";

/** What both sides agreed on. */
export interface Agreed {
  readonly serverNoContextTakeover: boolean;
  readonly clientNoContextTakeover: boolean;
  readonly serverMaxWindowBits: number;
  readonly clientMaxWindowBits: number;
}

const TAIL = Buffer.from([0, 0, 0xff, 0xff]);
/**
 * References are followed bit by bit, which is slow: only in messages of so many compressed bytes, the first
 * ones and then one in so many.
 */
const FOLLOWED_BYTES = 40_000;
const FOLLOWED_MESSAGES = 16;
const FOLLOWED_EACH = 64;

/** One direction of one connection. */
export class Direction {
  readonly #bits: number;
  readonly #keepsContext: boolean;
  #history: Buffer = Buffer.alloc(0);
  #messages = 0;

  constructor(bits: number, keepsContext: boolean) {
    this.#bits = bits;
    this.#keepsContext = keepsContext;
  }

  /** @param level 1 to 9. */
  compress(plain: Uint8Array, level = 6): Buffer {
    const compressed = deflateRawSync(plain, {
      // zlib has no raw window of 8 bits; with 9 it reaches back 250 bytes.
      windowBits: Math.max(9, this.#bits),
      level,
      finishFlush: constants.Z_SYNC_FLUSH,
      ...(this.#history.length > 0 ? { dictionary: this.#history } : {}),
    });
    this.#remember(plain);
    return plain.length === 0 ? Buffer.from([0]) : compressed.subarray(0, compressed.length - TAIL.length);
  }

  /** For what was compressed by other means. */
  sent(plain: Uint8Array): void {
    this.#remember(plain);
  }

  /** @throws Violation for a message that is corrupt or reaches back further than was agreed on. */
  decompress(compressed: Buffer): Buffer {
    const whole = Buffer.concat([compressed, TAIL]);
    let plain: Buffer;
    try {
      plain = inflateRawSync(whole, {
        windowBits: this.#bits,
        finishFlush: constants.Z_SYNC_FLUSH,
        ...(this.#history.length > 0 ? { dictionary: this.#history } : {}),
      });
    } catch (cause) {
      throw new Violation("a compressed message that cannot be inflated", { cause });
    }
    const count = this.#messages++;
    const isFollowed = count < FOLLOWED_MESSAGES || count % FOLLOWED_EACH === 0;
    if (isFollowed && compressed.length <= FOLLOWED_BYTES) {
      const farthest = farthestReference(whole);
      if (farthest > 2 ** this.#bits)
        throw new Violation(`a reference ${farthest} bytes back through a window of 2^${this.#bits}`);
    }
    this.#remember(plain);
    return plain;
  }

  #remember(plain: Uint8Array): void {
    if (!this.#keepsContext) return;
    const size = 2 ** this.#bits;
    this.#history =
      plain.length >= size
        ? Buffer.from(plain.subarray(plain.length - size))
        : Buffer.concat([
            this.#history.subarray(Math.max(0, this.#history.length + plain.length - size)),
            plain,
          ]);
  }
}

export interface Offer {
  readonly name: string;
  readonly parameters: ReadonlyMap<string, string | true>;
}

/** Parses an extension header; quotes are only taken off. */
export function parseOffers(header: string): Offer[] {
  return header.split(",").map((offer) => {
    const [name = "", ...rest] = offer.split(";").map((part) => part.trim());
    const parameters = new Map<string, string | true>();
    for (const part of rest) {
      const [key = "", value] = part.split("=").map((side) => side.trim());
      if (parameters.has(key)) throw new Violation(`parameter ${key} twice`);
      parameters.set(key, value?.replaceAll('"', "") ?? true);
    }
    return { name, parameters };
  });
}

/** Reads a server's answer. @throws Violation if it is none that RFC 7692 §7.1 knows. */
export function parseAgreed(header: string): Agreed {
  const offers = parseOffers(header);
  const [offer] = offers;
  if (offers.length !== 1 || offer?.name !== "permessage-deflate")
    throw new Violation(`extensions ${JSON.stringify(header)}`);
  const bits = (name: string): number => {
    const value = offer.parameters.get(name);
    if (value === undefined) return 15;
    if (value === true || !/^(?:[89]|1[0-5])$/.test(value)) throw new Violation(`${name} ${value}`);
    return Number(value);
  };
  const flag = (name: string): boolean => {
    const value = offer.parameters.get(name);
    if (value !== undefined && value !== true) throw new Violation(`${name} with a value`);
    return value === true;
  };
  const known = new Set([
    "server_no_context_takeover",
    "client_no_context_takeover",
    "server_max_window_bits",
    "client_max_window_bits",
  ]);
  for (const name of offer.parameters.keys()) if (!known.has(name)) throw new Violation(`parameter ${name}`);
  return {
    serverNoContextTakeover: flag("server_no_context_takeover"),
    clientNoContextTakeover: flag("client_no_context_takeover"),
    serverMaxWindowBits: bits("server_max_window_bits"),
    clientMaxWindowBits: bits("client_max_window_bits"),
  };
}
