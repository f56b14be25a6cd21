import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Tarball } from "./make-tarballs.ts";
import type { Manifest } from "./packages.ts";

/** With an address and a hash npm looks into its cache, and asks the registry only for what is not there. */
const REGISTRY = "https://registry.npmjs.org/";

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/**
 * Has npm install `tarballs` into an empty directory, as a stranger would. What they need of others comes in
 * the versions of this repository's lock file, by hash, so that npm has it in its cache and asks no registry.
 *
 * @param directory Is made. Nothing above it may have a package.json or a node_modules.
 */
export function installTarballs(root: string, directory: string, tarballs: readonly Tarball[]): void {
  mkdirSync(directory, { recursive: true });
  const write = (name: string, value: object): void =>
    writeFileSync(join(directory, name), JSON.stringify(value, null, 2));
  const dependencies = Object.fromEntries(tarballs.map(({ name, path }) => [name, `file:${path}`]));
  write("package.json", { private: true, dependencies });
  write("package-lock.json", {
    lockfileVersion: 3,
    requires: true,
    packages: { "": { dependencies }, ...lockedPackages(root, tarballs) },
  });
  const args = ["ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const shell = process.platform === "win32";
  execFileSync("npm", args, { cwd: directory, stdio: "pipe", env: outsideNpm(), shell });
}

/** The entries of a lock file for `tarballs` and all that they need. */
function lockedPackages(root: string, tarballs: readonly Tarball[]): Record<string, LockedPackage> {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Readonly<Record<string, LockedPackage>>;
  };
  const locked: Record<string, LockedPackage> = {};
  for (const { name, version, path, files } of tarballs) {
    const manifest = files.find((file) => file.path === "package.json")?.content.toString("utf8") ?? "{}";
    const { dependencies = {}, bin } = JSON.parse(manifest) as Manifest & { bin?: object };
    const integrity = `sha512-${createHash("sha512").update(readFileSync(path)).digest("base64")}`;
    const entry = { version, resolved: `file:${path}`, integrity, dependencies, ...(bin && { bin }) };
    locked[`node_modules/${name}`] = entry;
  }
  const wanted = Object.values(locked);
  for (const { dependencies = {} } of wanted) {
    for (const name of Object.keys(dependencies)) {
      const at = `node_modules/${name}`;
      const entry = lock.packages[at];
      if (locked[at] !== undefined || entry === undefined) continue;
      locked[at] = {
        ...entry,
        resolved: `${REGISTRY}${name}/-/${name.split("/").pop()}-${entry.version}.tgz`,
      };
      wanted.push(entry);
    }
  }
  return locked;
}

/** Lets programs in `directory` have packages that this repository has installed, such as types. */
export function borrow(root: string, directory: string, names: readonly string[]): void {
  for (const name of names) {
    const place = join(directory, "node_modules", name);
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(join(root, "node_modules", name), place, "junction");
  }
}

/** Without what an `npm run` around this tells its children, which is about another folder. */
function outsideNpm(): NodeJS.ProcessEnv {
  const isAbout = /^npm_(?:package|lifecycle|command|config_local_prefix)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isAbout.test(name)));
}
