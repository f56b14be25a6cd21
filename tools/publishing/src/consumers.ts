import { cpSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** One run of one compiler over programs in a directory where the tarballs are installed. */
export interface Compilation {
  /** For whoever reads its errors. */
  readonly title: string;
  /** The file that Node runs. */
  readonly compiler: string;
  readonly args: readonly string[];
}

/**
 * The compilers by their folders, from the root. TypeScript 7 is the one that this repository is built with.
 */
const COMPILERS: Readonly<Record<string, string>> = {
  "5.5": "node_modules/typescript-5.5",
  "5.9": "node_modules/typescript-5.9",
  "6": "tools/publishing/node_modules/typescript",
  "7": "node_modules/typescript",
};

/** `moduleResolution`, with the `module` that goes with it. */
const RESOLUTIONS = { node16: "node16", nodenext: "nodenext", bundler: "esnext" } as const;

/** As strict as can be, and the types of the packages are checked themselves. */
const STRICT = [
  ...["--noEmit", "--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess"],
  ...["--noPropertyAccessFromIndexSignature", "--isolatedModules", "--verbatimModuleSyntax"],
  ...["--skipLibCheck", "false", "--target", "es2022"],
];

/** The first TypeScript in which `require` of an ES module has types, under `nodenext` alone. */
const REQUIRE_SINCE = 5.8;

/** Everything that is promised in docs/support.md: each compiler, with each way to resolve. */
export function compilations(root: string): Compilation[] {
  return Object.entries(COMPILERS).flatMap(([version, folder]) =>
    Object.entries(RESOLUTIONS).flatMap(([resolution, module]) => {
      const compiler = join(root, folder, "bin/tsc");
      const options = [...STRICT, "--moduleResolution", resolution, "--module", module];
      const compilation = (where: string, words: readonly string[]): Compilation => ({
        title: `TypeScript ${version}, ${resolution}, ${where}`,
        compiler,
        args: [...options, ...words],
      });
      const isRequired = resolution === "nodenext" && Number(version) >= REQUIRE_SINCE;
      const programs = ["square.mts", "transport.mts", ...(isRequired ? ["require.cts"] : [])];
      const node = compilation("in Node", ["--types", "node", "--lib", "es2022", ...programs]);
      if (resolution !== "bundler") return [node];
      return [node, compilation("in a page", ["--typeRoots", "none", "--lib", "es2022,dom", "page.mts"])];
    }),
  );
}

/** Puts the programs beside the packages that they use. */
export function copyConsumers(directory: string): void {
  cpSync(join(dirname(dirname(fileURLToPath(import.meta.url))), "consumers"), directory, { recursive: true });
}
