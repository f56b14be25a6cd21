import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** What a page may pay for the client, gzipped. */
const MOST_BYTES = 15_000;

function bundle(entry: string) {
  return build({
    entryPoints: [fileURLToPath(new URL(`../src/${entry}`, import.meta.url))],
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "browser",
    conditions: ["zocalo-source"],
    logLevel: "silent",
  });
}

test("it bundles for a browser, without anything of Node, in less than 15 kB", async () => {
  const { outputFiles, metafile } = await bundle("index.ts");
  const bytes = gzipSync(outputFiles[0]?.contents ?? "").length;
  assert.ok(bytes > 0 && bytes < MOST_BYTES, `${bytes} bytes`);
  const rooms = Object.keys(metafile.inputs).map((file) => /packages\/(\w+)\/src\//.exec(`/${file}`)?.[1]);
  assert.deepEqual(new Set(rooms), new Set(["client", "protocol"]));
});

test("who does not import the binary form does not pay for it", async () => {
  const isIn = async (entry: string): Promise<boolean> => {
    const { metafile } = await bundle(entry);
    const [output] = Object.values(metafile.outputs);
    const file = Object.entries(output?.inputs ?? {}).find(([name]) =>
      name.endsWith("protocol/src/binary.ts"),
    );
    return (file?.[1].bytesInOutput ?? 0) > 0;
  };
  assert.deepEqual([await isIn("index.ts"), await isIn("binary.ts")], [false, true]);
});
