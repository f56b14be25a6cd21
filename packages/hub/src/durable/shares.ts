import { ProtocolError } from "@zocalo/protocol";
import { checksum, hashOf } from "./row.ts";
import type { StoreFile } from "./store-file.ts";

/** How much of each bound one address may take. */
const SHARE = 0.25;
/**
 * What an entry takes in the file beside its texts, and a key and a channel beside their names, which stand
 * there twice.
 */
const ENTRY_OVERHEAD = 64;
const KEY_OVERHEAD = 96;
const CHANNEL_OVERHEAD = 192;
/**
 * Of a row that is longer only a part, 489 bytes to so many, stands in a page with others; the rest takes
 * pages of its own, each with so much of it (https://www.sqlite.org/fileformat2.html, B-tree Pages).
 */
const SHARED_BYTES = 1_002;
/** How much of the pages that rows share is filled, where many channels are written to in turn. */
const FILLED = 0.75;
const PAGE_BYTES = 4_096;
const OVERFLOW_BYTES = PAGE_BYTES - 4;
/** Shares that are known without asking the file. */
const KNOWN_SHARES = 10_000;

/** What one address holds. */
interface Share {
  readonly id: number;
  bytes: number;
  channels: number;
  keys: number;
}

/** What an address is about to hold besides. */
interface Addition {
  readonly texts: readonly (string | Uint8Array)[] | undefined;
  readonly key: string | undefined;
  readonly channel: string | undefined;
}

/** Of what there may be in all. */
export interface ShareBounds {
  readonly maxBytes: number;
  readonly maxChannels: number;
  readonly maxKeysPerChannel: number;
}

/**
 * What each address holds of a store, so that none takes all of it. In the file an address is a hash, and its
 * share is removed when it holds nothing.
 */
export class Shares {
  readonly #file: StoreFile;
  readonly #most: { readonly bytes: number; readonly channels: number; readonly keys: number };
  readonly #known = new Map<number, Share>();
  /** Those that are not in the file as they are. */
  readonly #changed = new Set<Share>();
  readonly #ids = new Map<string, number>();

  constructor(file: StoreFile, { maxBytes, maxChannels, maxKeysPerChannel }: ShareBounds) {
    const part = (whole: number): number => Math.max(1, Math.floor(whole * SHARE));
    this.#file = file;
    this.#most = { bytes: part(maxBytes), channels: part(maxChannels), keys: part(maxKeysPerChannel) };
  }

  /** Who holds what comes from this address; 0: nobody who has a share. */
  holderOf(address: string | undefined): number {
    if (address === undefined) return 0;
    let id = this.#ids.get(address);
    if (id === undefined) {
      if (this.#ids.size >= KNOWN_SHARES) this.#ids.clear();
      // With the name of the store, so that two stores do not show that they know the same address.
      id = hashOf(`${this.#file.identity.name} ${address}`) || 1;
      this.#ids.set(address, id);
    }
    return id;
  }

  /**
   * @param more what will be added: the texts of an entry, a key, the name of a channel
   * @throws ProtocolError `limit_reached` if it holds as much as it may
   */
  checkRoom(holder: number, { texts, key, channel }: Addition): void {
    if (holder === 0) return;
    const share = this.#share(holder);
    const ofEntry = texts === undefined ? 0 : entryBytes(lengthOf(texts));
    const ofKey = key === undefined ? 0 : keyBytes(key);
    const ofChannel = channel === undefined ? 0 : channelBytes(channel);
    if (share.bytes + ofEntry + ofKey + ofChannel > this.#most.bytes) {
      throw new ProtocolError(
        "limit_reached",
        `this server keeps at most ${this.#most.bytes} bytes of what one address published`,
      );
    }
    if (key !== undefined && share.keys >= this.#most.keys) {
      throw new ProtocolError(
        "limit_reached",
        `this server knows at most ${this.#most.keys} keys of one address; publish later, or without a key`,
      );
    }
  }

  /** True if it may begin no further channel. */
  hasAllChannels(holder: number): boolean {
    return holder !== 0 && this.#share(holder).channels >= this.#most.channels;
  }

  get maxChannels(): number {
    return this.#most.channels;
  }

  /** Counts an entry whose texts have so many bytes together; -1: it is gone. */
  countEntry(holder: number, bytes: number, more: 1 | -1): void {
    this.#count(holder, (share) => (share.bytes += more * entryBytes(bytes)));
  }

  /** Nobody holds these entries of a channel any more. */
  countOut(channel: number, from: number, to: number): void {
    const held = this.#file
      .sql(
        `SELECT holder, octet_length(data) + ifnull(octet_length(info), 0) + octet_length(user) AS bytes,
           count(*) AS entries
         FROM log WHERE channel = ? AND offset BETWEEN ? AND ? AND holder <> 0 GROUP BY 1, 2`,
      )
      .all(channel, from, to);
    for (const { holder, bytes, entries } of held) {
      const gone = Number(entries) * entryBytes(Number(bytes));
      this.#count(Number(holder), (share) => (share.bytes -= gone));
    }
  }

  countChannel(holder: number, name: string, more: 1 | -1): void {
    this.#count(holder, (share) => {
      share.channels += more;
      share.bytes += more * channelBytes(name);
    });
  }

  countKey(holder: number, key: string, more: 1 | -1): void {
    this.#count(holder, (share) => {
      share.keys += more;
      share.bytes += more * keyBytes(key);
    });
  }

  /** True if `save` has something to do. */
  get areChanged(): boolean {
    return this.#changed.size > 0;
  }

  /** Writes down what has changed, within the transaction. */
  save(): void {
    for (const share of this.#changed) {
      const row = [share.id, share.bytes, share.channels, share.keys] as const;
      if (share.bytes === 0 && share.channels === 0 && share.keys === 0) {
        this.#file.sql("DELETE FROM share WHERE id = ?").run(share.id);
      } else {
        this.#file.sql("INSERT OR REPLACE INTO share VALUES (?, ?, ?, ?, ?)").run(...row, checksum(...row));
      }
    }
    this.#changed.clear();
  }

  /** The transaction is over. */
  committed(): void {
    if (this.#known.size > KNOWN_SHARES) this.#known.clear();
  }

  /** The transaction was undone. */
  forgetChanges(): void {
    this.#known.clear();
    this.#changed.clear();
  }

  #count(holder: number, change: (share: Share) => void): void {
    if (holder === 0) return;
    const share = this.#share(holder);
    change(share);
    this.#changed.add(share);
    // After damage something may have been counted out that never was counted in.
    share.bytes = Math.max(0, share.bytes);
    share.channels = Math.max(0, share.channels);
    share.keys = Math.max(0, share.keys);
  }

  #share(id: number): Share {
    const known = this.#known.get(id);
    if (known) return known;
    const row = this.#file.sql("SELECT id, bytes, channels, keys, crc FROM share WHERE id = ?").get(id);
    const { crc, ...fields } = row ?? { crc: 0 };
    const [, bytes, channels, keys] = Object.values(fields).map(Number);
    // One that was changed on disk begins at nothing: nobody loses a publication for its sake.
    const isSound = row !== undefined && crc === checksum(...Object.values(fields));
    const share = isSound
      ? { id, bytes: bytes ?? 0, channels: channels ?? 0, keys: keys ?? 0 }
      : { id, bytes: 0, channels: 0, keys: 0 };
    this.#known.set(id, share);
    return share;
  }
}

function lengthOf(texts: readonly (string | Uint8Array)[]): number {
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}

/** What an entry takes in the file whose texts have so many bytes together. */
function entryBytes(bytes: number): number {
  const row = bytes + ENTRY_OVERHEAD;
  if (row <= SHARED_BYTES) return Math.ceil(row / FILLED);
  return SHARED_BYTES + Math.ceil((row - SHARED_BYTES) / OVERFLOW_BYTES) * PAGE_BYTES;
}

function channelBytes(name: string): number {
  return 2 * Buffer.byteLength(name) + CHANNEL_OVERHEAD;
}

function keyBytes(key: string): number {
  return 2 * Buffer.byteLength(key) + KEY_OVERHEAD;
}
