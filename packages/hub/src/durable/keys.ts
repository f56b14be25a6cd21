import { ProtocolError } from "@zocalo/protocol";
import type { ChannelLog } from "./channel-log.ts";
import type { Channels } from "./channels.ts";
import { Damage } from "./damage.ts";
import { checksum, toColumn } from "./row.ts";
import type { Shares } from "./shares.ts";
import type { StoreFile } from "./store-file.ts";

/** Keys whose time is over that one step forgets. */
const FORGOTTEN_AT_ONCE = 128;
/** So many are forgotten for each that is remembered: they do not pile up, however fast they come. */
const FORGOTTEN_FOR_EACH = 2;
/** Steps in which room is looked for in a channel that has as many as it may. */
const MAX_STEPS = 8;

/** The publication that a key stands for. */
export interface KnownKey {
  readonly offset: number;
  readonly at: number;
}

/** Idempotency keys: each is known for its time, and none is forgotten before. */
export class Keys {
  readonly #file: StoreFile;
  readonly #channels: Channels;
  readonly #shares: Shares;
  readonly #most: number;
  /** Since `forgetAsMany`. */
  #remembered = 0;

  /** @param most keys of one channel at once */
  constructor(file: StoreFile, channels: Channels, shares: Shares, most: number) {
    this.#file = file;
    this.#channels = channels;
    this.#shares = shares;
    this.#most = most;
  }

  find(log: ChannelLog, key: string, time: number): KnownKey | undefined {
    const text = toColumn(key);
    const row = this.#file
      .sql("SELECT offset, at, expires, holder, crc FROM key WHERE channel = ? AND key = ?")
      .get(log.id, text);
    if (!row) return undefined;
    const [offset, at, expires, holder, crc] = Object.values(row) as [number, number, number, number, number];
    if (crc !== keyChecksum(log.id, text, offset, at, expires, holder)) {
      throw new Damage(`the key of entry ${offset} was changed`, log);
    }
    if (expires > time) return { offset, at };
    this.#forget(log.id, text, holder);
    return undefined;
  }

  /** @throws ProtocolError `limit_reached` if one more cannot be remembered */
  checkRoom(log: ChannelLog, time: number): void {
    for (let step = 0; step < MAX_STEPS && log.keys >= this.#most && this.forgetExpired(time); step++);
    if (log.keys < this.#most) return;
    throw new ProtocolError(
      "limit_reached",
      `this channel has ${this.#most} keys whose time is not over; publish later, or without a key`,
    );
  }

  remember(log: ChannelLog, key: string, { offset, at }: KnownKey, expires: number, holder: number): void {
    const text = toColumn(key);
    this.#file
      .sql("INSERT INTO key VALUES (?, ?, ?, ?, ?, ?, ?)")
      .run(log.id, text, offset, at, expires, keyChecksum(log.id, text, offset, at, expires, holder), holder);
    log.countKeys(1);
    this.#shares.countKey(holder, text, 1);
    this.#remembered++;
  }

  /** Forgets some whose time is over, by how many were remembered since the last time. */
  forgetAsMany(time: number): void {
    const most = this.#remembered * FORGOTTEN_FOR_EACH;
    this.#remembered = 0;
    for (let count = 0; count < most && this.forgetExpired(time); count += FORGOTTEN_AT_ONCE);
  }

  /** Forgets some whose time is over; false if there are none. */
  forgetExpired(time: number): boolean {
    const rows = this.#file
      .sql(
        `SELECT channel, key, holder FROM key WHERE expires <= ? ORDER BY expires LIMIT ${FORGOTTEN_AT_ONCE}`,
      )
      .all(time);
    for (const { channel, key, holder } of rows) this.#forget(Number(channel), String(key), Number(holder));
    return rows.length > 0;
  }

  #forget(channel: number, text: string, holder: number): void {
    this.#file.sql("DELETE FROM key WHERE channel = ? AND key = ?").run(channel, text);
    this.#shares.countKey(holder, text, -1);
    this.#channels.byId(channel)?.countKeys(-1); // One that was set aside counts none.
  }
}

/** What is checked of a key's row: all formats have the same checksum where there is no holder. */
export function keyChecksum(
  ...[channel, key, offset, at, expires, holder]: readonly [number, string, number, number, number, number]
): number {
  const fields = [channel, key, offset, at, expires] as const;
  return holder === 0 ? checksum(...fields) : checksum(...fields, holder);
}
