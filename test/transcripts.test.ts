// Clients of each release are served as they were: what they sent is sent again, byte by byte.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { PROTOCOL_VERSION } from "@zocalo/protocol";
import { Comparison } from "./transcripts/compare.ts";
import { renamed } from "./transcripts/framing.ts";
import { openServer } from "./transcripts/server.ts";
import { printTranscript, readTranscript, type Transcript } from "./transcripts/transcript.ts";
import { openWire, type Wire } from "./transcripts/wire.ts";

const directory = new URL("transcripts/", import.meta.url);
const releases = readdirSync(directory).filter((name) => /^\d/.test(name));

/** @throws AssertionError at the first step that goes otherwise than it was recorded */
async function replay(transcript: Transcript): Promise<void> {
  const { transport, steps } = transcript;
  const server = await openServer(transcript);
  const wires = new Map<string, Wire>();
  const comparison = new Comparison(transport);
  try {
    for (const [index, step] of steps.entries()) {
      const wire = wires.get(step.client) ?? (await openWire(transport, server.port));
      wires.set(step.client, wire);
      try {
        await take(step, wire, comparison, transcript);
      } catch (error) {
        throw new Error(`step ${index + 1}, of ${step.client}: ${String(error)}`, { cause: error });
      }
    }
  } finally {
    for (const wire of wires.values()) wire.end();
    await server.close();
  }
}

async function take(
  step: Transcript["steps"][number],
  wire: Wire,
  comparison: Comparison,
  { transport }: Transcript,
): Promise<void> {
  switch (step.did) {
    case "sent":
      return wire.send(renamed(transport, step.bytes, comparison.names));
    case "received": {
      let now = await wire.next();
      while (now && comparison.isNew(now)) now = await wire.next();
      assert.ok(now, "the server ended the connection");
      return comparison.check(step.bytes, now);
    }
    case "was ended":
      return assert.equal(await wire.next(), null);
    default:
      if (transport !== "udp") wire.end();
  }
}

assert.ok(releases.length > 0);
for (const release of releases) {
  for (const transport of ["websocket", "tcp", "binary", "udp"] as const) {
    test(`a client of ${release} over ${transport} is served as it was`, () =>
      replay(readTranscript(new URL(`${release}/${transport}.txt`, directory))));
  }
}

for (const [transport, changes] of [
  [
    "tcp",
    [
      ['"offset":2', '"offset":3'],
      ["1e400", "1e401"],
      ['"code":"forbidden"', '"code":"forbitten"'],
      ['"recovered":true', '"recovered":false'],
    ],
  ],
  [
    "binary",
    [
      ["1e400", "1e401"],
      ["forbidden", "forbitten"],
      ["\u0000\u00ff\u0080", "\u0000\u00ff\u0081"], // bytes that are published
    ],
  ],
] as const) {
  test(`what a transcript holds every run anew: a changed answer is found over ${transport}`, async () => {
    const transcript = readTranscript(new URL(`${releases[0]}/${transport}.txt`, directory));
    for (const [from, to] of changes) {
      const steps = transcript.steps.map((step) =>
        step.did === "received"
          ? { ...step, bytes: Buffer.from(step.bytes.toString("latin1").replace(from, to), "latin1") }
          : step,
      );
      await assert.rejects(replay({ ...transcript, steps }), /step \d+, of/, `${from} for ${to}`);
    }
  });
}

test("a transcript reads as it was written, whatever its bytes", () => {
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  const transcript: Transcript = {
    release: "9.9.9",
    transport: "udp",
    namespaces: {},
    steps: [
      { client: "ana", did: "sent", bytes },
      { client: "ana", did: "received", bytes: Buffer.alloc(0) },
      { client: "ana", did: "was ended" },
    ],
  };
  const file = join(mkdtempSync(join(tmpdir(), "transcript-")), "one.txt");
  writeFileSync(file, printTranscript(transcript));
  assert.deepEqual(readTranscript(file), transcript);
});

test("this release's own transcripts are there, of the version that is spoken", () => {
  assert.equal(PROTOCOL_VERSION, 1);
  assert.ok(existsSync(new URL("0.1.0/", directory)));
});

test("what is recorded of a release is not written over", () => {
  const recorded = () => readdirSync(new URL("0.1.0/", directory)).map((name) => readText(name));
  const readText = (name: string) => readFileSync(new URL(`0.1.0/${name}`, directory), "utf8");
  const before = recorded();
  const program = fileURLToPath(new URL("record.ts", directory));
  const flags = ["--conditions=zocalo-source", "--import", "tsx", program];
  for (const [release, sentence] of [
    ["0.1.0", "0.1.0 is recorded already.\n"],
    ["../0.1.0", "Of which release? For instance: npm run transcripts -- 0.2.0\n"],
  ] as const) {
    const { status, stderr } = spawnSync(process.execPath, [...flags, release], { encoding: "utf8" });
    assert.deepEqual([status, stderr], [1, sentence]);
  }
  assert.deepEqual(recorded(), before);
});
