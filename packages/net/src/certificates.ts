import { readFile, stat } from "node:fs/promises";
import { createSecureContext, type SecureContext, type SecureContextOptions } from "node:tls";
import type { FailureSite } from "./failures.ts";
import { argumentError } from "./failures.ts";
import { netErrorFrom } from "./node-error.ts";
import {
  DEFAULT_RELOAD_INTERVAL_MS,
  type TlsCommonOptions,
  type TlsIdentity,
  type TlsListenOptions,
} from "./tls-options.ts";

/** The secure contexts of a listener: read from files, read again when the files change, chosen by name. */
export class Certificates {
  readonly #options: TlsListenOptions;
  readonly #site: FailureSite;
  readonly #intervalMs: number;
  #mainOptions: SecureContextOptions | undefined;
  #main: SecureContext | undefined;
  #byName: ReadonlyMap<string, SecureContext> = new Map();
  #lookedAt = Number.NEGATIVE_INFINITY;
  #stamp = "";
  #looking: Promise<boolean> | undefined;

  constructor(options: TlsListenOptions, site: FailureSite) {
    if (!(options.cert ?? options.certFile) || !(options.key ?? options.keyFile)) {
      throw argumentError("listen", "a TLS listener needs cert or certFile, and key or keyFile");
    }
    this.#options = options;
    this.#site = site;
    this.#intervalMs = options.reloadIntervalMs ?? DEFAULT_RELOAD_INTERVAL_MS;
  }

  /** Reads everything for the first time. @throws NetError `not_found`, `permission`, `tls`. */
  async load(): Promise<void> {
    try {
      this.#stamp = await stampOf(filesOf(this.#options));
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
    const lower = name.toLowerCase();
    return this.#byName.get(lower) ?? this.#byName.get(lower.replace(/^[^.]+/, "*")) ?? this.#main;
  }

  async #look(): Promise<boolean> {
    try {
      const stamp = await stampOf(filesOf(this.#options));
      if (stamp === this.#stamp) return false;
      await this.#read();
      this.#stamp = stamp;
      return true;
    } catch (error) {
      this.#options.onReloadError?.(netErrorFrom(error, this.#site));
      return false;
    } finally {
      this.#lookedAt = performance.now();
      this.#looking = undefined;
    }
  }

  async #read(): Promise<void> {
    const { serverNames = {}, ...options } = this.#options;
    const mainOptions = await secureContextOptions(options);
    const main = createSecureContext(mainOptions);
    const byName = new Map<string, SecureContext>();
    for (const [name, identity] of Object.entries(serverNames)) {
      const { ca, caFile, minVersion } = options;
      const own = await secureContextOptions({ ca, caFile, minVersion, ...identity });
      byName.set(name.toLowerCase(), createSecureContext(own));
    }
    this.#mainOptions = mainOptions;
    this.#main = main;
    this.#byName = byName;
  }
}

/** Reads the files, and puts all into Node's form. */
export async function secureContextOptions(options: TlsCommonOptions): Promise<SecureContextOptions> {
  const [cert, key, ca] = await Promise.all([
    pem(options.cert, options.certFile),
    pem(options.key, options.keyFile),
    pem(options.ca, options.caFile),
  ]);
  return {
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(ca === undefined ? {} : { ca }),
    ...(options.passphrase === undefined ? {} : { passphrase: options.passphrase }),
    minVersion: options.minVersion ?? "TLSv1.2",
    // OpenSSL refuses to resume a session with client certificates where this is not set.
    sessionIdContext: "zocalo",
  };
}

async function pem(
  text: string | Uint8Array | undefined,
  file: string | undefined,
): Promise<Buffer | undefined> {
  if (text !== undefined) return Buffer.from(text);
  return file === undefined ? undefined : readFile(file);
}

function filesOf(options: TlsListenOptions): string[] {
  const identities: (TlsIdentity & { caFile?: string | undefined })[] = [
    options,
    ...Object.values(options.serverNames ?? {}),
  ];
  return identities.flatMap(({ certFile, keyFile, caFile }) =>
    [certFile, keyFile, caFile].filter((file) => file !== undefined),
  );
}

/** Changes when one of the files does, also when it is replaced by another of the same age. */
async function stampOf(files: readonly string[]): Promise<string> {
  const stamps = await Promise.all(
    files.map(async (file) => {
      const { ino, size, mtimeMs, ctimeMs } = await stat(file);
      return [ino, size, mtimeMs, ctimeMs].join(":");
    }),
  );
  return stamps.join(" ");
}
