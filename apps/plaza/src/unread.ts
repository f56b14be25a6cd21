import type { RoomLog } from "./room-log.ts";

/** Up to where a room has been read: a position in one log. */
export interface ReadMark {
  readonly epoch: string;
  readonly offset: number;
  /** There was another log before, as this browser knows: what was said in it is lost. */
  readonly followsLoss?: boolean;
}

/** The one of two marks that is further, if they are of one log; else the second. */
export function further(a: ReadMark | undefined, b: ReadMark): ReadMark {
  return a !== undefined && a.epoch === b.epoch && a.offset > b.offset ? a : b;
}

/**
 * How many messages of others came after the mark. Without a mark none: a room never seen does not ask for
 * attention.
 */
export function unreadCount(log: RoomLog, mark: ReadMark | undefined, me: string | undefined): number {
  if (mark === undefined || log.epoch === undefined) return 0;
  // Another epoch: the log began anew, so nothing of it has been read.
  const read = mark.epoch === log.epoch ? mark.offset : 0;
  const shown = log.entries.filter((entry) => entry.offset > read && entry.user !== me).length;
  const first = log.entries[0]?.offset ?? log.head + 1;
  const last = log.entries.at(-1)?.offset ?? log.head;
  const older = Math.max(0, first - 1 - Math.max(read, log.oldest - 1));
  const newer = log.isAtHead ? 0 : Math.max(0, log.head - Math.max(read, last));
  return shown + older + newer;
}

/** A count that fits into a badge. */
export function badge(count: number): string {
  return count > 99 ? "99+" : String(count);
}
