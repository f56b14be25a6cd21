import type { JsonWebKey } from "node:crypto";
import type { Peer } from "@zocalo/net";
import { checkCount, checkKind, checkNames, type Names } from "@zocalo/net/transport";
import { isJsonObject, LIMITS } from "@zocalo/protocol";
import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify } from "jose";
import {
  type Authenticate,
  type AuthenticationRequest,
  type Identity,
  MAX_USER_LENGTH,
} from "../policy/identity.ts";
import { checkClock, type Clock, systemClock } from "../primitives/clock.ts";
import { defaultKeySetOptions, KeySet, type KeySetOptions } from "./key-set.ts";
import { tokenReader, type TokenSource } from "./token-source.ts";
import { publicKey, refused, secretKey, type VerificationKey } from "./verification-key.ts";

/**
 * What tokens are signed with. Which algorithms it takes follows from it: a public key never checks an HMAC,
 * and nothing takes `none`.
 */
export type JwtKey =
  /**
   * At least 32 bytes, at random, which only those know who make tokens: HS256, from 48 HS384, from 64 HS512.
   */
  | { readonly secret: string | Uint8Array }
  /** PEM or a JWK: RSA of 2,048 bits or more (RS, PS), P-256, P-384 or P-521 (ES), or Ed25519. */
  | { readonly publicKey: string | JsonWebKey }
  /** Keys that somebody else changes. */
  | KeySetOptions;

/** Why a token was refused. Stable: compare these. */
export type JwtRefusalReason =
  | "no_token"
  | "malformed" // no JSON Web Token, or longer than 8,192 characters
  | "algorithm_not_allowed" // no key takes the algorithm that it names
  | "unknown_key" // it names a key that is not there
  | "bad_signature"
  | "expired"
  | "no_expiry"
  | "not_yet_valid"
  | "wrong_issuer"
  | "wrong_audience"
  | "unsupported" // it demands something (`crit`) that is not known here
  | "bad_claims"; // its user, info or times are of another kind

/** A token that was refused. It has nothing of the token. */
export interface JwtRefusal {
  readonly reason: JwtRefusalReason;
  /** The same for people. */
  readonly message: string;
}

/** How tokens are judged. */
export interface JwtOptions {
  /** What they are signed with: one, or up to 8 while keys are changed. */
  readonly keys: JwtKey | readonly JwtKey[];
  /** Who has to have made them: `iss`, one of these. Default: whoever has the key. */
  readonly issuer?: string | readonly string[];
  /** For whom they have to be: `aud`, one of these. Required. */
  readonly audience?: string | readonly string[];
  /** True: instead of `audience`. **Risk**: what your back end made for another service is good here. */
  readonly acceptAnyAudienceDangerously?: boolean;
  /** True: tokens without `exp` are taken. **Risk**: whoever gets hold of one has it for ever. */
  readonly acceptTokensWithoutExpiryDangerously?: boolean;
  /**
   * How far clocks may be apart, in milliseconds: `exp` and `nbf` are taken so much later and earlier.
   * Default 5,000.
   */
  readonly clockToleranceMs?: number;
  /** Which claims are the user and its info. Default `sub` and `info`. The info may be missing. */
  readonly claims?: { readonly user?: string; readonly info?: string };
  /**
   * Where in the request of a WebSocket the token may stand, if `connect` brings none. A cookie goes with
   * every page of its site, so the listener has to check the origin, as it does by default. `refresh` needs a
   * token of its own. Default: nowhere.
   */
  readonly tokenFrom?: TokenSource;
  /**
   * Who somebody is without a token, or with one that is no JSON Web Token, such as the random one by which a
   * guest stays the same: `guests()`. What has a dot, or begins as such a token does, is judged as one.
   * Default: such are refused.
   */
  readonly guests?: Authenticate;
  /** Told of each token that is refused. It must not throw. Default: nobody. */
  readonly onRefuse?: (refusal: JwtRefusal, peer: Peer) => void;
  /** For tests. Default: the machine's. */
  readonly clock?: Clock;
}

/** Used where `JwtOptions` leaves a field out. */
export const defaultJwtOptions = { clockToleranceMs: 5_000, claims: { user: "sub", info: "info" } } as const;

const optionNames: Names<JwtOptions> = {
  keys: 1,
  issuer: 1,
  audience: 1,
  acceptAnyAudienceDangerously: 1,
  acceptTokensWithoutExpiryDangerously: 1,
  clockToleranceMs: 1,
  claims: 1,
  tokenFrom: 1,
  guests: 1,
  onRefuse: 1,
  clock: 1,
};
const claimNames = { user: 1, info: 1 };
const keySetNames: Names<KeySetOptions> = { jwks: 1, timeoutMs: 1, maxAgeMs: 1, cooldownMs: 1 };

const MOST_KEYS = 8;
/** Where a token does not say which key it is of, at most so many of sets are tried. */
const MOST_TRIED = 4;
/** Ten minutes: past that it is no tolerance. */
const MOST_TOLERANCE_MS = 600_000;

const MESSAGES: Readonly<Record<JwtRefusalReason, string>> = {
  no_token: "there is no token",
  malformed: "it is no JSON Web Token",
  algorithm_not_allowed: "no key takes its algorithm",
  unknown_key: "the key that it names is not known",
  bad_signature: "its signature is of another key, or it was changed",
  expired: "it has expired",
  no_expiry: "it never expires",
  not_yet_valid: "it is not valid yet",
  wrong_issuer: "somebody else made it",
  wrong_audience: "it is for somebody else",
  unsupported: "it demands what is not known here",
  bad_claims: "its user, info or times are of another kind",
};

class Refused extends Error {
  readonly reason: JwtRefusalReason;

  constructor(reason: JwtRefusalReason) {
    super(reason);
    this.reason = reason;
  }
}

/**
 * An authenticator that takes JSON Web Tokens (RFC 7519, signed as RFC 7515 has it) of a back end of yours,
 * or of an identity provider. A session ends when its token does, unless it is refreshed. Where the keys
 * cannot be had it throws: the client comes back later.
 *
 * @throws NetError `invalid_argument` for an option whose name or value is not allowed, and for a weak key
 * @example
 * const authenticate = jwt({ keys: { secret }, audience: "chat", guests: guests() });
 * const hub = new Hub({ authenticate, namespaces: { plaza: { subscribe: "anyone", publish: "users" } } });
 */
export function jwt(options: JwtOptions): Authenticate {
  checkNames("set", "jwt", options ?? null, optionNames);
  const { clock = systemClock, guests, onRefuse, claims = {} } = options;
  checkClock(options.clock, ["wall", "uptime", "after"]);
  checkKind("set", "guests", guests, "function");
  checkKind("set", "onRefuse", onRefuse, "function");
  const judge = judgeOf(options, clock);
  const read = tokenReader(options.tokenFrom);
  const { user, info } = checkedClaims(claims);
  return async (request: AuthenticationRequest, peer: Peer): Promise<Identity | null> => {
    const told = request.token || undefined;
    const isTold = request.isRefresh === true || (told !== undefined && isMeantAsJwt(told));
    const token = isTold ? told : (read(peer) ?? told);
    if (guests && (token === undefined || !isMeantAsJwt(token))) return guests(request, peer);
    try {
      if (token === undefined) throw new Refused("no_token");
      const { payload, expiresAt } = await judge(token);
      return { ...identityOf(payload[user], payload[info]), expiresAt };
    } catch (error) {
      const reason = reasonOf(error);
      if (reason === undefined) throw error;
      onRefuse?.({ reason, message: MESSAGES[reason] }, peer);
      return null;
    }
  };
}

/** Three parts with dots between them, of which the first is an object in base64. */
function isMeantAsJwt(token: string): boolean {
  return token.includes(".") || token.startsWith("eyJ");
}

interface Judged {
  readonly payload: JWTPayload;
  readonly expiresAt: number | undefined;
}

function judgeOf(options: JwtOptions, clock: Clock): (token: string) => Promise<Judged> {
  const { acceptTokensWithoutExpiryDangerously: mayLast = false } = options;
  const { clockToleranceMs = defaultJwtOptions.clockToleranceMs } = options;
  checkKind("set", "acceptTokensWithoutExpiryDangerously", mayLast, "boolean");
  checkCount("set", "clockToleranceMs", clockToleranceMs, MOST_TOLERANCE_MS, 0);
  const find = keysOf(options.keys, clock);
  const issuer = namesOf("issuer", options.issuer);
  const audience = audienceOf(options);
  return async (token) => {
    if (token.length > LIMITS.tokenLength) throw new Refused("malformed");
    const header = headerOf(token);
    let failure: unknown;
    for await (const { key, algorithms } of find(header.alg, header.kid)) {
      try {
        const { payload } = await jwtVerify(token, key, {
          algorithms: [...algorithms],
          ...(issuer && { issuer }),
          ...(audience && { audience }),
          clockTolerance: clockToleranceMs / 1_000,
          currentDate: new Date(clock.wall()),
          requiredClaims: mayLast ? [] : ["exp"],
        });
        return { payload, expiresAt: endOf(payload.exp, clockToleranceMs) };
      } catch (error) {
        failure = error;
        if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
      }
    }
    throw failure;
  };
}

function headerOf(token: string): { readonly alg: string; readonly kid: string | undefined } {
  let header: ReturnType<typeof decodeProtectedHeader>;
  try {
    header = decodeProtectedHeader(token);
  } catch {
    throw new Refused("malformed"); // the cause quotes it
  }
  const { alg, kid } = header;
  if (typeof alg !== "string" || (kid !== undefined && typeof kid !== "string"))
    throw new Refused("malformed");
  return { alg, kid };
}

/** Finds the keys that a token may be of, one or more; the next one is looked for when it is asked for. */
type FindKeys = (alg: string, kid: string | undefined) => AsyncIterable<VerificationKey>;

function keysOf(given: JwtOptions["keys"], clock: Clock): FindKeys {
  const list: readonly JwtKey[] = Array.isArray(given) ? given : [given];
  if (list.length === 0 || list.length > MOST_KEYS) throw refused(`keys are 1 to ${MOST_KEYS}`);
  const known: VerificationKey[] = [];
  const sets: KeySet[] = [];
  for (const key of list) {
    checkKind("set", "keys", key ?? null, "object");
    if ("jwks" in key) sets.push(new KeySet(checkedSet(key), clock));
    else if ("secret" in key) {
      checkNames("set", "a key", key, { secret: 1 });
      if (typeof key.secret !== "string" && !(key.secret instanceof Uint8Array))
        throw refused("a secret is a string or a Uint8Array");
      known.push(secretKey(key.secret));
    } else {
      checkNames("set", "a key", key, { publicKey: 1 });
      if (typeof key.publicKey !== "string") checkKind("set", "publicKey", key.publicKey ?? null, "object");
      known.push(publicKey(key.publicKey));
    }
  }
  return async function* (alg, kid) {
    const takes = (key: VerificationKey): boolean => key.algorithms.includes(alg);
    const fits = (key: VerificationKey): boolean =>
      takes(key) && (kid === undefined || key.kid === undefined || key.kid === kid);
    const isNamed = (key: VerificationKey): boolean => kid !== undefined && key.kid === kid;
    // A set is asked only for what is of no other key: so a host that hangs is nothing to the others' users.
    const found = known.filter(fits);
    yield* found;
    if (!isAsymmetric(alg)) {
      if (found.length === 0) throw new Refused("algorithm_not_allowed");
      return;
    }
    const had = sets.flatMap((set) => set.had(fits)).slice(0, MOST_TRIED);
    yield* had;
    found.push(...had);
    if (found.some(isNamed)) return;
    let trouble: unknown;
    for (const set of sets.filter((one) => one.had(fits).length === 0)) {
      const newer = await set.find(fits).catch((error: unknown) => {
        trouble ??= error;
        return [];
      });
      yield* newer.slice(0, MOST_TRIED);
      found.push(...newer);
    }
    if (trouble !== undefined) throw trouble;
    if (found.length > 0) return;
    throw new Refused(sets.length > 0 || known.some(takes) ? "unknown_key" : "algorithm_not_allowed");
  };
}

/** What a key of a set may be for. Nobody is asked for keys of anything else. */
function isAsymmetric(alg: string): boolean {
  return /^(?:(?:RS|PS)(?:256|384|512)|ES256|ES384|ES512|EdDSA|Ed25519)$/.test(alg);
}

function checkedSet(given: KeySetOptions): Required<KeySetOptions> {
  checkNames("set", "a set of keys", given, keySetNames);
  checkKind("set", "jwks", given.jwks ?? null, "string");
  const { timeoutMs, maxAgeMs, cooldownMs } = { ...defaultKeySetOptions, ...given };
  for (const [name, value] of Object.entries({ timeoutMs, maxAgeMs, cooldownMs }))
    checkCount("set", name, value, Number.MAX_SAFE_INTEGER);
  return { jwks: given.jwks, timeoutMs, maxAgeMs, cooldownMs };
}

function audienceOf({ audience, acceptAnyAudienceDangerously: mayBeAny = false }: JwtOptions) {
  checkKind("set", "acceptAnyAudienceDangerously", mayBeAny, "boolean");
  if ((audience === undefined) !== mayBeAny) {
    throw refused(
      "jwt takes either an audience, for whom tokens have to be, or acceptAnyAudienceDangerously",
    );
  }
  return namesOf("audience", audience);
}

function namesOf(name: string, given: string | readonly string[] | undefined): string[] | undefined {
  if (given === undefined) return undefined;
  const names: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (names.length > 0 && names.every((item) => typeof item === "string" && item !== ""))
    return names as string[];
  throw refused(`${name} is a text, or several`);
}

function checkedClaims(given: NonNullable<JwtOptions["claims"]>) {
  checkNames("set", "claims", given, claimNames);
  const claims = { ...defaultJwtOptions.claims, ...given };
  for (const [name, value] of Object.entries(claims))
    checkKind("set", `claims.${name}`, value ?? null, "string");
  return claims;
}

/** @throws Refused for a time that is none */
function endOf(exp: number | undefined, toleranceMs: number): number | undefined {
  if (exp === undefined) return undefined;
  const endsAt = Math.round(exp * 1_000) + toleranceMs;
  if (!Number.isSafeInteger(endsAt)) throw new Refused("bad_claims");
  return endsAt;
}

/** The hub itself and its guests bear these; and halves of characters are all the same once stored. */
const TAKEN = /^(?:server$|guest-)|\p{Surrogate}/u;

/** @throws Refused for what is no user, or no info */
function identityOf(user: unknown, info: unknown): Identity {
  const isUser = typeof user === "string" && user !== "" && user.length <= MAX_USER_LENGTH;
  if (!isUser || TAKEN.test(user) || (info !== undefined && !isJsonObject(info)))
    throw new Refused("bad_claims");
  return { user, isGuest: false, info };
}

/** Nothing for what is not the token's fault. */
function reasonOf(error: unknown): JwtRefusalReason | undefined {
  if (error instanceof Refused) return error.reason;
  if (error instanceof errors.JWTExpired) return "expired";
  if (error instanceof errors.JWSSignatureVerificationFailed) return "bad_signature";
  if (error instanceof errors.JOSEAlgNotAllowed) return "algorithm_not_allowed";
  if (error instanceof errors.JOSENotSupported) return "unsupported";
  if (error instanceof errors.JWTClaimValidationFailed) return reasonOfClaim(error);
  return error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid ? "malformed" : undefined;
}

function reasonOfClaim({ claim, reason }: errors.JWTClaimValidationFailed): JwtRefusalReason {
  if (claim === "iss") return "wrong_issuer";
  if (claim === "aud") return "wrong_audience";
  if (claim === "exp" && reason === "missing") return "no_expiry";
  return claim === "nbf" && reason === "check_failed" ? "not_yet_valid" : "bad_claims";
}
