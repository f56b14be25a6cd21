import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** What `join` costs a page beside the parts of which it is made, in bytes. */
const MOST_BYTES = 3_450;
const PARTS = [
  "defineGame",
  "vector",
  "SnapshotReader",
  "ClientTime",
  "InputSender",
  "PredictedWorld",
  "Prediction",
  "sessionLane",
  "DisplayFrame",
];

async function bytesOf(
  names: readonly string[],
): Promise<{ bytes: number; text: string; inputs: readonly string[] }> {
  const client = fileURLToPath(new URL("../../src/client.ts", import.meta.url));
  const { outputFiles, metafile } = await build({
    metafile: true,
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
  const [file] = outputFiles;
  assert.ok(file !== undefined);
  const inputs = Object.keys(metafile.inputs).filter((input) => !input.includes("<stdin>"));
  return { bytes: gzipSync(file.contents, { level: 9 }).length, text: file.text, inputs };
}

test("joining is small in a page, and who takes the session for a lane pays for no other", async (t) => {
  const parts = await bytesOf(PARTS);
  const all = await bytesOf(["defineGame", "vector", "join"]);
  const more = all.bytes - parts.bytes;
  t.diagnostic(`${all.bytes} bytes, ${more} of them for joining`);
  assert.ok(more < MOST_BYTES, `${more} bytes`);
  assert.ok(!all.text.includes("room.match"), "nor for matching");
  assert.ok(!/RTCPeerConnection|maxPacketLifeTime/.test(all.text));
});

test("the client half takes nothing from any other package, whatever a page imports of it", async () => {
  for (const names of [
    ["join"],
    ["findMatch"],
    ["join", "findMatch", "overWebRtc", "Replay", "defineGame"],
  ]) {
    const { inputs } = await bytesOf(names);
    assert.ok(inputs.length > 20, `${inputs.length} files`);
    // The session is given to it: not even the SDK is in it.
    const foreign = inputs.filter((input) => !/(^|\/)packages\/room\/src\//.test(input));
    assert.deepEqual(foreign, [], names.join());
  }
});
