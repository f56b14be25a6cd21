import type { Peer } from "@zocalo/net";
import type { JsonObject } from "@zocalo/protocol";

/** Who a session acts for. Two connections with the same `user` are one person with two windows. */
export interface Identity {
  /** 1 to 128 characters, stable for the person; shown to others. */
  readonly user: string;
  /** True if anybody could have this identity for the asking; such a user is not among `"users"`. */
  readonly isGuest: boolean;
  /** Shown to others beside what the user publishes. */
  readonly info?: JsonObject | undefined;
}

/** What a `connect` command brought. Both are unset when a session begins with another command. */
export interface AuthenticationRequest {
  readonly token?: string | undefined;
  /** As the client wrote it: an authenticator decides which of it to believe. */
  readonly info?: JsonObject | undefined;
}

/**
 * Decides who somebody is. `null` refuses: the client is told `unauthorized` and does not come back with that
 * token. Throwing means that it could not be decided now: the client is told so and connects again.
 */
export type Authenticate = (
  request: AuthenticationRequest,
  peer: Peer,
) => Identity | null | Promise<Identity | null>;

/** Longest user name, in UTF-16 code units. */
export const MAX_USER_LENGTH = 128;

/** @throws TypeError when an authenticator made something that is no identity. */
export function checkIdentity(identity: Identity): Identity {
  const { user, isGuest } = identity;
  if (typeof user !== "string" || user === "" || user.length > MAX_USER_LENGTH) {
    throw new TypeError(
      `authenticate gave the user ${JSON.stringify(user)}: 1 to ${MAX_USER_LENGTH} characters`,
    );
  }
  if (typeof isGuest !== "boolean") throw new TypeError(`authenticate gave no "isGuest" for ${user}`);
  return identity;
}
