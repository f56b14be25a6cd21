import { createHash } from "node:crypto";
import type { Authenticate } from "../policy/identity.ts";
import { type Random, randomName, systemRandom } from "../primitives/random.ts";

/**
 * The authenticator of an open demo: everybody is a guest, and is believed whatever `info` they give.
 *
 * Without a token the user is `guest-` and 8 random characters. With one it is `guest-` and the first 12
 * characters of the token's SHA-256 in base64url: a browser that keeps a random token stays the same user
 * over reloads and tabs, and nobody who only sees the user can take it. The token must be long and random; a
 * guessable one gives its user away.
 */
export function guests(random: Random = systemRandom): Authenticate {
  return ({ token, info, infoJson }) => {
    const name =
      token === undefined || token === ""
        ? randomName(random, 8)
        : createHash("sha256").update(token).digest("base64url").slice(0, 12);
    return { user: `guest-${name}`, isGuest: true, info, infoJson };
  };
}
