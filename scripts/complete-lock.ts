/** As much of a package-lock.json as is read here. */
export interface Lock {
  packages: Record<string, LockedPackage>;
}

/** One entry of a lock file. */
export interface LockedPackage {
  readonly version?: string;
  readonly license?: string;
  readonly dev?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const SYSTEMS = [
  "android",
  "darwin",
  "freebsd",
  "linux",
  "netbsd",
  "openbsd",
  "openharmony",
  "sunos",
  "win32",
];
const PROCESSORS = ["arm64", "arm", "ia32", "loong64", "mips64el", "ppc64", "riscv64", "s390x", "x64"];

/**
 * Adds the optional binaries of other platforms that an install behind a partial mirror leaves out of the
 * lock.
 *
 * npm writes a lock without the packages its registry does not carry, and `npm ci` then refuses that lock.
 * What is added has no integrity and is only ever installed on its own platform. Changes `lock`.
 *
 * @returns the names that were added.
 */
export function completeLock(lock: Lock): string[] {
  const added: string[] = [];
  for (const [path, parent] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
      const words = name.split(/[/-]/);
      const os = SYSTEMS.find((system) => words.includes(system));
      const cpu = PROCESSORS.find((processor) => words.includes(processor));
      const key = `node_modules/${name}`;
      const isThere = lock.packages[key] !== undefined || lock.packages[`${path}/${key}`] !== undefined;
      if (isThere || os === undefined || cpu === undefined) continue;
      const libc = words.some((word) => word.startsWith("musl")) ? "musl" : "glibc";
      const entry = {
        version,
        cpu: [cpu],
        ...(parent.dev === true && { dev: true }),
        ...(os === "linux" && { libc: [libc] }),
        ...(parent.license !== undefined && { license: parent.license }),
        optional: true,
        os: [os],
      };
      lock.packages[key] = entry;
      added.push(name);
    }
  }
  if (added.length > 0) {
    const entries = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, "en"));
    lock.packages = Object.fromEntries(entries);
  }
  return added;
}
