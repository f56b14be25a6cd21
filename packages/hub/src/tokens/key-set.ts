import type { JsonWebKey } from "node:crypto";
import { open } from "node:fs/promises";
import type { Clock } from "../primitives/clock.ts";
import { publicKey, refused, type VerificationKey } from "./verification-key.ts";

/** Where a set of keys is had, and how often. */
export interface KeySetOptions {
  /**
   * A JWK set (RFC 7517): the path of a file, or an `https:` URL; `http:` only on this machine. Redirects are
   * not followed. At most 262,144 bytes and 64 keys; those that cannot check tokens are left out.
   */
  readonly jwks: string;
  /** How long the host may take, in milliseconds. Default 5,000. */
  readonly timeoutMs?: number;
  /**
   * After how long it is asked for again, in milliseconds. Meanwhile, and for as long as the host hangs or is
   * broken, the last good set is used: a key that is taken back there counts until it answers. Default
   * 600,000.
   */
  readonly maxAgeMs?: number;
  /**
   * A token that names an unknown key has the set asked for again, at most once in this time, in
   * milliseconds. Default 30,000.
   */
  readonly cooldownMs?: number;
}

/** Used where `KeySetOptions` leaves a field out. */
export const defaultKeySetOptions = { timeoutMs: 5_000, maxAgeMs: 600_000, cooldownMs: 30_000 } as const;

const MOST_BYTES = 262_144;
const MOST_KEYS = 64;
/** While there is no set it is asked for at most once in so many milliseconds. */
const RETRY_MS = 2_000;
/** Where `http:` cannot be read by others. */
const THIS_MACHINE = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** The keys of somebody who changes them. */
export class KeySet {
  readonly #source: URL | string;
  readonly #options: Required<KeySetOptions>;
  readonly #clock: Clock;
  #keys: readonly VerificationKey[] | undefined;
  #loadedAt = 0;
  /** When it may be asked for again. */
  #nextAt = Number.NEGATIVE_INFINITY;
  #loading: Promise<void> | undefined;
  /** Why there is no newer set. */
  #trouble: Error | undefined;

  /** @throws NetError `invalid_argument` for a URL of another kind */
  constructor(options: Required<KeySetOptions>, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
    this.#source = sourceOf(options.jwks);
  }

  /** Those that fit, as they are known now. Waits for nobody; what is old is asked for meanwhile. */
  had(fits: (key: VerificationKey) => boolean): readonly VerificationKey[] {
    const found = this.#keys?.filter(fits) ?? [];
    const isOld = this.#clock.uptime() - this.#loadedAt >= this.#options.maxAgeMs;
    if (found.length > 0 && isOld) void this.#load();
    return found;
  }

  /**
   * Gives those that fit of a newer set, if that may be asked for.
   *
   * @throws Error where that cannot be had
   */
  async find(fits: (key: VerificationKey) => boolean): Promise<readonly VerificationKey[]> {
    await this.#load();
    const newer = this.#keys?.filter(fits) ?? [];
    if (newer.length === 0 && this.#trouble) throw this.#trouble;
    return newer;
  }

  /** Nothing if it was asked for just now. Never rejects. */
  #load(): Promise<void> | undefined {
    const now = this.#clock.uptime();
    if (this.#loading === undefined && now >= this.#nextAt) {
      this.#nextAt = now + (this.#keys ? this.#options.cooldownMs : RETRY_MS);
      this.#loading = this.#take(now);
    }
    return this.#loading;
  }

  async #take(now: number): Promise<void> {
    const aborter = new AbortController();
    const { timeoutMs } = this.#options;
    const timer = this.#clock.after(timeoutMs, () => aborter.abort(new Error(`nothing in ${timeoutMs} ms`)));
    try {
      this.#keys = keysOf(await textOf(this.#source, aborter.signal));
      this.#loadedAt = now;
      this.#nextAt = now + this.#options.cooldownMs;
      this.#trouble = undefined;
    } catch (cause) {
      this.#trouble = new Error(`the keys of ${shownSource(this.#source)} cannot be had`, { cause });
    }
    timer.cancel();
    this.#loading = undefined;
  }
}

function sourceOf(jwks: string): URL | string {
  if (jwks === "") throw refused("jwks is empty; it is the path of a file, or an https: URL");
  if (!/^[a-z][a-z\d+.-]+:/i.test(jwks)) return jwks;
  const url = URL.canParse(jwks) ? new URL(jwks) : undefined;
  const isSafe = url?.protocol === "https:" || (url?.protocol === "http:" && THIS_MACHINE.test(url.hostname));
  if (!url || !isSafe || url.username !== "" || url.password !== "") {
    throw refused("jwks is the path of a file, or an https: URL without a user; http: only on this machine");
  }
  return url;
}

/** A query may have a secret. */
function shownSource(source: URL | string): string {
  return typeof source === "string" ? source : source.origin + source.pathname;
}

async function textOf(source: URL | string, signal: AbortSignal): Promise<string> {
  if (typeof source === "string") return fileText(source);
  const response = await fetch(source, {
    redirect: "error",
    signal,
    headers: { accept: "application/jwk-set+json, application/json" },
  });
  const reader = response.body?.getReader();
  try {
    if (response.status !== 200) throw new Error(`the host answered ${response.status}`);
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for (let part = await reader?.read(); part?.value; part = await reader?.read()) {
      bytes += part.value.length;
      if (bytes > MOST_BYTES) throw tooLarge();
      parts.push(part.value);
    }
    return Buffer.concat(parts).toString();
  } finally {
    // What is left of it nobody wants; whether that is taken in order or not is the host's matter.
    reader?.cancel().catch(() => {});
  }
}

async function fileText(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MOST_BYTES + 1), 0, MOST_BYTES + 1, 0);
    if (bytesRead > MOST_BYTES) throw tooLarge();
    return buffer.toString("utf8", 0, bytesRead);
  } finally {
    await file.close();
  }
}

function tooLarge(): Error {
  return new Error(`a set of keys is at most ${MOST_BYTES} bytes`);
}

/** @throws Error for what is no set of keys, or has none that can check tokens */
function keysOf(text: string): readonly VerificationKey[] {
  const { keys } = Object(JSON.parse(text)) as { keys?: unknown };
  if (!Array.isArray(keys)) throw new Error('there is no array "keys" in it');
  if (keys.length > MOST_KEYS) throw new Error(`a set has at most ${MOST_KEYS} keys`);
  const usable = keys.flatMap((jwk: unknown) => {
    try {
      return publicKey(Object(jwk) as JsonWebKey);
    } catch {
      return []; // of another kind, for another use: sets have such
    }
  });
  if (usable.length === 0) throw new Error("it has no key that can check tokens");
  return usable;
}
