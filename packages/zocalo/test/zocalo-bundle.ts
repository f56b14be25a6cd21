import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";

/**
 * The command `zocalo`, from source, in one file: the tests start it hundreds of times, and to compile it
 * each time takes a second, which on a busy machine is ten. It stands as deep as the source does, so that it
 * finds what lies beside that; it is removed when this process ends.
 */
export const BUNDLE = fileURLToPath(new URL(`../.test-build/zocalo-${process.pid}.mjs`, import.meta.url));

/** Other people's packages are left where they are. */
const ownSourceOnly: Plugin = {
  name: "own source only",
  setup(it) {
    it.onResolve({ filter: /^[^./]/ }, ({ path, kind }) =>
      kind === "entry-point" || path.startsWith("@zocalo/") ? undefined : { path, external: true },
    );
  },
};

await build({
  entryPoints: [fileURLToPath(new URL("../src/bin.ts", import.meta.url))],
  outfile: BUNDLE,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  conditions: ["zocalo-source"],
  plugins: [ownSourceOnly],
});
process.on("exit", () => rmSync(BUNDLE, { force: true }));
