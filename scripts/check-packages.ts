import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { completeLock, type Lock } from "./complete-lock.ts";

/** The browser SDK's limit, minified and compressed, with all it imports. */
export const CLIENT_LIMIT_BYTES = 15_000;

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly workspaces?: readonly string[];
  readonly engines?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** What is wrong with the packages of the repository at `root` as npm would publish them, one line each. */
export async function checkPackages(root: string): Promise<string[]> {
  const directories = readdirSync(join(root, "packages")).map((name) => join(root, "packages", name));
  const manifests = directories.map(readManifest);
  const published = await Promise.all(
    directories.map((directory, i) => lint(directory, manifests[i]?.name ?? "")),
  );
  return [...published.flat(), ...versionProblems(manifests)];
}

/**
 * Every package that is published runs on the Nodes that the repository itself asks for. One that is not
 * published may leave that to the repository, but not say otherwise.
 */
export function engineProblems(root: Manifest, manifests: readonly Manifest[]): string[] {
  const wanted = root.engines?.["node"];
  return manifests
    .filter((manifest) => manifest.private !== true || manifest.engines?.["node"] !== undefined)
    .filter((manifest) => manifest.engines?.["node"] !== wanted)
    .map(
      ({ name, engines }) => `${name}: engines.node is ${engines?.["node"]}, not ${wanted} as in the root`,
    );
}

/** The policy for those who use the packages names the Nodes that `engines` lets in. */
export function policyProblems(root: Manifest, policy: string): string[] {
  const range = root.engines?.["node"] ?? "";
  return policy.includes(`\`${range}\``) ? [] : [`docs/support.md: does not name the Nodes ${range}`];
}

/** Every package has the version of the first, and asks for exactly that of the others. */
export function versionProblems(manifests: readonly Manifest[]): string[] {
  const version = manifests[0]?.version ?? "";
  const names = new Set(manifests.map(({ name }) => name));
  return manifests.flatMap((manifest) => {
    const asked = Object.entries(manifest.dependencies ?? {}).filter(([name]) => names.has(name));
    const own =
      manifest.version === version ? [] : [`${manifest.name}: version ${manifest.version}, not ${version}`];
    const others = asked
      .filter(([, range]) => range !== version)
      .map(([name, range]) => `${manifest.name}: depends on ${name} ${range}, not ${version}`);
    return [...own, ...others];
  });
}

/** Bytes of the bundle a browser loads for `entry`, minified and compressed. */
export async function browserBytes(entry: string): Promise<number> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    write: false,
  });
  return gzipSync(outputFiles[0]?.contents ?? new Uint8Array(), { level: 9 }).length;
}

async function lint(directory: string, name: string): Promise<string[]> {
  const { messages, pkg } = await publint({ pkgDir: directory, pack: false, strict: true });
  return messages.map(
    (message) => `${name}: ${formatMessage(message, pkg ?? {}, { color: false }) ?? message.code}`,
  );
}

function readManifest(directory: string): Manifest {
  return JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as Manifest;
}

async function main(root: string): Promise<string[]> {
  const problems = await checkPackages(root);
  const own = readManifest(root);
  const manifests = (own.workspaces ?? []).map((directory) => readManifest(join(root, directory)));
  problems.push(...engineProblems(own, manifests));
  problems.push(...policyProblems(own, readFileSync(join(root, "docs/support.md"), "utf8")));
  const bytes = await browserBytes(join(root, "packages/client/dist/index.js"));
  console.log(`@zocalo/client: ${bytes} bytes minified and compressed (limit ${CLIENT_LIMIT_BYTES})`);
  if (bytes > CLIENT_LIMIT_BYTES)
    problems.push(`@zocalo/client: ${bytes} bytes, allowed are ${CLIENT_LIMIT_BYTES}`);

  const lockFile = join(root, "package-lock.json");
  const lock = JSON.parse(readFileSync(lockFile, "utf8")) as Lock;
  const added = completeLock(lock);
  if (added.length > 0 && process.argv.includes("--fix")) {
    writeFileSync(lockFile, `${JSON.stringify(lock, null, 2)}\n`);
    console.log(`package-lock.json: added ${added.join(", ")}`);
  } else if (added.length > 0) {
    const command = "npm run check:packages -- --fix";
    problems.push(
      `package-lock.json: lacks ${added.join(", ")}, so npm ci refuses it; \`${command}\` adds them`,
    );
  }
  return problems;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const problems = await main(dirname(dirname(fileURLToPath(import.meta.url))));
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) process.exitCode = 1;
}
