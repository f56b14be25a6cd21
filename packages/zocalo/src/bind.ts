import { UserError } from "./exit-code.ts";
import { flagOf, type SettingName } from "./settings.ts";

/** Something that was opened at an address. */
export interface Bound {
  readonly port: number;
  close(): Promise<void>;
}

/** A door of the server, as messages name it. */
export interface DoorName {
  /** `TCP` */
  readonly label: string;
  /** The setting that moves it. */
  readonly setting: SettingName & `${string}Port`;
}

/** How often a free port is looked for that is free on every loopback address. */
const ATTEMPTS = 20;

/**
 * The addresses a host setting stands for. `localhost` is both loopback addresses, since programs that are
 * told `localhost` try either one first.
 */
function addressesOf(host: string): readonly string[] {
  return host === "localhost" ? ["127.0.0.1", "::1"] : [host];
}

/**
 * Opens a door at every address of `host`, with the same port everywhere. Of `localhost`, an address that
 * this machine does not have (IPv6 may be off) is left out.
 *
 * @param port 0: any port that is free at all of them.
 * @throws UserError with one sentence: which door, where, why not, and how to choose another.
 */
export async function bindEverywhere<B extends Bound>(
  door: DoorName,
  host: string,
  port: number,
  bind: (address: string, port: number) => Promise<B>,
): Promise<B[]> {
  const addresses = addressesOf(host);
  for (let attempt = 1; ; attempt++) {
    const bound: B[] = [];
    let failure: unknown;
    let missing: unknown;
    for (const address of addresses) {
      try {
        bound.push(await bind(address, bound[0]?.port ?? port));
      } catch (error) {
        const isMissing = MISSING.has(codeOf(error));
        if (isMissing) missing = error;
        else failure = error;
        if (!isMissing) break;
      }
    }
    if (bound.length > 0 && failure === undefined) return bound;
    await Promise.all(bound.map((one) => one.close()));
    const isOtherPortWorthTrying = port === 0 && bound.length > 0 && IN_USE.has(codeOf(failure));
    if (!isOtherPortWorthTrying || attempt === ATTEMPTS)
      throw explained(door, host, port, failure ?? missing);
  }
}

const IN_USE: ReadonlySet<string> = new Set(["address_in_use", "EADDRINUSE"]);
const MISSING: ReadonlySet<string> = new Set([
  "address_not_available",
  "unsupported",
  "EADDRNOTAVAIL",
  "EAFNOSUPPORT",
]);
const FORBIDDEN: ReadonlySet<string> = new Set(["permission", "EACCES", "EPERM"]);
const UNKNOWN_NAME: ReadonlySet<string> = new Set([
  "name_not_found",
  "resolver_failed",
  "ENOTFOUND",
  "EAI_AGAIN",
]);

/** One sentence instead of a stack trace. */
function explained({ label, setting }: DoorName, host: string, port: number, error: unknown): UserError {
  const code = codeOf(error);
  const flag = flagOf(setting);
  const start = `Cannot open the ${label} door: `;
  const otherPort = `choose another with ${flag} PORT (0: any free one), or leave this door closed with ${flag} off`;
  if (IN_USE.has(code)) {
    return new UserError(`${start}port ${port} at ${host} is taken already; ${otherPort}.`);
  }
  if (FORBIDDEN.has(code)) {
    return new UserError(`${start}this user may not listen on port ${port} at ${host}; ${otherPort}.`);
  }
  if (MISSING.has(code)) {
    return new UserError(
      `${start}${host} is not an address of this machine; choose another with ${flagOf("host")} HOST.`,
    );
  }
  if (UNKNOWN_NAME.has(code)) {
    return new UserError(
      `${start}no address is known for ${host}; choose another with ${flagOf("host")} HOST.`,
    );
  }
  return new UserError(`${start}${error instanceof Error ? error.message : String(error)}.`);
}

/** The stable code of a `NetError`, or Node's. */
function codeOf(error: unknown): string {
  const code: unknown = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "";
}
