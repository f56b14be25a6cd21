import { encodeEntry, type StoredPublication } from "@zocalo/protocol";
import type { LogState, Present, PresenceEvent, PresenceState } from "../engine/engine.ts";
import { utf8Length } from "../primitives/utf8.ts";

// The server messages that carry JSON text an engine keeps: it is spliced in, not parsed and written again.
// Channel names need no escaping: isChannelName allows no quote, backslash or control character.

/** A `join` or `leave` push. */
export function encodePresenceEvent(channel: string, event: PresenceEvent): string {
  const { type, version, user, info } = event;
  return `{"type":"${type}","channel":"${channel}","version":${version},"user":${JSON.stringify(user)}${infoField(info)}}`;
}

/** Adds the user's info to a `connected` answer. */
export function withInfo(connected: string, info: string | undefined): string {
  return `${connected.slice(0, -1)}${infoField(info)}}`;
}

/** What a snapshot may take. */
export interface SnapshotLimits {
  readonly users: number;
  /** Bytes of the whole message it stands in. */
  readonly bytes: number;
}

/** A `presence` answer. */
export function encodePresence(
  id: number | undefined,
  channel: string,
  state: PresenceState,
  limits: SnapshotLimits,
): string {
  const head = `{"type":"presence",${idField(id)}"channel":"${channel}",`;
  return `${head}${snapshot(state, limits.users, limits.bytes - head.length - 1)}}`;
}

/** Adds a snapshot to a `subscribed` answer. */
export function withPresence(subscribed: string, state: PresenceState, limits: SnapshotLimits): string {
  const room = limits.bytes - subscribed.length - 14; // ',"presence":{' and '}'
  return `${subscribed.slice(0, -1)},"presence":{${snapshot(state, limits.users, room)}}}`;
}

function snapshot({ version, users }: PresenceState, most: number, bytes: number): string {
  const start = `"version":${version},"users":[`;
  const total = `],"total":${users.length}`;
  const shown: string[] = [];
  let room = bytes - start.length - total.length;
  for (const user of users) {
    if (shown.length === most) break;
    const text = presentUser(user);
    room -= utf8Length(text) + 1;
    if (room < 0) break;
    shown.push(text);
  }
  return `${start}${shown.join(",")}${shown.length < users.length ? total : "]"}`;
}

function presentUser({ user, info, connections }: Present): string {
  return `{"user":${JSON.stringify(user)}${infoField(info)},"connections":${connections}}`;
}

/** A `history` answer. @param body see `historyBody` */
export function encodeHistory(id: number | undefined, body: string): string {
  return `{"type":"history",${idField(id)}${body}`;
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

function idField(id: number | undefined): string {
  return id === undefined ? "" : `"id":${id},`;
}

function infoField(info: string | undefined): string {
  return info === undefined ? "" : `,"info":${info}`;
}
