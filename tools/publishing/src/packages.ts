import { readFileSync } from "node:fs";
import { join } from "node:path";

/** As much of a package.json as is read here. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly license?: string;
  readonly repository?: { readonly url: string; readonly directory?: string };
  readonly files?: readonly string[];
  readonly workspaces?: readonly string[];
  readonly exports?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** A package that npm gets. */
export interface PublishedPackage {
  /** From the root of the repository, with slashes. */
  readonly directory: string;
  readonly manifest: Manifest;
}

/** The packages of the repository that are published, each after those it needs. */
export function publishedPackages(root: string): PublishedPackage[] {
  const waiting = (readManifest(root).workspaces ?? [])
    .map((directory) => ({ directory, manifest: readManifest(join(root, directory)) }))
    .filter(({ manifest }) => manifest.private !== true);
  const ordered: PublishedPackage[] = [];
  while (waiting.length > 0) {
    const next = waiting.findIndex(({ manifest }) =>
      waiting.every((other) => manifest.dependencies?.[other.manifest.name] === undefined),
    );
    const [found] = waiting.splice(next, 1);
    if (next < 0 || found === undefined)
      throw new Error("the published packages need each other in a circle");
    ordered.push(found);
  }
  return ordered;
}

/** Reads the package.json of a directory. */
export function readManifest(directory: string): Manifest {
  return JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as Manifest;
}
