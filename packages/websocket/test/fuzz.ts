// A seeded mutation fuzzer for the core. By hand, for as long as one likes:
//   npx tsx --conditions=zocalo-source packages/websocket/test/fuzz.ts SECONDS [SEED]
// An input that fails is kept in test/regressions and replayed by every test run.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Random } from "@zocalo/integrity";
import { Compression } from "../src/core/compression.ts";
import type { Role } from "../src/core/frame.ts";
import { frameFrom, peerOf, Recorder } from "./recorder.ts";

export const REGRESSIONS = fileURLToPath(new URL("./regressions/", import.meta.url));
const MAX_MESSAGE_BYTES = 4096;
const FIRST_BYTES = [0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a, 0x88, 0xc1, 0xc2, 0x41, 0x42];
const parameters = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};
const settings = { thresholdBytes: 0, level: 1, memLevel: 8 };

/** One input: whose side receives it, with or without compression. */
export interface FuzzInput {
  readonly role: Role;
  readonly isCompressing: boolean;
  readonly bytes: Buffer;
}

/** Makes an input: frames as a peer would send them, and then some harm. */
export function makeInput(random: Random): FuzzInput {
  const upTo = (limit: number): number => random.below(limit);
  const role: Role = random.chance(0.5) ? "server" : "client";
  const isCompressing = random.chance(0.5);
  const from = new Recorder(
    peerOf(role),
    {},
    isCompressing ? new Compression(peerOf(role), parameters, settings) : undefined,
  );
  const parts: Buffer[] = [];
  for (let count = 1 + upTo(6); count > 0; count--) {
    const payload = Buffer.from(
      Array.from({ length: upTo(random.chance(0.1) ? 6000 : 200) }, () =>
        upTo(random.chance(0.8) ? 128 : 256),
      ),
    );
    if (random.chance(0.5)) {
      from.core.send(random.chance(0.5) ? payload.toString("latin1") : payload);
      parts.push(from.written());
    } else {
      const isControl = random.chance(0.3);
      const first = FIRST_BYTES[upTo(FIRST_BYTES.length)] ?? 0x81;
      parts.push(frameFrom(peerOf(role), first, isControl ? payload.subarray(0, 125) : payload));
    }
  }
  let bytes = Buffer.concat(parts);
  for (let harm = upTo(4); harm > 0 && bytes.length > 0; harm--) {
    const at = upTo(bytes.length);
    const kind = upTo(4);
    if (kind === 0) bytes[at] = (bytes[at] ?? 0) ^ (1 << upTo(8));
    else if (kind === 1) bytes[at] = upTo(256);
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + upTo(8))]);
    else bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(upTo(at + 1), at), bytes.subarray(at)]);
  }
  return { role, isCompressing, bytes };
}

/** Throws unless the input ends in events or one protocol error, the same however it is cut. */
export function check({ role, isCompressing, bytes }: FuzzInput): void {
  const run = (portion: number, isLent: boolean, isStreaming = false): Recorder => {
    const compression = isCompressing ? new Compression(role, parameters, settings) : undefined;
    const recorder = new Recorder(role, { maxMessageBytes: MAX_MESSAGE_BYTES }, compression, isStreaming);
    recorder.feed(bytes, portion, isLent);
    compression?.close();
    return recorder;
  };
  const whole = run(Math.max(1, bytes.length), true);
  for (const cut of [run(1, false), run(7, true), run(1000, false)]) {
    assert.deepEqual(cut.messages, whole.messages);
    assert.equal(cut.failure?.closeCode, whole.failure?.closeCode);
    assert.deepEqual(cut.core.receivedClose, whole.core.receivedClose);
    assert.deepEqual([cut.pings, cut.pongs], [whole.pings, whole.pongs]);
  }
  // In parts the same messages come out. A fault inside of a message may be noticed earlier, as the bytes
  // come.
  for (const streamed of [run(Math.max(1, bytes.length), true, true), run(3, false, true)]) {
    if (streamed.failure === undefined) assert.deepEqual(streamed.messages, whole.messages);
    else assert.deepEqual(streamed.messages, whole.messages.slice(0, streamed.messages.length));
    assert.ok(whole.failure === undefined || streamed.failure !== undefined);
  }
  assert.ok(whole.failure === undefined || whole.core.receivedClose === undefined);
  for (const message of whole.messages) assert.ok(Buffer.byteLength(message) <= MAX_MESSAGE_BYTES);
  // Whatever came, what is answered is itself without fault.
  const peer = new Recorder(peerOf(role)).feed(whole.written());
  assert.equal(peer.failure, undefined);
}

/** Fuzzes until there is enough of it; how many inputs it tried. Keeps an input that fails, and throws. */
export function fuzz(isEnough: (tried: number) => boolean, seed: number): number {
  const random = new Random(seed);
  let tried = 0;
  for (; !isEnough(tried); tried++) {
    const input = makeInput(random);
    try {
      check(input);
    } catch (error) {
      mkdirSync(REGRESSIONS, { recursive: true });
      const file = `${REGRESSIONS}${seed}-${tried}.json`;
      writeFileSync(file, `${JSON.stringify({ ...input, bytes: input.bytes.toString("hex") }, null, 2)}\n`);
      throw new Error(`seed ${seed}, input ${tried} failed; kept as ${file}`, { cause: error });
    }
  }
  return tried;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const seconds = Number(process.argv[2] ?? 60);
  const seed = Number(process.argv[3] ?? Date.now() % 1_000_000);
  const end = performance.now() + seconds * 1000;
  console.log(`seed ${seed}: ${fuzz(() => performance.now() >= end, seed)} inputs, no failure`);
}
