import { posix } from "node:path";
import type { Tarball } from "./make-tarballs.ts";
import { isRelative, markdownLinks } from "./markdown-links.ts";

/** What a manifest has to say to those who find it on npm. */
interface Shown {
  readonly description?: string;
  readonly license?: string;
  readonly homepage?: string;
  readonly bugs?: { readonly url?: string };
  readonly repository?: { readonly url?: string; readonly directory?: string };
  readonly keywords?: readonly string[];
  readonly engines?: { readonly node?: string };
  readonly publishConfig?: { readonly access?: string; readonly provenance?: boolean };
  readonly scripts?: unknown;
  readonly devDependencies?: unknown;
}

interface SourceMap {
  readonly sourceRoot?: string;
  readonly sources: readonly string[];
  readonly sourcesContent?: readonly (string | null)[];
}

const REQUIRED = ["package.json", "README.md", "LICENSE", "NOTICE", "CHANGELOG.md"];
/** What is of use to this repository alone. */
const UNWANTED = /(?:^|\/)\.|\.tsbuildinfo$|\.test\.[jt]sx?$|\.tgz$/;
const TEXT = /\.(?:[cm]?[jt]sx?|json|map|md|txt|html|css|svg)$|^(?:LICENSE|NOTICE)$/;
/** Homes of people, on the systems that people build on. */
const HOME = /(?:\/home|\/Users|[A-Za-z]:[\\/]+Users)[\\/]+[\w.-]+[\\/]/;
const MAP_COMMENT = /\/[/*][#@] sourceMappingURL=(?!data:)(\S+)/g;

/**
 * What is wrong with a tarball, one line each.
 *
 * @param directories Folders of this machine that no file may name: the repository, the home.
 */
export function tarballProblems(tarball: Tarball, directories: readonly string[]): string[] {
  const problems: string[] = [];
  const paths = new Set(tarball.files.map(({ path }) => path));
  for (const name of REQUIRED) if (!paths.has(name)) problems.push(`lacks ${name}`);
  for (const { path, content } of tarball.files) {
    if (UNWANTED.test(path)) problems.push(`${path}: is of no use to others`);
    if (!TEXT.test(path)) continue;
    const text = content.toString("utf8");
    const home = directories.find((directory) => text.includes(directory)) ?? HOME.exec(text)?.[0];
    if (home !== undefined) problems.push(`${path}: names ${home}, which is of one machine`);
    if (path.endsWith(".md")) problems.push(...relativeLinks(path, text));
    if (path.endsWith(".map")) problems.push(...lostSources(path, text, paths));
    if (/\.(?:[cm]?js|css|d\.ts)$/.test(path)) problems.push(...lostMaps(path, text, paths));
    if (path === "package.json") problems.push(...manifestProblems(JSON.parse(text) as Shown));
  }
  for (const page of pagesOf(paths)) {
    if (!paths.has(`${page}/NOTICE.txt`)) problems.push(`${page}: has no NOTICE.txt for what it bundles`);
  }
  return problems.map((problem) => `${tarball.name}: ${problem}`);
}

function relativeLinks(path: string, text: string): string[] {
  return markdownLinks(text)
    .filter(isRelative)
    .map(({ target }) => `${path}: links to ${target}, which works in the repository only`);
}

/** A map without its sources makes a debugger show nothing where it would have shown the built code. */
function lostSources(path: string, text: string, paths: ReadonlySet<string>): string[] {
  const { sources, sourcesContent, sourceRoot = "" } = JSON.parse(text) as SourceMap;
  return sources
    .filter((_, i) => typeof sourcesContent?.[i] !== "string")
    .filter((source) => !paths.has(posix.join(posix.dirname(path), sourceRoot, source)))
    .map((source) => `${path}: is a map of ${source}, which is not there`);
}

function lostMaps(path: string, text: string, paths: ReadonlySet<string>): string[] {
  return [...text.matchAll(MAP_COMMENT)]
    .map(([, map = ""]) => map)
    .filter((map) => !paths.has(posix.join(posix.dirname(path), map)))
    .map((map) => `${path}: names the map ${map}, which is not there`);
}

function manifestProblems(manifest: Shown): string[] {
  const { publishConfig, repository, keywords = [] } = manifest;
  const missing = [
    !manifest.description && "description",
    !manifest.license && "license",
    !manifest.homepage && "homepage",
    !manifest.bugs?.url && "bugs.url",
    !repository?.url && "repository.url",
    !repository?.directory && "repository.directory",
    keywords.length === 0 && "keywords",
    !manifest.engines?.node && "engines.node",
    publishConfig?.access !== "public" && 'publishConfig.access "public"',
    publishConfig?.provenance !== true && "publishConfig.provenance true",
  ].filter((name) => name !== false);
  const foreign = (["scripts", "devDependencies"] as const).filter((key) => manifest[key] !== undefined);
  return [
    ...missing.map((name) => `package.json: lacks ${name}`),
    ...foreign.map((key) => `package.json: has ${key}, which are of this repository`),
  ];
}

function pagesOf(paths: ReadonlySet<string>): Set<string> {
  return new Set([...paths].flatMap((path) => /^pages\/[^/]+/.exec(path)?.[0] ?? []));
}
