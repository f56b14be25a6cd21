import { encodeEntry, type StoredPublication } from "@zocalo/protocol";
import type { LogState, Present, PresenceEvent, PresentPage } from "../engine/engine.ts";
import { utf8Length } from "../primitives/utf8.ts";

// The server messages that carry JSON text an engine keeps: it is spliced in, not parsed and written again.
// Channel names need no escaping: isChannelName allows no quote, backslash or control character.

/** What an answer begins with, beside its type. */
export interface AnswerTo {
  readonly id?: number;
  readonly session?: string;
  readonly user?: string;
}

/** A `join` or `leave` push. */
export function encodePresenceEvent(channel: string, event: PresenceEvent): string {
  const { type, version, user, info } = event;
  return `{"type":"${type}","channel":"${channel}","version":${version},"user":${JSON.stringify(user)}${infoField(info)}}`;
}

/** One of `changes`. */
export function encodeChange({ type, user, info }: PresenceEvent): string {
  return `{"type":"${type}","user":${JSON.stringify(user)}${infoField(info)}}`;
}

/** A `changes` push. */
export function encodeChanges(
  channel: string,
  { version, total }: Pick<PresenceEvent, "version" | "total">,
  changes: readonly string[],
): string {
  return `{"type":"changes","channel":"${channel}","version":${version},"total":${total},"changes":[${changes.join(",")}]}`;
}

/** Adds the user's info to a `connected` answer. */
export function withInfo(connected: string, info: string | undefined): string {
  return `${connected.slice(0, -1)}${infoField(info)}}`;
}

/** What a page of presence may take. */
export interface PageLimits {
  readonly users: number;
  /** Bytes of the whole message it stands in. */
  readonly bytes: number;
  /** The same where it has one user only. */
  readonly mostBytes: number;
}

/** The users of a page of presence, as all are shown them who ask for the same. */
export interface ShownUsers {
  readonly text: string;
  /** What the next page is asked for with, if there is one. */
  readonly next: number | undefined;
  /** What it was made of: those who are shown, and the first one who is not. */
  readonly of: readonly Present[];
}

/** Gives the users of a page, made now or before, with these limits for their text. */
export type ShowUsers = (users: readonly Present[], limits: PageLimits) => ShownUsers;

/** A `presence` answer. */
export function encodePresence(
  to: AnswerTo,
  channel: string,
  page: PresentPage,
  limits: PageLimits,
  show: ShowUsers,
): string {
  const head = `{"type":"presence",${toFields(to)}"channel":"${channel}",`;
  return `${head}${pageFields(page, limits, utf8Length(head) + 1, show)}}`;
}

/** Adds a page to a `subscribed` answer. */
export function withPresence(
  subscribed: string,
  page: PresentPage,
  limits: PageLimits,
  show: ShowUsers,
): string {
  const used = utf8Length(subscribed) + 14; // ',"presence":{' and '}'
  return `${subscribed.slice(0, -1)},"presence":{${pageFields(page, limits, used, show)}}}`;
}

/** @param used bytes of the message beside these fields */
function pageFields(page: PresentPage, limits: PageLimits, used: number, show: ShowUsers): string {
  const { version, total, users } = page;
  const start = `"version":${version},"total":${total},"users":[`;
  const around = used + start.length + `],"next":${Number.MAX_SAFE_INTEGER}`.length;
  // In steps, so that ids and numbers of various lengths make the same page.
  const step = Math.max(1, limits.bytes >> 6);
  const taken = Math.ceil(around / step) * step;
  const room = { ...limits, bytes: limits.bytes - taken, mostBytes: limits.mostBytes - taken };
  const { text, next } = show(users, room);
  return `${start}${text}]${next === undefined ? "" : `,"next":${next}`}`;
}

/** As many of these users, from the first, as there may be. @param limits of their text */
export function showUsers(users: readonly Present[], limits: PageLimits): ShownUsers {
  const shown: string[] = [];
  let bytes = 0;
  for (const user of users) {
    if (shown.length === limits.users) break;
    const text = presentUser(user);
    bytes += utf8Length(text) + 1;
    if (shown.length === 0 && bytes > limits.mostBytes) shown.push(presentUser({ ...user, info: undefined }));
    else if (shown.length === 0 || bytes <= limits.bytes) shown.push(text);
    else break;
  }
  const next = shown.length < users.length ? users[shown.length - 1]?.since : undefined;
  return { text: shown.join(","), next, of: users.slice(0, shown.length + 1) };
}

function presentUser({ user, info, connections }: Present): string {
  return `{"user":${JSON.stringify(user)}${infoField(info)},"connections":${connections}}`;
}

/** A `history` answer. @param body see `historyBody` */
export function encodeHistory(to: AnswerTo, body: string): string {
  return `{"type":"history",${toFields(to)}${body}`;
}

/** What all get who ask for the same page. */
export function historyBody(
  channel: string,
  { epoch, head, oldest }: LogState,
  entries: readonly string[],
): string {
  const state = `"epoch":${JSON.stringify(epoch)},"head":${head},"oldest":${oldest}`;
  return `"channel":"${channel}",${state},"publications":[${entries.join(",")}]}`;
}

/** An entry of a history page with its size in bytes. */
export function measuredEntry(publication: StoredPublication): { text: string; bytes: number } {
  const text = encodeEntry(publication);
  return { text, bytes: utf8Length(text) };
}

function toFields(to: AnswerTo): string {
  const fields = JSON.stringify(to).slice(1, -1);
  return fields === "" ? "" : `${fields},`;
}

function infoField(info: string | undefined): string {
  return info === undefined ? "" : `,"info":${info}`;
}
