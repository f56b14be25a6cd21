import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";

/** A real program that tests drive, and the Debian package it comes in. */
export interface Program {
  readonly command: string;
  readonly debianPackage: string;
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
    purpose: "the pages are tested in a real browser",
    probe: ["--version"],
    isRight: (output) => /Chrom/.test(output),
  },
  {
    command: "nc",
    debianPackage: "netcat-openbsd",
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
    command: "socat",
    debianPackage: "socat",
    purpose: "it is a peer in the integrity tests",
    probe: ["-V"],
    isRight: (output) => /socat/.test(output),
  },
  {
    command: "python3",
    debianPackage: "python3",
    purpose: "its sockets are peers in the integrity tests",
    probe: ["--version"],
    isRight: (output) => /Python 3/.test(output),
  },
];

/** Those of `programs` that are not installed. */
export function missingPrograms(programs: readonly Program[]): Program[] {
  return programs.filter(({ command, probe, isRight }) => {
    const { stdout, stderr, error } = spawnSync(command, [...probe], { encoding: "utf8", timeout: 20_000 });
    return error !== undefined || !isRight(`${stdout}${stderr}`);
  });
}

/** One sentence for a person who has to install `programs` by hand. */
export function missingSentence(programs: readonly Program[]): string {
  const wanted = programs.map(({ command, purpose }) => `${command} (${purpose})`).join(", ");
  const packages = programs.map(({ debianPackage }) => debianPackage).join(" ");
  return `The tests need ${wanted}: install it, on Debian with \`sudo apt-get install ${packages}\`, and run them again.`;
}

/**
 * Installs what is missing where that needs no question (root on Debian).
 *
 * @returns undefined when every program is there, otherwise the sentence that says what to install.
 */
export function ensurePrograms(programs: readonly Program[] = PROGRAMS): string | undefined {
  const missing = missingPrograms(programs);
  if (missing.length === 0) return undefined;
  const isRootOnDebian = process.getuid?.() === 0 && existsSync("/etc/debian_version");
  if (isRootOnDebian) {
    const packages = missing.map(({ debianPackage }) => debianPackage);
    console.log(`Installing ${packages.join(", ")} with apt-get: the tests drive the real programs.`);
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    for (const args of [["update"], ["install", "-y", "--no-install-recommends", ...packages]]) {
      const { status, stdout, stderr } = spawnSync("apt-get", ["-q", ...args], { env, encoding: "utf8" });
      if (status !== 0) console.error(`${stdout ?? ""}${stderr ?? ""}`);
    }
  }
  const stillMissing = isRootOnDebian ? missingPrograms(missing) : missing;
  return stillMissing.length === 0 ? undefined : missingSentence(stillMissing);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const sentence = ensurePrograms();
  if (sentence !== undefined) {
    console.error(sentence);
    process.exitCode = 1;
  }
}
