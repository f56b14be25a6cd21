import { createPublicKey, createSecretKey, type JsonWebKey, type KeyObject } from "node:crypto";
import { NetError } from "@zocalo/net";

/** A key, and what it may be used for: that follows from the key, never from a token. */
export interface VerificationKey {
  readonly key: KeyObject;
  /** Names of RFC 7518 and RFC 8037. */
  readonly algorithms: readonly string[];
  /** Which of several keys it is. */
  readonly kid: string | undefined;
}

/** RFC 7518, 3.2: a secret is as long as the hash, or longer. In bytes, and what it is enough for. */
const HMAC = [
  [32, "HS256"],
  [48, "HS384"],
  [64, "HS512"],
] as const;
const LEAST_SECRET_BYTES = HMAC[0][0];
/** RFC 7518, 3.3. */
const LEAST_RSA_BITS = 2_048;
const RSA = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
const CURVES: Readonly<Record<string, readonly string[]>> = {
  prime256v1: ["ES256"],
  secp384r1: ["ES384"],
  secp521r1: ["ES512"],
};
const ED25519 = ["EdDSA", "Ed25519"];

/** What is no secret, though it may pass for one: then whoever knows a public key could sign. */
const NOT_SECRET = /-----BEGIN |^\s*\{[^]*"kty"/;

/** @throws NetError `invalid_argument` for one that is too short, or a public key */
export function secretKey(secret: string | Uint8Array): VerificationKey {
  const bytes = Buffer.from(typeof secret === "string" ? Buffer.from(secret) : secret);
  if (NOT_SECRET.test(bytes.toString("latin1"))) {
    throw refused("the secret is a key in PEM, or a JWK: give it as publicKey, or whoever knows it can sign");
  }
  if (bytes.length < LEAST_SECRET_BYTES) {
    throw refused(`the secret has ${bytes.length} bytes; it has at least ${LEAST_SECRET_BYTES}, at random`);
  }
  const algorithms = HMAC.filter(([least]) => bytes.length >= least).map(([, name]) => name);
  return { key: createSecretKey(bytes), algorithms, kid: undefined };
}

/**
 * @param given PEM (SPKI, PKCS #1 or a certificate) or a JWK
 * @throws NetError `invalid_argument` for a private or symmetric key, a weak one, and what is none
 */
export function publicKey(given: string | JsonWebKey): VerificationKey {
  const isText = typeof given === "string";
  if (isText ? /PRIVATE KEY/.test(given) : given["d"] !== undefined || given.kty === "oct") {
    throw refused("the key is private, or a secret; a public key is enough to check tokens");
  }
  let key: KeyObject;
  try {
    key = createPublicKey(isText ? given : { key: given, format: "jwk" });
  } catch {
    throw refused("there is no public key in what was given; it is PEM, or a JWK"); // the cause may quote it
  }
  const { alg, kid, use } = isText ? {} : given;
  const algorithms = algorithmsOf(key).filter((name) => alg === undefined || alg === name);
  if (algorithms.length === 0 || (use !== undefined && use !== "sig")) {
    const allowed = `RSA of ${LEAST_RSA_BITS} bits or more, P-256, P-384, P-521 and Ed25519`;
    throw refused(`the key cannot check tokens; ${allowed} can`);
  }
  return { key, algorithms, kid: typeof kid === "string" ? kid : undefined };
}

function algorithmsOf(key: KeyObject): readonly string[] {
  const { modulusLength = 0, namedCurve = "" } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case "rsa":
      return modulusLength >= LEAST_RSA_BITS ? RSA : [];
    case "ec":
      return CURVES[namedCurve] ?? [];
    case "ed25519":
      return ED25519;
    default:
      return [];
  }
}

/** What was given cannot be. */
export function refused(reason: string): NetError {
  return new NetError({ op: "set", code: "invalid_argument", reason });
}
