import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, posix } from "node:path";
import { withAbsoluteLinks } from "./markdown-links.ts";
import { type BundleNotice, noticeOf } from "./notice.ts";
import { type Manifest, type PublishedPackage, publishedPackages } from "./packages.ts";
import { readTarball, type TarballFile } from "./read-tarball.ts";

/** A package as npm gets it. */
export interface Tarball {
  readonly name: string;
  readonly version: string;
  /** Where it lies. */
  readonly path: string;
  readonly packedBytes: number;
  readonly files: readonly TarballFile[];
}

interface Packed {
  readonly name: string;
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

/** What every package gets beside its own files. */
const ADDED = ["LICENSE", "NOTICE", "CHANGELOG.md"];
/** The licences that `apps/*` write beside a built page. */
const PAGE_NOTICE = /^(?<page>pages\/[^/]+)\/NOTICE\.txt$/;
/**
 * The condition under which tests of this repository load sources. Whoever else sets it has no use for ours.
 */
const SOURCE_CONDITION = "zocalo-source";

/**
 * Packs every package that is published, from what is built. The working tree stays as it is: each package is
 * finished in a copy, where it gets the licence, the changelog, a NOTICE and links that work on npm, and
 * loses what its package.json says to this repository alone.
 *
 * @param root The repository.
 * @param destination The folder for the tarballs. It is emptied.
 * @returns each after those it needs.
 */
export function makeTarballs(root: string, destination: string): Tarball[] {
  const packages = publishedPackages(root);
  const staging = mkdtempSync(join(tmpdir(), "zocalo-publish-"));
  try {
    rmSync(destination, { recursive: true, force: true });
    mkdirSync(destination, { recursive: true });
    const listed = npmPack(root, ["--dry-run", ...packages.map(({ directory }) => `./${directory}`)]);
    const stages = packages.map((each, i) => {
      const stage = join(staging, String(i));
      finish(root, stage, each, filesOf(listed, each));
      return stage;
    });
    const packed = npmPack(root, ["--pack-destination", destination, ...stages]);
    return packages.map(({ manifest: { name, version } }) => {
      const path = join(destination, find(packed, name).filename.replace(/^@/, "").replace("/", "-"));
      const bytes = readFileSync(path);
      return { name, version, path, packedBytes: bytes.length, files: readTarball(bytes) };
    });
  } finally {
    rmSync(staging, { recursive: true });
  }
}

/** The package.json that npm gets. */
export function finishedManifest(manifest: Manifest): object {
  const {
    devDependencies: _tools,
    scripts: _scripts,
    ...kept
  } = manifest as Manifest & Record<string, unknown>;
  const entries = Object.entries(manifest.exports ?? {}).map(([path, conditions]) => {
    const { [SOURCE_CONDITION]: _source, ...others } = conditions;
    return [path, others] as const;
  });
  return {
    ...kept,
    exports: Object.fromEntries(entries),
    files: [...(manifest.files ?? []), ...ADDED.filter((name) => name !== "LICENSE")],
  };
}

/** Copies a package to `stage`, and makes there of it what npm gets. */
function finish(root: string, stage: string, each: PublishedPackage, files: readonly string[]): void {
  const { directory, manifest } = each;
  for (const file of files) {
    mkdirSync(dirname(join(stage, file)), { recursive: true });
    copyFileSync(join(root, directory, file), join(stage, file));
  }
  const repository = (manifest.repository?.url ?? "").replace(/^git\+|\.git$/g, "");
  const place = { root, repository, reference: `v${manifest.version}` };
  const write = (name: string, text: string): void => writeFileSync(join(stage, name), text);
  const markdown = (file: string, from: string): string =>
    withAbsoluteLinks(readFileSync(join(root, from, file), "utf8"), { ...place, directory: from });
  write("package.json", `${JSON.stringify(finishedManifest(manifest), null, 2)}\n`);
  write("README.md", markdown("README.md", directory));
  write("CHANGELOG.md", markdown("CHANGELOG.md", "."));
  copyFileSync(join(root, "LICENSE"), join(stage, "LICENSE"));
  const bundles = files.flatMap((file): BundleNotice[] => {
    const page = PAGE_NOTICE.exec(file)?.groups?.["page"];
    return page === undefined ? [] : [{ page, text: readFileSync(join(stage, file), "utf8") }];
  });
  write("NOTICE", noticeOf(manifest.name, manifest.license ?? "no", bundles));
}

function filesOf(listed: readonly Packed[], { manifest: { name } }: PublishedPackage): string[] {
  return find(listed, name).files.map(({ path }) => posix.normalize(path));
}

function find(packed: readonly Packed[], name: string): Packed {
  const found = packed.find((each) => each.name === name);
  if (found === undefined) throw new Error(`npm pack made nothing of ${name}`);
  return found;
}

/** npm's own answer: it alone knows what `files` means. It asks nothing of the network. */
function npmPack(root: string, words: readonly string[]): Packed[] {
  const args = ["pack", "--json", "--ignore-scripts", "--loglevel=error", ...words];
  const options = { cwd: root, encoding: "utf8", maxBuffer: 64 * 1_048_576 } as const;
  const shell = process.platform === "win32";
  return Object.values(JSON.parse(execFileSync("npm", args, { ...options, shell })) as Packed[]);
}
