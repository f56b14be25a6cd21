import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** What is read here of an entry of package-lock.json. */
export interface SuppliedPackage {
  readonly version?: string;
  readonly integrity?: string;
  /** A workspace: it is this repository. */
  readonly link?: boolean;
  readonly dev?: boolean;
  readonly optional?: boolean;
  /** The systems that it is for; none means all. */
  readonly os?: readonly string[];
  readonly hasInstallScript?: boolean;
}

/** The entries of a lock file, by where they are installed. */
export type SuppliedPackages = Readonly<Record<string, SuppliedPackage>>;

const MODULES = "node_modules/";
/** A hash that npm checks: SHA-512, 64 bytes in base64. */
const INTEGRITY = /^sha512-[A-Za-z\d+/]{86}==$/;
/** A commit, not a tag or a branch, which others can move. */
const PINNED_ACTION = /@[\da-f]{40}$/;
/** An image by its content. */
const PINNED_IMAGE = /@sha256:[\da-f]{64}$/;
/** Files that name actions and images, by their path from the root. */
const NAMES_OTHERS = /^\.(?:github|ci)\/|(?:^|\/)(?:Dockerfile|Containerfile|(?:docker-)?compose\b)[^/]*$/i;
/** Directories of what was installed or made. */
const SKIPPED = new Set(["node_modules", ".git", "dist", "coverage", ".cache"]);

/**
 * Entries of the lock file that npm would install without comparing a hash, one line each.
 *
 * @param exceptions `name@version` of tools' binaries for other platforms that may lack theirs. One that has its
 * hash by now, or is not in the lock, is told, too.
 */
export function integrityProblems(packages: SuppliedPackages, exceptions: readonly string[]): string[] {
  const problems: string[] = [];
  const missing = new Set(exceptions);
  for (const [path, entry] of Object.entries(packages)) {
    if (entry.link === true || !path.includes(MODULES)) continue;
    if (entry.integrity !== undefined && INTEGRITY.test(entry.integrity)) continue;
    const name = `${nameAt(path)}@${entry.version}`;
    const isTool = entry.dev === true && entry.optional === true && (entry.os ?? []).length > 0;
    if (isTool && entry.integrity === undefined && missing.delete(name)) continue;
    problems.push(`package-lock.json: ${name} has no SHA-512 integrity`);
  }
  for (const name of missing) problems.push(`package.json: ${name} needs no line under lacksIntegrity`);
  return problems;
}

/** Install scripts that nobody has named, and names without one. */
export function scriptProblems(
  packages: SuppliedPackages,
  allowed: Readonly<Record<string, boolean>>,
): string[] {
  const found = new Set<string>();
  for (const [path, { hasInstallScript }] of Object.entries(packages)) {
    if (hasInstallScript === true) found.add(nameAt(path));
  }
  return [
    ...[...found]
      .filter((name) => !Object.hasOwn(allowed, name))
      .map((name) => `package-lock.json: ${name} has an install script and no line under allowScripts`),
    ...Object.keys(allowed)
      .filter((name) => !found.has(name))
      .map((name) => `package.json: allowScripts names ${name}, which has no install script`),
  ];
}

/** The name of what is installed at `path`. */
function nameAt(path: string): string {
  return path.slice(path.lastIndexOf(MODULES) + MODULES.length);
}

/** Actions and images in `text` that somebody else could replace by others of the same name. */
export function unpinned(text: string): string[] {
  const found: string[] = [];
  const stages = new Set(["scratch"]);
  const demand = (name: string | undefined, pinned: RegExp): void => {
    if (name !== undefined && !pinned.test(name)) found.push(name);
  };
  for (const line of text.split("\n")) {
    const [, action] = /^\s*(?:-\s+)?uses:\s*["']?([^"'#\s]+)/.exec(line) ?? [];
    const isImage = action?.startsWith("docker://") === true;
    if (action?.startsWith("./") !== true) demand(action, isImage ? PINNED_IMAGE : PINNED_ACTION);
    const [, image] = /^\s*(?:-\s+)?(?:image|container):\s*["']?([^"'#\s]+)/.exec(line) ?? [];
    demand(image, PINNED_IMAGE);
    const [, syntax] = /^#\s*syntax\s*=\s*(\S+)/.exec(line) ?? [];
    demand(syntax, PINNED_IMAGE);
    const [, base, stage] = /^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?/i.exec(line) ?? [];
    const [, source] = /^\s*COPY\s+(?:--\S+\s+)*?--from=(\S+)/i.exec(line) ?? [];
    for (const name of [base, source]) {
      const isStage = name !== undefined && (stages.has(name.toLowerCase()) || /^\d+$/.test(name));
      if (!isStage) demand(name, PINNED_IMAGE);
    }
    if (stage !== undefined) stages.add(stage.toLowerCase());
  }
  return found;
}

/** Everything of the repository at `root` that others supply, and that is not held fast. One line each. */
export function checkSupply(root: string): string[] {
  const read = (name: string): unknown => JSON.parse(readFileSync(join(root, name), "utf8"));
  const lock = read("package-lock.json") as { packages: SuppliedPackages };
  const manifest = read("package.json") as {
    allowScripts?: Record<string, boolean>;
    lacksIntegrity?: string[];
  };
  return [
    ...integrityProblems(lock.packages, manifest.lacksIntegrity ?? []),
    ...scriptProblems(lock.packages, manifest.allowScripts ?? {}),
    ...filesBelow(root).flatMap((file) =>
      unpinned(readFileSync(file, "utf8")).map(
        (name) => `${relative(root, file)}: ${name} is not pinned by digest`,
      ),
    ),
  ];
}

/** The files of the repository in which actions and images are named. */
function filesBelow(root: string, directory = root): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : filesBelow(root, path);
    const isWanted = entry.isFile() && NAMES_OTHERS.test(relative(root, path).split(sep).join("/"));
    return isWanted ? [path] : [];
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const problems = checkSupply(dirname(dirname(fileURLToPath(import.meta.url))));
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
}
