import type { MarkOf } from "./namesakes.ts";
import { type Entry, hasOlder, type RoomLog } from "./room-log.ts";
import { LOCALE, WORDS } from "./words.ts";

/** Messages of one person within this time stand together under one name. */
export const GROUP_MS = 5 * 60_000;

/** A message as a row: committed, on its way, or failed. */
export interface MessageRow {
  readonly kind: "message";
  readonly id: string;
  readonly user: string;
  readonly name: string;
  /** Tells the user from others of that name, if there are any. */
  readonly mark: string | undefined;
  readonly at: number;
  readonly said: Entry["said"];
  /** True for the first of a group: it shows who and when. */
  readonly isFirst: boolean;
  readonly isMine: boolean;
  /** The offset in the log the server has now; absent for pending messages and for those of a lost log. */
  readonly offset?: number;
  readonly delivery: "committed" | "pending" | "failed";
  /** Identifies a pending or failed message. */
  readonly key?: string;
  readonly problem?: string;
}

/** What stands between messages. */
export type Divider =
  | { readonly kind: "day"; readonly id: string; readonly at: number }
  | { readonly kind: "gap"; readonly id: string; readonly from: number; readonly to: number }
  | { readonly kind: "restart"; readonly id: string }
  | { readonly kind: "unread"; readonly id: string }
  /** There is more to be loaded here. */
  | { readonly kind: "older"; readonly id: string }
  | { readonly kind: "beginning"; readonly id: string; readonly what: Beginning };

/**
 * Whether the first message on the screen is the first that was said here, or what came before is no longer
 * kept, or lost.
 */
export type Beginning = "complete" | "empty" | "trimmed" | "lost";

export type Row = MessageRow | Divider;

/** From where a reader looks at a log. */
export interface Viewpoint {
  readonly me: { readonly user: string; readonly name: string };
  /** Messages after this offset were unread when the room was opened; `undefined` shows no line. */
  readonly unreadAfter: number | undefined;
  /** There was another log before this one. */
  readonly followsLoss: boolean;
  readonly markOf: MarkOf;
}

/** Everything a room shows, from top to bottom. Rows keep their `id` when others are added around them. */
export function timeline(log: RoomLog, { me, unreadAfter, followsLoss, markOf }: Viewpoint): Row[] {
  const rows = new Rows(me.user, markOf);
  if (log.epoch !== undefined && !hasOlder(log) && log.past.length === 0) {
    rows.divide({ kind: "beginning", id: "beginning", what: beginningOf(log, followsLoss) });
  }
  log.past.forEach((entry, index) => rows.add(committed(entry, `past-${index}-${entry.at}`)));
  if (log.past.length > 0) rows.divide({ kind: "restart", id: "restart" });
  if (hasOlder(log)) rows.divide({ kind: "older", id: "older" });

  const gaps = [...log.gaps];
  const gapsBefore = (offset: number) => {
    for (let gap = gaps[0]; gap !== undefined && gap.to < offset; gap = gaps[0]) {
      rows.divide({ kind: "gap", id: `gap-${gap.from}`, from: gap.from, to: gap.to });
      gaps.shift();
    }
  };
  let isUnreadMarked = unreadAfter === undefined;
  for (const entry of log.entries) {
    gapsBefore(entry.offset);
    if (!isUnreadMarked && entry.offset > (unreadAfter ?? 0) && entry.user !== me.user) {
      isUnreadMarked = true;
      rows.divide({ kind: "unread", id: "unread" });
    }
    rows.add({ ...committed(entry, `${log.epoch}-${entry.offset}`), offset: entry.offset });
  }
  if (log.isAtHead) gapsBefore(Number.POSITIVE_INFINITY);

  const entered = new Set(log.entries.map((entry) => entry.offset));
  for (const { key, text, at, problem, seenAs } of log.pending) {
    if (seenAs !== undefined && entered.has(seenAs)) continue;
    rows.add({
      id: `pending-${key}`,
      ...me,
      at,
      said: { kind: "text", text },
      delivery: problem === undefined ? "pending" : "failed",
      key,
      ...(problem === undefined ? {} : { problem }),
    });
  }
  return rows.list;
}

function beginningOf(log: RoomLog, followsLoss: boolean): Beginning {
  if (log.oldest > 1) return "trimmed";
  if (followsLoss) return "lost";
  return log.entries.length + log.pending.length > 0 ? "complete" : "empty";
}

type Unplaced = Omit<MessageRow, "kind" | "isFirst" | "isMine" | "mark">;

function committed(entry: Entry, id: string): Unplaced {
  const { user, name, at, said } = entry;
  return { id, user, name, at, said, delivery: "committed" };
}

/** Places messages one after the other: a line for each new day, groups by author. */
class Rows {
  readonly list: Row[] = [];
  readonly #me: string;
  readonly #markOf: MarkOf;
  #day: string | undefined;
  #previous: Unplaced | undefined;

  constructor(me: string, markOf: MarkOf) {
    this.#me = me;
    this.#markOf = markOf;
  }

  divide(row: Divider): void {
    this.list.push(row);
    this.#previous = undefined;
  }

  add(message: Unplaced): void {
    const day = dayOf(message.at);
    if (day !== this.#day) {
      this.#day = day;
      this.divide({ kind: "day", id: `day-${day}-${message.id}`, at: message.at });
    }
    const isFirst = this.#previous === undefined || !isOneGroup(this.#previous, message);
    const { user, name } = message;
    const mark = this.#markOf(user, name);
    this.list.push({ kind: "message", ...message, mark, isFirst, isMine: user === this.#me });
    this.#previous = message;
  }
}

function isOneGroup(a: Unplaced, b: Unplaced): boolean {
  return a.user === b.user && a.name === b.name && Math.abs(b.at - a.at) < GROUP_MS;
}

/** The calendar day of a time, where the reader is. */
function dayOf(at: number): string {
  const date = new Date(at);
  return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
}

/** "Today", "Yesterday", or the date; the year only when it is another one. */
export function dayLabel(at: number, now: number): string {
  const midnight = new Date(now);
  if (dayOf(at) === dayOf(now)) return WORDS.today;
  midnight.setDate(midnight.getDate() - 1);
  if (dayOf(at) === dayOf(midnight.getTime())) return WORDS.yesterday;
  const isThisYear = new Date(at).getFullYear() === new Date(now).getFullYear();
  return new Intl.DateTimeFormat(LOCALE, {
    weekday: "long",
    day: "numeric",
    month: "long",
    ...(isThisYear ? {} : { year: "numeric" }),
  }).format(at);
}
