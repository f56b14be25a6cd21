import type { Peer } from "@zocalo/net";
import { isJsonObject, type JsonObject, toOneLine } from "@zocalo/protocol";
import { ownText } from "../primitives/text-memory.ts";

/** Who a session acts for. Two connections with the same `user` are one person with two windows. */
export interface Identity {
  /** 1 to 128 characters, stable for the person; shown to others. */
  readonly user: string;
  /** True if anybody could have this identity for the asking; such a user is not among `"users"`. */
  readonly isGuest: boolean;
  /** Shown to others beside what the user publishes. */
  readonly info?: JsonObject | undefined;
  /**
   * JSON text of an object, shown to others as it is, instead of `info`. Give `infoJson` of the request to
   * pass on what the client wrote. Default: what `JSON.stringify` makes of `info`.
   */
  readonly infoJson?: string | undefined;
  /**
   * When it is over, in milliseconds since the Unix epoch: a session that is not refreshed by then ends with
   * 4401. It becomes a duration at once, so a clock that is set later moves nothing. Default: never.
   */
  readonly expiresAt?: number | undefined;
}

/**
 * What a `connect` or `refresh` command brought. All are unset when a session begins with another command.
 */
export interface AuthenticationRequest {
  readonly token?: string | undefined;
  /** As the client wrote it: an authenticator decides which of it to believe. */
  readonly info?: JsonObject | undefined;
  /** `info` as the text that came: numbers of any length, and members in their order. */
  readonly infoJson?: string | undefined;
  /** True of `refresh`: then nothing counts but the token, as the request of the connection is an old one. */
  readonly isRefresh?: boolean;
}

/**
 * Decides who somebody is. `null` refuses: the client is told `unauthorized` and does not come back with that
 * token. Throwing means that it could not be decided now: the client is told so and connects again. Of one
 * address only so many are asked for at once (`HubLimits.authenticationsPerAddress`): what is never decided
 * holds its place for as long as the address has sessions, so give what you wait for a time.
 */
export type Authenticate = (
  request: AuthenticationRequest,
  peer: Peer,
) => Identity | null | Promise<Identity | null>;

/** Longest user name, in UTF-16 code units. */
export const MAX_USER_LENGTH = 128;

/** @throws TypeError when an authenticator made something that is no identity. */
export function checkIdentity(identity: Identity): Identity {
  const { user, isGuest, infoJson, expiresAt } = identity;
  if (typeof user !== "string" || user === "" || user.length > MAX_USER_LENGTH) {
    throw new TypeError(
      `authenticate gave the user ${JSON.stringify(user)}: 1 to ${MAX_USER_LENGTH} characters`,
    );
  }
  if (typeof isGuest !== "boolean") throw new TypeError(`authenticate gave no "isGuest" for ${user}`);
  if (infoJson !== undefined && !isJsonObject(parsed(infoJson))) {
    throw new TypeError(`authenticate gave an "infoJson" for ${user} that is no JSON object: ${infoJson}`);
  }
  if (expiresAt !== undefined && !Number.isFinite(expiresAt)) {
    throw new TypeError(`authenticate gave an "expiresAt" for ${user} that is no time: ${String(expiresAt)}`);
  }
  return identity;
}

/** What others are shown of it, as JSON text on one line, in memory of its own. */
export function infoTextOf({ info, infoJson }: Identity): string | undefined {
  const text = infoJson === undefined ? info && JSON.stringify(info) : toOneLine(infoJson);
  return text && ownText(text);
}

function parsed(json: unknown): unknown {
  if (typeof json !== "string") return undefined;
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
