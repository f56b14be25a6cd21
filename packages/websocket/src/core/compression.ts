import type { Encoding, Message } from "@zocalo/net";
import { buildFrame, FIN, OPCODE, RSV1, type Role } from "./frame.ts";
import { Deflater, type InflateFault, Inflater } from "../node/sync-zlib.ts";

/** What both sides agreed on (RFC 7692 §7.1). */
export interface DeflateParameters {
  readonly serverNoContextTakeover: boolean;
  readonly clientNoContextTakeover: boolean;
  /** 8 to 15. */
  readonly serverMaxWindowBits: number;
  /** 8 to 15. */
  readonly clientMaxWindowBits: number;
}

/** How to compress. */
export interface DeflateSettings {
  /** Shorter messages are sent as they are, in bytes. */
  readonly thresholdBytes: number;
  /** 1 (fast) to 9 (small). */
  readonly level: number;
  /** 1 to 9: memory of a compressor is 2^(memLevel + 9) bytes and its window. */
  readonly memLevel: number;
}

/**
 * Messages longer than this are sent as they are: compressing works at once, and must not hold up everybody
 * else. In bytes.
 */
const MAX_COMPRESSED_BYTES = 1_048_576;

/** Texts of up to this many characters are encoded in memory that is there. */
const ENCODED_CHARS = 16_384;
const encoded = Buffer.allocUnsafeSlow(ENCODED_CHARS * 3);
/** Inflating takes 1 to 3 ms for each MiB: so much, and one step, is done in a turn. In bytes. */
const TURN_BYTES = 1_048_576;

/** Decompressors for messages in parts that are kept for the next one, for each window: 320 kB. */
const MAX_IDLE_INFLATERS = 8;

/**
 * permessage-deflate (RFC 7692) of one connection. Without context takeover it has no memory of its own: all
 * connections with the same parameters share one compressor and one decompressor.
 */
export class Compression {
  readonly #role: Role;
  readonly #settings: DeflateSettings;
  readonly #sendBits: number;
  readonly #sendKeepsContext: boolean;
  readonly #receiveBits: number;
  readonly #receiveKeepsContext: boolean;
  #deflater: Deflater | undefined;
  #inflater: Inflater | undefined;
  /**
   * For a message that is inflated in parts, while it lasts: messages of other connections come in between.
   */
  #partInflater: Inflater | undefined;
  /** Inflated since `hasDoneEnough` was true, in bytes. */
  #inflatedBytes = 0;

  constructor(role: Role, parameters: DeflateParameters, settings: DeflateSettings) {
    const isServer = role === "server";
    this.#role = role;
    this.#settings = settings;
    this.#sendBits = isServer ? parameters.serverMaxWindowBits : parameters.clientMaxWindowBits;
    this.#receiveBits = isServer ? parameters.clientMaxWindowBits : parameters.serverMaxWindowBits;
    this.#sendKeepsContext = !(isServer
      ? parameters.serverNoContextTakeover
      : parameters.clientNoContextTakeover);
    this.#receiveKeepsContext = !(isServer
      ? parameters.clientNoContextTakeover
      : parameters.serverNoContextTakeover);
  }

  /** True if a message of `length` bytes is neither too short nor too long to be compressed. */
  isWorthwhile(length: number): boolean {
    return length >= this.#settings.thresholdBytes && length <= MAX_COMPRESSED_BYTES;
  }

  /**
   * Compresses a message, if that is worth it.
   *
   * @returns bytes that are lent until the next use of any compression, or `undefined`: send it as it is.
   */
  compress(message: Message): Buffer | undefined {
    let payload: Uint8Array;
    let { length } = message;
    if (typeof message !== "string") payload = message;
    else if (length > ENCODED_CHARS) {
      payload = Buffer.from(message);
      ({ length } = payload);
    } else {
      payload = encoded;
      length = encoded.write(message);
    }
    if (!this.isWorthwhile(length)) return undefined;
    this.#deflater ??= this.#makeDeflater();
    const compressed = this.#deflater.deflate(payload, length);
    // With a context the peer must see what has entered it.
    return compressed.length < length || this.#sendKeepsContext ? compressed : undefined;
  }

  /**
   * Decompresses a message; if it is longer than `limit`, its first `limit` + 1 bytes. They are lent until
   * the next use of any compression.
   */
  decompress(payload: Uint8Array, limit: number): Buffer | InflateFault {
    this.#inflater ??= this.#makeInflater();
    const inflated = this.#inflater.inflate(payload, limit);
    if (typeof inflated !== "string") this.#inflatedBytes += inflated.length;
    return inflated;
  }

  /**
   * Decompresses a part of a message. From its first part to its last, a message without context takeover has
   * a decompressor of its own, of some 40 kB. The bytes are lent until the next use of any compression.
   *
   * @param limit for what comes out of this part, in bytes: of more than that, one byte more is given.
   */
  decompressPart(part: Uint8Array, isFirst: boolean, isLast: boolean, limit: number): Buffer | InflateFault {
    const inflater = (this.#partInflater ??= this.#inflaterForParts());
    if (isFirst) inflater.begin();
    const inflated = inflater.inflatePart(part, limit, isLast);
    if (typeof inflated !== "string") this.#inflatedBytes += inflated.length;
    if (isLast || typeof inflated === "string" || inflated.length > limit) this.endParts();
    return inflated;
  }

  /** The message that was begun by `decompressPart` is over, or will not go on. */
  endParts(): void {
    const inflater = this.#partInflater;
    this.#partInflater = undefined;
    if (inflater === undefined || this.#receiveKeepsContext) return;
    const idle = shared(idleInflaters, this.#receiveBits, () => []);
    if (idle.length < MAX_IDLE_INFLATERS) idle.push(inflater);
    else inflater.close();
  }

  /** True once for each MiB that was inflated: time to let others have their turn. */
  hasDoneEnough(): boolean {
    if (this.#inflatedBytes < TURN_BYTES) return false;
    this.#inflatedBytes = 0;
    return true;
  }

  /**
   * How a message is framed for this connection and all others with the same parameters, if it is the same
   * for all.
   */
  get encoding(): Encoding | undefined {
    if (this.#sendKeepsContext || this.#role === "client") return undefined;
    const { thresholdBytes, level, memLevel } = this.#settings;
    const name = `${this.#sendBits} ${level} ${memLevel} ${thresholdBytes}`;
    let encoding = encodings.get(name);
    if (encoding === undefined) {
      encoding = { encode: (message) => this.#frame(message) };
      encodings.set(name, encoding);
    }
    return encoding;
  }

  /** Gives back what only this connection has used. */
  close(): void {
    if (this.#sendKeepsContext) this.#deflater?.close();
    this.endParts();
    if (this.#receiveKeepsContext) this.#inflater?.close();
    this.#deflater = undefined;
    this.#inflater = undefined;
  }

  #frame(message: Message): Uint8Array {
    const first = FIN | (typeof message === "string" ? OPCODE.text : OPCODE.binary);
    const compressed = this.compress(message);
    return compressed === undefined ? buildFrame(first, message) : buildFrame(first | RSV1, compressed);
  }

  #makeDeflater(): Deflater {
    const { level, memLevel } = this.#settings;
    if (this.#sendKeepsContext) return new Deflater(this.#sendBits, level, memLevel, true);
    const name = `${this.#sendBits} ${level} ${memLevel}`;
    return shared(deflaters, name, () => new Deflater(this.#sendBits, level, memLevel, false));
  }

  #inflaterForParts(): Inflater {
    if (this.#receiveKeepsContext) return (this.#inflater ??= this.#makeInflater());
    return idleInflaters.get(this.#receiveBits)?.pop() ?? new Inflater(this.#receiveBits, false);
  }

  #makeInflater(): Inflater {
    if (this.#receiveKeepsContext) return new Inflater(this.#receiveBits, true);
    return shared(inflaters, this.#receiveBits, () => new Inflater(this.#receiveBits, false));
  }
}

// As many as there are different parameters: at most 8 windows, times what the application configures.
const deflaters = new Map<string, Deflater>();
const inflaters = new Map<number, Inflater>();
const encodings = new Map<string, Encoding>();
/** For messages in parts, by window. */
const idleInflaters = new Map<number, Inflater[]>();

function shared<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
