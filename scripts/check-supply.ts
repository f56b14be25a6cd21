import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** What is read here of an entry of package-lock.json. */
export interface SuppliedPackage {
  /** What it is called where it comes from, if it is installed by another name. */
  readonly name?: string;
  readonly version?: string;
  readonly integrity?: string;
  /** Where it comes from; nothing means the registry that npm is told to use. Of a link: where it leads. */
  readonly resolved?: string;
  /** A workspace: it is this repository. */
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
}

/** The entries of a lock file, by where they are installed. */
export type SuppliedPackages = Readonly<Record<string, SuppliedPackage>>;

const MODULES = "node_modules/";
/** A hash that npm checks: SHA-512, 64 bytes in base64. */
const INTEGRITY = /^sha512-[A-Za-z\d+/]{86}==$/;
/** Where all that is no workspace comes from. */
const REGISTRY = "https://registry.npmjs.org/";
/** A commit, not a tag or a branch, which others can move. */
const PINNED_ACTION = /@[\da-f]{40}$/;
/** An image by its content. */
const PINNED_IMAGE = /@sha256:[\da-f]{64}$/;
/** Files that name actions and images, by their path from the root. */
const NAMES_OTHERS =
  /^\.(?:github|ci|devcontainer)\/|\.ya?ml$|(?:^|\/)(?:Dockerfile|Containerfile)[^/]*$|\.(?:docker|container)file$/i;
/** A key of YAML or JSON, also the first of a list's item or of braces, up to its value. */
const keyed = (names: string): RegExp =>
  new RegExp(`(?:^|[{,]|^\\s*-)\\s*["']?(?:${names})["']?\\s*:\\s*["']?([^"'#\\s,{}]+)`);
const [ACTION, IMAGE] = [keyed("uses"), keyed("image|container")];
/** Directories of what was installed or made. */
const SKIPPED = new Set(["node_modules", ".git", "dist", "coverage", ".cache"]);

/**
 * Entries of the lock file that npm would install without comparing a hash, or from elsewhere; one line each.
 */
export function integrityProblems(packages: SuppliedPackages): string[] {
  const problems: string[] = [];
  for (const [path, entry] of Object.entries(packages)) {
    if (!path.includes(MODULES)) continue;
    const { version, integrity, resolved, link } = entry;
    const name = nameAt(path, entry);
    if (link === true) {
      const isWorkspace = resolved !== undefined && Object.hasOwn(packages, resolved);
      if (!isWorkspace) problems.push(`package-lock.json: ${name} is a link to no workspace: ${resolved}`);
      continue;
    }
    if (integrity === undefined || !INTEGRITY.test(integrity)) {
      problems.push(`package-lock.json: ${name}@${version} has no SHA-512 integrity`);
    }
    if (resolved !== undefined && !resolved.startsWith(REGISTRY)) {
      problems.push(`package-lock.json: ${name}@${version} comes from ${resolved}, not from ${REGISTRY}`);
    }
  }
  return problems;
}

/** Install scripts that nobody has named, and names without one. */
export function scriptProblems(
  packages: SuppliedPackages,
  allowed: Readonly<Record<string, boolean>>,
): string[] {
  const found = new Set<string>();
  for (const [path, entry] of Object.entries(packages)) {
    if (entry.hasInstallScript === true) found.add(nameAt(path, entry));
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
function nameAt(path: string, { name }: SuppliedPackage): string {
  return name ?? path.slice(path.lastIndexOf(MODULES) + MODULES.length);
}

/** Actions and images in `text` that somebody else could replace by others of the same name. */
export function unpinned(text: string): string[] {
  const found: string[] = [];
  const stages = new Set(["scratch"]);
  const demand = (name: string | undefined, pinned: RegExp): void => {
    if (name !== undefined && !pinned.test(name)) found.push(name);
  };
  for (const line of text.replace(/\\\r?\n/g, " ").split("\n")) {
    const [, action] = ACTION.exec(line) ?? [];
    const isImage = action?.startsWith("docker://") === true;
    if (action?.startsWith("./") !== true) demand(action, isImage ? PINNED_IMAGE : PINNED_ACTION);
    const [, image] = IMAGE.exec(line) ?? [];
    const isBuiltHere = image !== undefined && /^(?:\.\.?\/)?(?:Docker|Container)file$/.test(image);
    if (!isBuiltHere) demand(image, PINNED_IMAGE);
    const [, syntax] = /^#\s*syntax\s*=\s*(\S+)/.exec(line) ?? [];
    demand(syntax, PINNED_IMAGE);
    const [, base, stage] = /^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?/i.exec(line) ?? [];
    const [, source] = /^\s*COPY\s+(?:--\S+\s+)*?--from=(\S+)/i.exec(line) ?? [];
    const [, mounted] = /^\s*RUN\s.*?--mount=\S*?\bfrom=([^\s,]+)/i.exec(line) ?? [];
    for (const name of [base, source, mounted]) {
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
  };
  return [
    ...integrityProblems(lock.packages),
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
