import type { Data } from "@zocalo/protocol";
import type { JoinRequest, KickRequest, LaneRequest, MatchRequest } from "../contracts/wire.ts";

/** A key is so long, in characters of base64url. */
const KEY = /^[\w-]{22,64}$/;
/** The longest name, in UTF-16 code units. What is longer is cut. */
const MAX_NAME_LENGTH = 32;
const MAX_ID_LENGTH = 64;
/** Of what a room is made with, as JSON. */
const MAX_OPTIONS_LENGTH = 4_096;

type Given = { readonly [name: string]: unknown };

/** What came as a `JoinRequest`, checked; a text says what is wrong with it. */
export function readJoin(data: Data | undefined): JoinRequest | string {
  const given = objectOf(data);
  const { mode, hash, key, name, room, watch, create, incarnation, heard } = given;
  const common = checkCommon(given);
  if (common !== undefined) return common;
  if (room !== undefined && !isShort(room)) return '"room" is the id of a room';
  if (watch !== undefined && typeof watch !== "boolean") return '"watch" is true or false';
  if (incarnation !== undefined && !isShort(incarnation)) return '"incarnation" is a text';
  const { log, number } = objectOf(heard);
  if (heard !== undefined && !(isShort(log) && Number.isSafeInteger(number)))
    return '"heard" is a "log" and the "number" of an event';
  const request = { mode, hash, key, name: nameOf(name), room, watch, incarnation, heard } as JoinRequest;
  if (create === undefined) return request;
  const { isPrivate, options } = objectOf(create);
  if (isPrivate !== undefined && typeof isPrivate !== "boolean") return '"isPrivate" is true or false';
  if (JSON.stringify(options ?? null).length > MAX_OPTIONS_LENGTH)
    return `"options" are at most ${MAX_OPTIONS_LENGTH} characters`;
  return { ...request, create: { isPrivate: isPrivate === true, options } };
}

/** What came as a `MatchRequest`, checked; a text says what is wrong with it. */
export function readMatch(data: Data | undefined): MatchRequest | string {
  const given = objectOf(data);
  const { mode, hash, key, name, skill } = given;
  const common = checkCommon(given);
  if (common !== undefined) return common;
  if (skill !== undefined && !Number.isFinite(skill)) return '"skill" is a number';
  return { mode, hash, key, name: nameOf(name), skill } as MatchRequest;
}

export function readLane(data: Data | undefined): LaneRequest | string {
  const { kind, offer } = objectOf(data);
  if (kind === "udp") return { kind };
  if (kind === "webrtc" && typeof offer === "string") return { kind, offer };
  return '"kind" is "udp", or "webrtc" with an "offer"';
}

export function readKick(data: Data | undefined): KickRequest | string {
  const { seat, banMs = 0 } = objectOf(data);
  if (!Number.isInteger(seat)) return '"seat" is its number';
  if (typeof banMs !== "number" || !(banMs >= 0 && banMs <= 86_400_000)) return '"banMs" is 0 to 86,400,000';
  return { seat: seat as number, banMs };
}

function checkCommon({ mode, hash, key, name }: Given): string | undefined {
  if (!isShort(mode)) return '"mode" is the name of a kind of room';
  if (!Number.isInteger(hash)) return '"hash" is that of the game';
  if (typeof key !== "string" || !KEY.test(key)) return '"key" is 22 to 64 characters of base64url';
  if (typeof name !== "string") return '"name" is a text';
  return undefined;
}

function objectOf(data: unknown): Given {
  return typeof data === "object" && data !== null && !(data instanceof Uint8Array) ? (data as Given) : {};
}

function isShort(text: unknown): text is string {
  return typeof text === "string" && text.length > 0 && text.length <= MAX_ID_LENGTH;
}

/** On one line, not too long, and no half of a surrogate pair at its end. */
function nameOf(name: unknown): string {
  return String(name)
    .replaceAll(/\p{C}/gu, " ")
    .trim()
    .slice(0, MAX_NAME_LENGTH)
    .replace(/[\uD800-\uDBFF]$/, "");
}
