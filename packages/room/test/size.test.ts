import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** What a page may pay for the schema with every type of field. Of the whole client half it is 10,000. */
const MOST_BYTES = 5_400;
const FIELDS = ["bool", "int", "number", "vector", "angle", "oneOf", "reference", "text", "quaternion"];

async function bytesOf(names: readonly string[]): Promise<number> {
  const client = fileURLToPath(new URL("../src/client.ts", import.meta.url));
  const { outputFiles } = await build({
    stdin: {
      contents: `export { ${["defineGame", ...names].join(", ")} } from ${JSON.stringify(client)};`,
      resolveDir: fileURLToPath(new URL(".", import.meta.url)),
    },
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "browser",
    conditions: ["zocalo-source"],
    logLevel: "silent",
  });
  return gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length;
}

test("the schema is small in a page, and who has no texts and rotations does not pay for them", async (t) => {
  const all = await bytesOf(FIELDS);
  const usual = await bytesOf(FIELDS.filter((name) => name !== "text" && name !== "quaternion"));
  t.diagnostic(`${all} bytes with every field, ${usual} without text and quaternion`);
  assert.ok(all < MOST_BYTES && usual < all - 500, `${all} and ${usual} bytes`);
});
