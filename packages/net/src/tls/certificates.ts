import { createHash, type X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { domainToASCII } from "node:url";
import { createSecureContext, type SecureContext, type SecureContextOptions } from "node:tls";
import type { NetError } from "../contracts/error.ts";
import { asError, type FailureSite } from "../contracts/failures.ts";
import { checkIdentityFor } from "./check-tls-options.ts";
import { withoutDot } from "./client-hello.ts";
import { netErrorFrom } from "../contracts/node-error.ts";
import { PemReader, type PemSource } from "./pem.ts";
import {
  DEFAULT_RELOAD_INTERVAL_MS,
  type TlsCommonOptions,
  type TlsIdentity,
  type TlsServerOptions,
} from "../options/tls-options.ts";
import { tell } from "../flow/told.ts";
import { untilCanceled } from "../flow/abort-listeners.ts";

/**
 * How often files are read again that change while they are read, as where a link to a directory is moved to
 * another.
 */
const MAX_READS = 5;

/** When a certificate is valid, in milliseconds since 1970. */
interface Validity {
  readonly from: number;
  readonly until: number;
}

/** What Node needs of a set of files, and when their certificate is valid. */
interface Material {
  readonly options: SecureContextOptions;
  readonly validity: Validity;
}

/** The secure contexts of a listener: read from files, read again when the files change, chosen by name. */
export class Certificates {
  readonly #options: TlsServerOptions;
  readonly #site: FailureSite;
  readonly #intervalMs: number;
  #mainOptions: SecureContextOptions | undefined;
  #main: SecureContext | undefined;
  #byName: ReadonlyMap<string, SecureContext> = new Map();
  /** When the certificates in use are valid, by name; that of the main one is `""`. */
  #validity: ReadonlyMap<string, Validity> = new Map();
  /** Of what `identityFor` gave. */
  readonly #byIdentity = new WeakMap<TlsIdentity, SecureContext>();
  /** The same for the handshakes under way, by name. */
  readonly #chosen = new Map<string, { context: SecureContext; handshakes: number }>();
  #lookedAt = Number.NEGATIVE_INFINITY;
  #stamp = "";
  #looking: Promise<boolean> | undefined;
  /** The reason that `onReloadError` was told last, since files could be used. */
  #lastFailure: string | undefined;

  /** @param options as `checkTlsServerOptions` wants them. */
  constructor(options: TlsServerOptions, site: FailureSite) {
    this.#options = options;
    this.#site = site;
    this.#intervalMs = options.reloadIntervalMs ?? DEFAULT_RELOAD_INTERVAL_MS;
  }

  /** Reads everything for the first time. @throws NetError as `secureContextOptions`. */
  async load(): Promise<void> {
    try {
      await this.#read();
      this.#lookedAt = performance.now();
    } catch (error) {
      throw netErrorFrom(error, this.#site);
    }
  }

  /** Looks at the files if it is time to; true if there are new certificates. Never rejects. */
  refresh(): Promise<boolean> {
    if (performance.now() - this.#lookedAt < this.#intervalMs) return Promise.resolve(false);
    this.#looking ??= this.#look();
    return this.#looking;
  }

  /** What makes the context for clients that ask for no name; `undefined` before `load`. */
  get mainOptions(): SecureContextOptions | undefined {
    return this.#mainOptions;
  }

  /** The context for a name: its own, that of a wildcard for its domain, or the main one. */
  forName(name: string): SecureContext | undefined {
    const lower = withoutDot(name).toLowerCase();
    return this.#named(lower) ?? this.#chosen.get(lower)?.context ?? this.#main;
  }

  #named(lower: string): SecureContext | undefined {
    return this.#byName.get(lower) ?? this.#byName.get(lower.replace(/^[^.]+/, "*"));
  }

  /**
   * Asks `identityFor` for a name that is not known, for one handshake: until it is over, `forName` gives the
   * answer.
   *
   * @returns to be called when the handshake is over.
   * @throws what `identityFor` throws, and NetError.
   */
  async choose(name: string | undefined): Promise<() => void> {
    const { identityFor } = this.#options;
    if (name === undefined || identityFor === undefined || this.#named(name) !== undefined) return ignore;
    const identity = await identityFor(name);
    if (identity === undefined) return ignore;
    checkIdentityFor(name, identity);
    const context = await this.#contextOf(identity);
    const chosen = this.#chosen.get(name) ?? { context, handshakes: 0 };
    chosen.context = context;
    chosen.handshakes++;
    this.#chosen.set(name, chosen);
    return () => {
      if (--chosen.handshakes === 0) this.#chosen.delete(name);
    };
  }

  /** Parses it if it has not been. */
  async #contextOf(identity: TlsIdentity): Promise<SecureContext> {
    const known = this.#byIdentity.get(identity);
    if (known !== undefined) return known;
    const { options } = await this.#materialOf(identity);
    const context = createSecureContext(options);
    this.#byIdentity.set(identity, context);
    return context;
  }

  /** An identity, with what all of this listener have in common. */
  #materialOf({ cert, certFile, key, keyFile, passphrase }: TlsIdentity): Promise<Material> {
    const own = { cert, certFile, key, keyFile, passphrase };
    return materialOf({ ...this.#options, ...own }, this.#site);
  }

  async #look(): Promise<boolean> {
    try {
      const isNew = (await stampOf(filesOf(this.#options))) !== this.#stamp;
      if (isNew) await this.#read();
      this.#lastFailure = undefined;
      return isNew;
    } catch (error) {
      this.#failed(netErrorFrom(error, this.#site));
      return false;
    } finally {
      this.#lookedAt = performance.now();
      this.#looking = undefined;
    }
  }

  #failed(error: NetError): void {
    if (error.message === this.#lastFailure) return;
    this.#lastFailure = error.message;
    tell(this.#options.onReloadError, error);
  }

  /** Reads all, and again if it changed meanwhile: the certificate may be of before and its key of after. */
  async #read(): Promise<void> {
    const files = filesOf(this.#options);
    for (let reads = 1; ; reads++) {
      const stamp = await stampOf(files);
      try {
        await this.#readOnce();
        this.#stamp = stamp;
        if (reads === MAX_READS || (await stampOf(files)) === stamp) return;
      } catch (error) {
        if (reads === MAX_READS || (await stampOf(files)) === stamp) throw error;
      }
    }
  }

  async #readOnce(): Promise<void> {
    const { serverNames = {}, ...options } = this.#options;
    const main = await materialOf(options, this.#site);
    const validity = new Map([["", main.validity]]);
    const byName = new Map<string, SecureContext>();
    for (const [written, identity] of Object.entries(serverNames)) {
      const own = await this.#materialOf(identity);
      const name = asLabels(written);
      validity.set(name, own.validity);
      byName.set(name, createSecureContext(own.options));
    }
    this.#refuseInvalid(validity);
    this.#main = createSecureContext(main.options);
    const { ticketKeys } = this.#options;
    this.#mainOptions =
      ticketKeys === undefined ? main.options : { ...main.options, ticketKeys: Buffer.from(ticketKeys) };
    this.#byName = byName;
    this.#validity = validity;
  }

  /**
   * A certificate that is valid is not given up for one that no longer is, or not yet. At the start there is
   * no better one.
   */
  #refuseInvalid(offered: ReadonlyMap<string, Validity>): void {
    const now = Date.now();
    const isValid = ({ from, until }: Validity): boolean => from <= now && now < until;
    for (const [name, validity] of offered) {
      const inUse = this.#validity.get(name);
      if (inUse === undefined || !isValid(inUse) || isValid(validity)) continue;
      const { certFile = "cert" } = (name === "" ? this.#options : this.#identityOf(name)) ?? {};
      const { from, until } = validity;
      const what =
        from > now
          ? `is not valid before ${new Date(from).toISOString()}, and the certificate in use is`
          : `has expired on ${new Date(until).toISOString()}, and the certificate in use has not`;
      throw new PemReader(this.#site).fault({ text: "", name: certFile }, what);
    }
  }

  #identityOf(name: string): TlsIdentity | undefined {
    const found = Object.entries(this.#options.serverNames ?? {}).find(
      ([written]) => asLabels(written) === name,
    );
    return found?.[1];
  }
}

/** A name of `serverNames` as it is asked for. */
function asLabels(written: string): string {
  return domainToASCII(withoutDot(written));
}

/**
 * Reads and parses all that is given as text or by file.
 *
 * @param signal ends the wait for a file that comes from somewhere slow, such as a FIFO. Node goes on
 * reading.
 * @throws NetError `not_found`, `permission`, `tls`, `invalid_argument` for a directory or a socket, which
 * name the file; the reason of `signal`.
 */
export async function secureContextOptions(
  options: TlsCommonOptions,
  site: FailureSite,
  signal?: AbortSignal,
): Promise<SecureContextOptions> {
  const reading = materialOf(options, site);
  return (await untilCanceled(reading, signal, ({ reason }) => asError(reason))).options;
}

/** What is looked at of an identity's options; of a client there is no `clientCertificates`. */
type MaterialOptions = TlsCommonOptions & Pick<TlsServerOptions, "clientCertificates">;

async function materialOf(options: MaterialOptions, site: FailureSite): Promise<Material> {
  const [cert, key, ca, crl] = await firstFailureOf([
    source("cert", options.cert, options.certFile),
    source("key", options.key, options.keyFile),
    source("ca", options.ca, options.caFile),
    source("crl", options.crl, options.crlFile),
  ]);
  const reader = new PemReader(site);
  const { passphrase, minVersion, maxVersion, ciphers } = options;
  const chain = cert && reader.certificates(cert);
  const privateKey = key && reader.privateKey(key, passphrase);
  if (cert && chain && key && privateKey && !chain.certificates[0].checkPrivateKey(privateKey.key)) {
    throw reader.fault(key, `is not the private key of the certificate in ${cert.name}`);
  }
  return {
    options: {
      ...(chain === undefined ? {} : { cert: chain.pem }),
      ...(privateKey === undefined ? {} : { key: privateKey.pem }),
      ...(ca === undefined ? {} : { ca: reader.certificates(ca).pem }),
      // Of each text Node takes the first list only.
      ...(crl === undefined ? {} : { crl: reader.revocationLists(crl) }),
      ...(passphrase === undefined ? {} : { passphrase }),
      minVersion: minVersion ?? "TLSv1.2",
      ...(maxVersion === undefined ? {} : { maxVersion }),
      ...(ciphers === undefined ? {} : { ciphers }),
      sessionIdContext: trustOf(options.clientCertificates, ca, crl),
    },
    validity: validityOf(chain?.certificates[0]),
  };
}

/**
 * Names what is asked of clients. OpenSSL resumes a session only where it is the same: else one that was made
 * where nobody is asked, or by another authority, would let a client in that shares the ticket keys. At most
 * 32 bytes.
 */
function trustOf(asked = "none", ca: PemSource | undefined, crl: PemSource | undefined): string {
  const trust = JSON.stringify([asked, ca?.text, crl?.text]);
  return createHash("sha256").update(trust).digest("hex").slice(0, 32);
}

function validityOf(certificate: X509Certificate | undefined): Validity {
  if (certificate === undefined) return { from: Number.NEGATIVE_INFINITY, until: Number.POSITIVE_INFINITY };
  return { from: Date.parse(certificate.validFrom), until: Date.parse(certificate.validTo) };
}

/**
 * All results; else the failure that stands first in the list, and not the one that came first, which would
 * be another one each time.
 */
async function firstFailureOf<T>(list: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(list);
  const results: T[] = [];
  for (const each of list) results.push(await each);
  return results;
}

async function source(
  option: string,
  given: string | Uint8Array | undefined,
  file: string | undefined,
): Promise<PemSource | undefined> {
  if (given !== undefined) {
    return { text: typeof given === "string" ? given : Buffer.from(given).toString("latin1"), name: option };
  }
  return file === undefined ? undefined : { text: await textOf(file), name: file };
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, "latin1");
  } catch (error) {
    // Node names the file where it could not be opened, and not where it could not be read.
    if (error instanceof Error && !("path" in error)) Object.assign(error, { path: file });
    throw error;
  }
}

function filesOf(options: TlsServerOptions): string[] {
  const { caFile, crlFile } = options;
  const identities: TlsIdentity[] = [options, ...Object.values(options.serverNames ?? {})];
  const own = identities.flatMap(({ certFile, keyFile }) => [certFile, keyFile]);
  return [...own, caFile, crlFile].filter((file) => file !== undefined);
}

/** Changes when one of the files does, also when it is replaced by another of the same age. */
async function stampOf(files: readonly string[]): Promise<string> {
  const stamps = await firstFailureOf(
    files.map(async (file) => {
      const { ino, size, mtimeMs, ctimeMs } = await stat(file);
      return [ino, size, mtimeMs, ctimeMs].join(":");
    }),
  );
  return stamps.join(" ");
}

function ignore(): void {
  // Nothing was chosen.
}
