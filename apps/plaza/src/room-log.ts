import type { Beginning, Gap, Page, Place, Publication } from "./link.ts";
import { nameOf, readSaid, type Said } from "./what-was-said.ts";

/** At most this many messages of the room on the screen are kept; older ones are loaded again on scroll. */
export const ROOM_MESSAGES = 500;

/** At most this many of a room in the background. */
export const IDLE_MESSAGES = 100;

/** At most this many messages may wait for their acknowledgement in a room. */
export const PENDING_LIMIT = 50;

/** A message that the server has committed. */
export interface Entry {
  readonly offset: number;
  readonly at: number;
  readonly user: string;
  readonly name: string;
  readonly said: Said;
}

/** A message of one's own that is not known to be committed. */
export interface Pending {
  readonly key: string;
  readonly text: string;
  readonly at: number;
  /** Why it could not be sent; absent while it is on its way. */
  readonly problem?: string;
  /** The publication that most likely is this message: it came before its acknowledgement. */
  readonly seenAs?: number;
}

/**
 * What this page knows of one room's log: a window of its messages, without holes except the gaps it names.
 */
export interface RoomLog {
  /** Which log this is; `undefined` until the server has said so. */
  readonly epoch: string | undefined;
  /** The newest offset known to exist. */
  readonly head: number;
  /** True while new messages are appended; false after the window has been scrolled away from the end. */
  readonly isAtHead: boolean;
  /** The oldest offset that the server still keeps, as far as known. */
  readonly oldest: number;
  /** Ascending by offset. */
  readonly entries: readonly Entry[];
  readonly gaps: readonly Gap[];
  /** Messages of logs that the server has lost since; this page is where they still are. */
  readonly past: readonly Entry[];
  readonly pending: readonly Pending[];
}

export const EMPTY_LOG: RoomLog = {
  epoch: undefined,
  head: 0,
  isAtHead: true,
  oldest: 1,
  entries: [],
  gaps: [],
  past: [],
  pending: [],
};

/** True if the server may have messages before the window. */
export function hasOlder(log: RoomLog): boolean {
  const first = log.entries[0]?.offset;
  return log.epoch !== undefined && first !== undefined && first > log.oldest;
}

/** The server has said which log this is. Another epoch than before means the earlier log is gone. */
export function began(log: RoomLog, { epoch, head, oldest }: Beginning): RoomLog {
  const base = log.epoch !== undefined && log.epoch !== epoch ? replaced(log) : log;
  return { ...base, epoch, oldest, head: Math.max(base.head, head) };
}

function replaced(log: RoomLog): RoomLog {
  return {
    ...EMPTY_LOG,
    past: [...log.past, ...log.entries].slice(-ROOM_MESSAGES),
    pending: log.pending.map(({ seenAs: _, ...message }) => message),
  };
}

/** How to make room when a window is full. */
export interface Window {
  /** At most this many entries. */
  readonly limit: number;
  /** True: somebody is reading further up, so the messages there stay and new ones wait to be loaded. */
  readonly isHeld: boolean;
}

/** Merges publications of the current epoch, in any order, each offset once. */
export function received(
  log: RoomLog,
  publications: readonly Publication[],
  me: string | undefined,
  window: Window,
): RoomLog {
  let { entries, head, pending, isAtHead } = log;
  for (const publication of publications) {
    const { offset } = publication;
    const last = entries.at(-1)?.offset ?? 0;
    head = Math.max(head, offset);
    if (publication.user === me) pending = recognised(pending, publication);
    if (offset > last && (!isAtHead || (window.isHeld && entries.length >= window.limit))) {
      isAtHead = false;
      continue;
    }
    entries = inserted(entries, entryOf(publication));
  }
  return trimmed({ ...log, entries, head, pending, isAtHead }, window);
}

/**
 * Marks the first waiting message with the same text: its own publication came before its acknowledgement.
 */
function recognised(pending: readonly Pending[], publication: Publication): readonly Pending[] {
  if (pending.some((message) => message.seenAs === publication.offset)) return pending;
  const said = readSaid(publication);
  const index = pending.findIndex(
    (message) => message.seenAs === undefined && said.kind === "text" && message.text === said.text,
  );
  return index < 0
    ? pending
    : pending.map((message, i) => (i === index ? { ...message, seenAs: publication.offset } : message));
}

/** The server said that these publications will never come. */
export function missed(log: RoomLog, gap: Gap): RoomLog {
  if (gap.to < gap.from || log.gaps.some(({ from, to }) => from <= gap.from && to >= gap.to)) return log;
  const gaps = [...log.gaps, gap].sort((a, b) => a.from - b.from).slice(-ROOM_MESSAGES);
  return { ...log, gaps, head: Math.max(log.head, gap.to) };
}

/** A message of one's own, shown before the server has it. */
export function said(log: RoomLog, message: Pending): RoomLog {
  return { ...log, pending: [...log.pending, message].slice(-PENDING_LIMIT) };
}

/** The server has committed the message `key` of user `me`. */
export function acknowledged(
  log: RoomLog,
  key: string,
  { epoch, offset }: Place,
  me: { readonly user: string; readonly name: string },
  window: Window,
): RoomLog {
  const message = log.pending.find((one) => one.key === key);
  if (message === undefined) return log;
  const settled = { ...log, pending: log.pending.filter((one) => one !== message) };
  const isKnown = log.entries.some((entry) => entry.offset === offset);
  // Of another log than this page has: the news of that is still on its way, and brings the message along.
  if (epoch !== log.epoch) return settled;
  if (isKnown || !log.isAtHead) return { ...settled, head: Math.max(log.head, offset) };
  const entry: Entry = { offset, at: message.at, ...me, said: { kind: "text", text: message.text } };
  return trimmed(
    { ...settled, entries: inserted(log.entries, entry), head: Math.max(log.head, offset) },
    window,
  );
}

/** The message `key` could not be sent. If its publication has been seen, it was sent all the same. */
export function refused(log: RoomLog, key: string, problem: string): RoomLog {
  const pending = log.pending
    .filter((one) => one.key !== key || one.seenAs === undefined)
    .map((one) => (one.key === key ? { ...one, problem } : one));
  return { ...log, pending };
}

/** The failed message `key` is on its way again. */
export function retried(log: RoomLog, key: string): RoomLog {
  const pending = log.pending.map((one) => {
    if (one.key !== key) return one;
    const { problem: _, ...message } = one;
    return message;
  });
  return { ...log, pending };
}

/** The failed message `key` is given up. */
export function discarded(log: RoomLog, key: string): RoomLog {
  return { ...log, pending: log.pending.filter((one) => one.key !== key) };
}

/** Puts a page before or after the window; what no longer fits leaves at the other end. */
export function extended(log: RoomLog, page: Page, direction: "older" | "newer"): RoomLog {
  if (page.epoch !== log.epoch) return log;
  let { entries } = log;
  for (const publication of page.publications) entries = inserted(entries, entryOf(publication));
  const head = Math.max(log.head, page.head);
  const isAtHead = log.isAtHead || (entries.at(-1)?.offset ?? 0) >= head;
  // An empty page says that nothing older is kept, whatever else it says.
  const first = entries[0]?.offset ?? head + 1;
  const oldest = direction === "older" && page.publications.length === 0 ? first : page.oldest;
  return trimmed(
    { ...log, entries, head, isAtHead, oldest },
    { limit: ROOM_MESSAGES, isHeld: direction === "older" },
  );
}

/** Shows another page, the newest or the first, instead of wherever the window was. */
export function jumped(log: RoomLog, page: Page): RoomLog {
  if (page.epoch !== log.epoch) return log;
  const entries = page.publications.map(entryOf);
  const last = entries.at(-1)?.offset ?? page.head;
  const { head, oldest } = page;
  return { ...log, entries, head, isAtHead: last >= head, oldest };
}

/** The log with at most `limit` messages, for a room that nobody looks at. */
export function rested(log: RoomLog, limit: number): RoomLog {
  // A window away from the end would need its way back; starting again from the end is simpler.
  const entries = log.isAtHead ? log.entries.slice(-limit) : [];
  return { ...log, entries, past: log.past.slice(-limit) };
}

function trimmed(log: RoomLog, { limit, isHeld }: Window): RoomLog {
  const { entries, past } = log;
  const surplus = entries.length + past.length - limit;
  if (surplus <= 0) return log;
  if (isHeld && entries.length > limit) {
    return { ...log, past: [], entries: entries.slice(0, limit), isAtHead: false };
  }
  return {
    ...log,
    past: past.slice(surplus),
    entries: entries.slice(Math.max(0, surplus - past.length)),
  };
}

function inserted(entries: readonly Entry[], entry: Entry): readonly Entry[] {
  let at = entries.length;
  while (at > 0 && (entries[at - 1]?.offset ?? 0) > entry.offset) at--;
  const before = entries[at - 1];
  // The server's word replaces what the acknowledgement made us write.
  if (before?.offset === entry.offset) return entries.with(at - 1, entry);
  return entries.toSpliced(at, 0, entry);
}

function entryOf(publication: Publication): Entry {
  const { offset, at, user, info } = publication;
  return { offset, at, user, name: nameOf(user, info), said: readSaid(publication) };
}
