import type { Database } from "./sqlite.ts";

/** "Zoca": what `file` and SQLite's own tools show of such a file. */
export const APPLICATION_ID = 0x5a6f6361;

/**
 * Every row has a checksum of what stands before it. `time` is the store's own (`StoreTime`), `at` the wall
 * clock, for show.
 *
 * - `store`, `commits`: one row each. `turn` ends the epoch of every channel: changing it turns all at once.
 * - `channel`: found by the hash of its name. The index of names is there to disagree: one of the two that is
 *   damaged must not make a channel look new, whose offsets would begin again.
 * - `log`, `key`: what a channel holds. `log` may still have entries before `oldest`, which are gone already.
 */
const FORMAT_1 = `
  CREATE TABLE store (
    one INTEGER PRIMARY KEY, name TEXT NOT NULL, turn TEXT NOT NULL, generation INTEGER NOT NULL,
    channels INTEGER NOT NULL, crc INTEGER NOT NULL
  );
  CREATE TABLE commits (
    one INTEGER PRIMARY KEY, number INTEGER NOT NULL, time INTEGER NOT NULL, wall INTEGER NOT NULL,
    uptime INTEGER NOT NULL, boot TEXT NOT NULL, crc INTEGER NOT NULL
  );
  CREATE TABLE channel (
    id INTEGER PRIMARY KEY, hash INTEGER NOT NULL, name TEXT NOT NULL, epoch TEXT NOT NULL,
    head INTEGER NOT NULL, oldest INTEGER NOT NULL, bytes INTEGER NOT NULL, keys INTEGER NOT NULL,
    ttl INTEGER NOT NULL, crc INTEGER NOT NULL
  );
  CREATE INDEX channel_hash ON channel (hash);
  CREATE UNIQUE INDEX channel_name ON channel (name);
  CREATE TABLE log (
    channel INTEGER NOT NULL, offset INTEGER NOT NULL, at INTEGER NOT NULL, time INTEGER NOT NULL,
    user TEXT NOT NULL, info TEXT, data TEXT NOT NULL, crc INTEGER NOT NULL,
    PRIMARY KEY (channel, offset)
  ) WITHOUT ROWID;
  CREATE TABLE key (
    channel INTEGER NOT NULL, key TEXT NOT NULL, offset INTEGER NOT NULL, at INTEGER NOT NULL,
    expires INTEGER NOT NULL, crc INTEGER NOT NULL,
    PRIMARY KEY (channel, key)
  ) WITHOUT ROWID;
  CREATE INDEX key_expires ON key (expires);
`;

/**
 * - `holder`: whose share it takes (`share.id`); 0: of nobody who has one. A part of the checksum where it is
 *   not 0.
 * - `channel.due`: not before this time is there anything to remove; 0: never, as in those that were set
 *   aside. Only a hint, so it has no checksum.
 * - `channel_empty`: those that can be forgotten.
 */
const FORMAT_2 = `
  CREATE TABLE share (
    id INTEGER PRIMARY KEY, bytes INTEGER NOT NULL, channels INTEGER NOT NULL, keys INTEGER NOT NULL,
    crc INTEGER NOT NULL
  );
  ALTER TABLE channel ADD COLUMN holder INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE channel ADD COLUMN due INTEGER NOT NULL DEFAULT 1;
  ALTER TABLE log ADD COLUMN holder INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE key ADD COLUMN holder INTEGER NOT NULL DEFAULT 0;
  UPDATE channel SET due = 0 WHERE name >= '!' AND name < '"';
  CREATE INDEX channel_due ON channel (due) WHERE due > 0;
  CREATE INDEX channel_empty ON channel (holder) WHERE oldest > head AND keys = 0;
`;

/**
 * `log.data` may be bytes: a BLOB, which a column declared as TEXT keeps as it is. The tables are the same,
 * but a release that knows no bytes would take such a channel for a damaged one.
 */
const FORMAT_3 = "";

/** What makes each format of the one before it. */
const STEPS = [FORMAT_1, FORMAT_2, FORMAT_3];

/** The number of the format that this release writes. */
export const FORMAT = STEPS.length;

/** Makes the tables that a store of this format lacks, within the caller's transaction. 0: an empty file. */
export function createTables(database: Database, format: number): void {
  const steps = STEPS.slice(format).join("");
  database.exec(`${steps} PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT};`);
}

/** A number that a PRAGMA gives. */
export function pragma(database: Database, name: string): number {
  const [value] = Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {});
  return Number(value);
}
