/** Test files that cannot run on a platform. */
export interface LeftOut {
  readonly platforms: readonly NodeJS.Platform[];
  /** What is not there. CONTRIBUTING.md says it in the same words. */
  readonly reason: string;
  /** Parts of their paths. */
  readonly files: readonly string[];
}

/**
 * What only Linux has as a whole, and what Windows lacks. Tests within other files skip themselves and say
 * why.
 */
export const LEFT_OUT: readonly LeftOut[] = [
  {
    platforms: ["darwin", "win32"],
    reason: "networks of their own, slowed down (namespaces, `tc`)",
    files: ["packages/net/test/faults-link", "packages/net/test/faults-netem", "packages/net/test/slow-link"],
  },
  {
    platforms: ["darwin", "win32"],
    reason: "Debian's Chromium",
    files: [
      "packages/websocket/test/own-names",
      "test/arena.",
      "test/browser-store",
      "test/e2e.",
      "test/page-policy",
      "test/rebinding",
      "test/websocket-chromium",
    ],
  },
  {
    platforms: ["darwin", "win32"],
    reason: "Debian's faketime",
    files: ["test/clock-set", "test/torture/"],
  },
  {
    platforms: ["darwin", "win32"],
    reason: "Debian's curl, nc and shell",
    files: ["packages/zocalo/test/terminal-", "test/readme-shell", "test/tls-clients", "test/tls-servers"],
  },
  {
    platforms: ["win32"],
    reason: "Unix sockets in files, and their modes",
    files: [
      "packages/client/src/node/file-store",
      "packages/net/test/errors",
      "packages/net/test/faults.",
      "packages/net/test/framing",
      "packages/net/test/one-visitor",
      "packages/net/test/option-",
      "packages/net/test/unix-file",
    ],
  },
  {
    platforms: ["win32"],
    reason: "signals, and programs that Windows does not come with (socat, python3)",
    files: [
      "packages/net/test/integrity/",
      "packages/net/test/listener",
      "packages/net/test/tls-",
      "packages/websocket/test/integrity/",
      "packages/zocalo/test/",
      "test/hostile",
      "test/mutants",
      "test/readme.",
      "test/standing-still",
      "test/tls-swap",
    ],
  },
];

/** Splits test files into those that run on `platform`, and those that are left out there with the reason. */
export function forPlatform(
  files: readonly string[],
  platform: NodeJS.Platform = process.platform,
  table: readonly LeftOut[] = LEFT_OUT,
): { readonly files: string[]; readonly leftOut: ReadonlyMap<string, readonly string[]> } {
  const leftOut = new Map<string, string[]>();
  const kept = files.filter((file) => {
    const found = table.find(
      (entry) => entry.platforms.includes(platform) && entry.files.some((part) => file.startsWith(part)),
    );
    if (found === undefined) return true;
    leftOut.set(found.reason, [...(leftOut.get(found.reason) ?? []), file]);
    return false;
  });
  return { files: kept, leftOut };
}
