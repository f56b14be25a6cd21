import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const FIELDS = ["bool", "int", "number", "vector", "angle", "oneOf", "reference"];
const SCHEMA = ["defineGame", ...FIELDS];
/** The parts that `join` is made of, as who imports them by name pays them. */
const PARTS = [
  ...SCHEMA,
  "ClientTime",
  "DisplayFrame",
  "InputSender",
  "PredictedWorld",
  "Prediction",
  "SnapshotReader",
  "sessionLane",
];
/** What a game imports that plays over the session: it predicts, interpolates, and sends inputs. */
const GAME = [...SCHEMA, "join"];
/** What a page may pay for each, in bytes, minified and compressed, beside the SDK. */
const MOST: readonly (readonly [what: string, most: number, names: readonly string[]])[] = [
  ["the schema", 4_100, SCHEMA],
  ["the schema with texts and rotations", 5_300, [...SCHEMA, "text", "quaternion"]],
  ["the parts of a game's client", 11_100, PARTS],
  ["a game's whole client", 14_500, GAME],
  ["the same with WebRTC", 16_550, [...GAME, "overWebRtc"]],
];

async function bytesOf(names: readonly string[]): Promise<number> {
  const client = fileURLToPath(new URL("../src/client.ts", import.meta.url));
  const { outputFiles } = await build({
    stdin: {
      contents: `export { ${names.join(", ")} } from ${JSON.stringify(client)};`,
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

test("a page pays little, and only for what it imports", async (t) => {
  for (const [what, most, names] of MOST) {
    const bytes = await bytesOf(names);
    t.diagnostic(`${what}: ${bytes} bytes`);
    assert.ok(bytes <= most, `${what} has ${bytes} bytes; ${most} are allowed`);
  }
});
