// Makes tokens for tests, good and bad, without the library that judges them.
import { createHmac, generateKeyPairSync, type JsonWebKey, type KeyObject, sign } from "node:crypto";

const base64url = (value: unknown): string =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** A signature of these bytes in base64url. */
type Sign = (bytes: string) => string;

/** A token with this header and these claims, whatever they are. */
export function token(header: unknown, claims: unknown, signed: Sign): string {
  const bytes = `${base64url(header)}.${base64url(claims)}`;
  return `${bytes}.${signed(bytes)}`;
}

/** Signs with a secret. */
export function hmac(secret: string | Buffer, hash = "sha256"): Sign {
  return (bytes) => createHmac(hash, secret).update(bytes).digest("base64url");
}

/** Signs with a private key: RSA, EC or Ed25519. */
export function signature(key: KeyObject, hash: string | null = "sha256", padding?: number): Sign {
  return (bytes) =>
    sign(hash, Buffer.from(bytes), {
      key,
      dsaEncoding: "ieee-p1363",
      ...(padding === undefined ? {} : { padding, saltLength: 32 }),
    }).toString("base64url");
}

/** Key pairs, made once. */
export const pairs = {
  rsa: generateKeyPairSync("rsa", { modulusLength: 2_048 }),
  other: generateKeyPairSync("rsa", { modulusLength: 2_048 }),
  weak: generateKeyPairSync("rsa", { modulusLength: 1_024 }),
  p256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  p384: generateKeyPairSync("ec", { namedCurve: "P-384" }),
  p521: generateKeyPairSync("ec", { namedCurve: "P-521" }),
  ed25519: generateKeyPairSync("ed25519"),
};

/** A public key as PEM. */
export const pem = ({ publicKey }: { readonly publicKey: KeyObject }): string =>
  publicKey.export({ type: "spki", format: "pem" }).toString();

/** A public key of a set. */
export const jwk = ({ publicKey }: { readonly publicKey: KeyObject }, more: object = {}): JsonWebKey => ({
  ...publicKey.export({ format: "jwk" }),
  ...more,
});
