import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter } from "node:path";
import { pathToFileURL } from "node:url";

/** A real program that tests drive, and the Debian package it comes in. */
export interface Program {
  readonly command: string;
  readonly debianPackage: string;
  /** Where the tests need it. Default: everywhere. */
  readonly platforms?: readonly NodeJS.Platform[];
  /** What the tests do with it, for the sentence that asks for it. */
  readonly purpose: string;
  /** Arguments that make it say who it is; it is judged by what it prints. */
  readonly probe: readonly string[];
  /** True if what the probe printed is the program we mean. */
  readonly isRight: (output: string) => boolean;
}

/** Every program the tests need besides Node. */
export const PROGRAMS: readonly Program[] = [
  {
    command: "chromium",
    debianPackage: "chromium",
    platforms: ["linux"],
    purpose: "the pages are tested in a real browser",
    probe: ["--version"],
    isRight: (output) => /Chrom/.test(output),
  },
  {
    command: "nc",
    debianPackage: "netcat-openbsd",
    platforms: ["linux", "darwin"],
    purpose: "the TCP lines of the README are typed into it",
    probe: ["-h"],
    // Debian's other netcat calls itself by its version, and lacks -N and -U.
    isRight: (output) => output !== "" && !/\[v1\.1\d/.test(output),
  },
  {
    command: "openssl",
    debianPackage: "openssl",
    purpose: "TLS is tested against certificates it makes",
    probe: ["version"],
    isRight: (output) => /SSL/.test(output),
  },
  {
    command: "curl",
    debianPackage: "curl",
    platforms: ["linux"],
    purpose: "it is a peer in the TLS tests",
    probe: ["--version"],
    isRight: (output) => /^curl .*OpenSSL/.test(output),
  },
  {
    command: "socat",
    debianPackage: "socat",
    platforms: ["linux", "darwin"],
    purpose: "it is a peer in the integrity and TLS tests",
    probe: ["-V"],
    isRight: (output) => /socat/.test(output),
  },
  {
    command: "python3",
    debianPackage: "python3",
    platforms: ["linux", "darwin"],
    purpose: "its sockets are peers in the integrity tests",
    probe: ["--version"],
    isRight: (output) => /Python 3/.test(output),
  },
  {
    command: "unshare",
    debianPackage: "util-linux",
    platforms: ["linux"],
    purpose: "it makes networks of their own for the slow links of the integrity tests",
    probe: ["--version"],
    // That of busybox does not say where it comes from.
    isRight: (output) => /util-linux/.test(output),
  },
  {
    command: "ip",
    debianPackage: "iproute2",
    platforms: ["linux"],
    purpose: "it brings the link up there",
    probe: ["-V"],
    isRight: (output) => /iproute2/.test(output),
  },
  {
    command: "tc",
    debianPackage: "iproute2",
    platforms: ["linux"],
    purpose: "it slows the link down",
    probe: ["-V"],
    isRight: (output) => /iproute2/.test(output),
  },
  {
    command: "faketime",
    debianPackage: "faketime",
    platforms: ["linux"],
    purpose: "it sets the clock of a server and of a client",
    probe: ["--version"],
    isRight: (output) => /faketime/.test(output),
  },
];

/** Some of them lie where only root looks by itself. */
const PATH = [process.env["PATH"], "/usr/sbin", "/sbin"].filter((part) => part !== undefined).join(delimiter);

/** Those of `programs` that are not installed, and could be on this platform. */
export function missingPrograms(programs: readonly Program[]): Program[] {
  return programs.filter(({ command, platforms, probe, isRight }) => {
    if (platforms?.includes(process.platform) === false) return false;
    const { stdout, stderr, error } = spawnSync(command, [...probe], {
      encoding: "utf8",
      timeout: 20_000,
      env: { ...process.env, PATH },
    });
    return error !== undefined || !isRight(`${stdout}${stderr}`);
  });
}

/** One sentence for a person who has to install `programs` by hand. */
export function missingSentence(programs: readonly Program[]): string {
  const wanted = programs.map(({ command, purpose }) => `${command} (${purpose})`).join(", ");
  const packages = debianPackages(programs).join(" ");
  return `The tests need ${wanted}: install it, on Debian with \`sudo apt-get install ${packages}\`, and run them again.`;
}

/** What they come in, each once. */
function debianPackages(programs: readonly Program[]): string[] {
  return [...new Set(programs.map(({ debianPackage }) => debianPackage))];
}

/**
 * How long to wait for another process that holds apt's locks, in milliseconds: unattended upgrades of a
 * fresh machine take minutes.
 */
const LOCK_TIMEOUT_MS = 15 * 60_000;
/** How often to look whether it still does, in milliseconds. */
const LOCK_RETRY_MS = 1_000;
/**
 * What apt-get and dpkg say then, in the C locale. `DPkg::Lock::Timeout` waits for one of their three locks
 * only.
 */
const IS_LOCKED =
  /Could not get lock|Unable to acquire the dpkg|Unable to lock|(?:is|was) locked by another process/;

/** How `aptGet` waits. */
export interface AptOptions {
  /** How long for other processes' locks, in milliseconds. Default 15 minutes. */
  readonly lockTimeoutMs?: number | undefined;
  /** Tells whoever looks on. Default: on the terminal. */
  readonly say?: ((sentence: string) => void) | undefined;
}

/**
 * Runs apt-get. Where another process holds a lock it says so, once, and waits until that has gone or the
 * time is up.
 *
 * @returns undefined if all went well, otherwise what it printed.
 */
export async function aptGet(args: readonly string[], options: AptOptions = {}): Promise<string | undefined> {
  const { lockTimeoutMs = LOCK_TIMEOUT_MS, say = (sentence) => console.log(sentence) } = options;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" };
  const endsAt = performance.now() + lockTimeoutMs;
  for (let isFirst = true; ; isFirst = false) {
    const { status, stdout, stderr, error } = spawnSync("apt-get", ["-q", ...args], {
      env,
      encoding: "utf8",
    });
    if (status === 0) return undefined;
    const output = error === undefined ? `${stdout}${stderr}` : error.message;
    if (!IS_LOCKED.test(output) || performance.now() >= endsAt) return output;
    if (isFirst) {
      const holder = /held by (process \d+(?: \([^)]*\))?)/.exec(output)?.[1] ?? "another process";
      say(
        `Waiting for apt: ${holder} holds its lock (for ${Math.ceil(lockTimeoutMs / 60_000)} minutes at most).`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, LOCK_RETRY_MS));
  }
}

/**
 * Installs what is missing where that needs no question (root on Debian).
 *
 * @returns undefined when every program is there, otherwise the sentence that says what to install.
 */
export async function ensurePrograms(programs: readonly Program[] = PROGRAMS): Promise<string | undefined> {
  const missing = missingPrograms(programs);
  if (missing.length === 0) return undefined;
  const isRootOnDebian = process.getuid?.() === 0 && existsSync("/etc/debian_version");
  if (isRootOnDebian) {
    const packages = debianPackages(missing);
    console.log(`Installing ${packages.join(", ")} with apt-get: the tests drive the real programs.`);
    for (const args of [["update"], ["install", "-y", "--no-install-recommends", ...packages]]) {
      const failure = await aptGet(args);
      if (failure !== undefined) console.error(failure);
    }
  }
  const stillMissing = isRootOnDebian ? missingPrograms(missing) : missing;
  return stillMissing.length === 0 ? undefined : missingSentence(stillMissing);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const sentence = await ensurePrograms();
  if (sentence !== undefined) {
    console.error(sentence);
    process.exitCode = 1;
  }
}
