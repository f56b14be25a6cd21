import { ProtocolError } from "@zocalo/protocol";
import type { ChannelLog } from "./channel-log.ts";
import type { Channels } from "./channels.ts";
import { Damage } from "./damage.ts";
import { checksum, toColumn } from "./row.ts";
import type { StoreFile } from "./store-file.ts";

/** Keys whose time is over that one step forgets. */
const FORGOTTEN_AT_ONCE = 256;

/** The publication that a key stands for. */
export interface KnownKey {
  readonly offset: number;
  readonly at: number;
}

/** Idempotency keys: each is known for its time, and none is forgotten before. */
export class Keys {
  readonly #file: StoreFile;
  readonly #channels: Channels;
  readonly #most: number;

  /** @param most keys of one channel at once */
  constructor(file: StoreFile, channels: Channels, most: number) {
    this.#file = file;
    this.#channels = channels;
    this.#most = most;
  }

  find(log: ChannelLog, key: string, time: number): KnownKey | undefined {
    const text = toColumn(key);
    const row = this.#file
      .sql("SELECT offset, at, expires, crc FROM key WHERE channel = ? AND key = ?")
      .get(log.id, text);
    if (!row) return undefined;
    const [offset, at, expires, crc] = Object.values(row) as [number, number, number, number];
    if (crc !== checksum(log.id, text, offset, at, expires)) {
      throw new Damage(`the key of entry ${offset} was changed`, log);
    }
    if (expires > time) return { offset, at };
    this.#file.sql("DELETE FROM key WHERE channel = ? AND key = ?").run(log.id, text);
    log.countKeys(-1);
    return undefined;
  }

  /** @throws ProtocolError `limit_reached` if one more cannot be remembered */
  checkRoom(log: ChannelLog, time: number): void {
    while (log.keys >= this.#most && this.forgetExpired(time));
    if (log.keys < this.#most) return;
    throw new ProtocolError(
      "limit_reached",
      `this channel has ${this.#most} keys whose time is not over; publish later, or without a key`,
    );
  }

  remember(log: ChannelLog, key: string, { offset, at }: KnownKey, expires: number): void {
    const row = [log.id, toColumn(key), offset, at, expires] as const;
    this.#file.sql("INSERT INTO key VALUES (?, ?, ?, ?, ?, ?)").run(...row, checksum(...row));
    log.countKeys(1);
  }

  /** Forgets some whose time is over; false if there are none. */
  forgetExpired(time: number): boolean {
    const rows = this.#file
      .sql(`SELECT channel, key FROM key WHERE expires <= ? ORDER BY expires LIMIT ${FORGOTTEN_AT_ONCE}`)
      .all(time);
    for (const { channel, key } of rows) {
      const id = Number(channel);
      this.#file.sql("DELETE FROM key WHERE channel = ? AND key = ?").run(id, key ?? null);
      this.#channels.byId(id)?.countKeys(-1); // One that was set aside counts none.
    }
    return rows.length > 0;
  }
}
