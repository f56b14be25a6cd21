// A core that tells messages in parts as they come.
import assert from "node:assert/strict";
import { test } from "node:test";
import { constants, deflateRawSync } from "node:zlib";
import type { Message } from "@zocalo/net";
import fc from "fast-check";
import { frameFrom, peerOf, Recorder } from "../../test/recorder.ts";
import { Compression } from "./compression.ts";
import type { Role } from "./frame.ts";

const settings = { thresholdBytes: 0, level: 1, memLevel: 8 };

function compression(role: Role, keepsContext: boolean): Compression {
  const parameters = {
    serverNoContextTakeover: !keepsContext,
    clientNoContextTakeover: !keepsContext,
    serverMaxWindowBits: 15,
    clientMaxWindowBits: 15,
  };
  return new Compression(role, parameters, settings);
}

function deflated(payload: Uint8Array): Buffer {
  return deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH, level: 9 }).subarray(0, -4);
}

const message: fc.Arbitrary<Message> = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 200 }),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Uint8Array.from(bytes)),
  fc.integer({ min: 60_000, max: 70_000 }).map((length) => new Uint8Array(length).fill(length & 255)),
);

for (const role of ["client", "server"] as const) {
  const sender = peerOf(role);

  test(`${role}: parts, cut at any byte, add up to the messages, with and without compression`, () => {
    const mode = fc.constantFrom("plain", "fresh", "context");
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 6 }),
        mode,
        fc.integer({ min: 1, max: 5000 }),
        (messages, how, portion) => {
          const made = (end: Role) => (how === "plain" ? undefined : compression(end, how === "context"));
          const from = new Recorder(sender, {}, made(sender));
          for (const each of messages) from.core.send(each);
          const to = new Recorder(role, {}, made(role), true);
          to.feed(from.written(), portion, portion % 2 === 0);
          assert.equal(to.failure, undefined);
          assert.deepEqual(to.messages, messages);
        },
      ),
      { numRuns: 80 },
    );
  });

  test(`${role}: the beginning of a compressed message is told before anything has come out of it`, () => {
    const to = new Recorder(role, {}, compression(role, false), true);
    let told = 0;
    to.afterMessage = () => told++;
    const payload = deflated(Buffer.from("zocalo"));
    to.feed(frameFrom(sender, 0x41, payload.subarray(0, 1)));
    assert.deepEqual([told, to.longestPart], [1, 0]);
    to.feed(frameFrom(sender, 0x00, new Uint8Array()));
    assert.equal(told, 1, "and only once");
    to.feed(frameFrom(sender, 0x80, payload.subarray(1)));
    assert.deepEqual(to.messages, ["zocalo"]);
  });

  test(`${role}: what is sent in parts comes out whole, and in parts, with pings between`, () => {
    const chunks = fc.oneof(
      fc.array(fc.string({ unit: "grapheme", maxLength: 50 }), { minLength: 1, maxLength: 8 }),
      fc.array(
        fc.uint8Array({ maxLength: 200 }).map((each) => Uint8Array.from(each)),
        {
          minLength: 1,
          maxLength: 8,
        },
      ),
    );
    fc.assert(
      fc.property(chunks, fc.integer({ min: 1, max: 300 }), (parts, portion) => {
        const from = new Recorder(sender, {}, compression(sender, true));
        for (const [at, part] of parts.entries()) {
          from.core.sendPart(part, at === parts.length - 1);
          assert.equal(from.core.isMidMessage, at < parts.length - 1);
          from.core.ping(Buffer.from("p"));
        }
        const bytes = from.written();
        const whole =
          typeof parts[0] === "string"
            ? parts.join("")
            : new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(part))));
        for (const isStreaming of [false, true]) {
          const to = new Recorder(role, {}, compression(role, true), isStreaming).feed(bytes, portion);
          assert.deepEqual(to.messages, [whole]);
          assert.equal(to.pings.length, parts.length);
        }
      }),
      { numRuns: 80 },
    );
  });

  test(`${role}: text fails at its first wrong byte, also when compressed`, () => {
    const wrong = Buffer.concat([Buffer.from("a".repeat(50)), Buffer.from([0xff]), Buffer.alloc(2000, "b")]);
    const plain = new Recorder(role, {}, undefined, true);
    plain.feed(frameFrom(sender, 0x01, wrong).subarray(0, 80));
    assert.equal(plain.failure?.closeCode, 1007);
    // The first fragment alone, of a message that never ends.
    const packed = new Recorder(role, {}, compression(role, false), true);
    packed.feed(frameFrom(sender, 0x41, deflated(wrong)));
    assert.equal(packed.failure?.closeCode, 1007);
    const cut = new Recorder(role, {}, undefined, true);
    cut.feed(frameFrom(sender, 0x81, Buffer.from("ñ").subarray(0, 1)));
    assert.equal(cut.failure?.closeCode, 1007);
  });

  test(`${role}: paused between parts it keeps the rest, and goes on where it was`, () => {
    const to = new Recorder(role, {}, compression(role, false), true);
    let told = 0;
    to.afterMessage = () => {
      told++;
      to.core.pauseReceiving();
    };
    const payload = Buffer.alloc(300_000, "zocalo ");
    to.feed(frameFrom(sender, 0xc2, deflated(payload)));
    to.feed(frameFrom(sender, 0x81, "next"));
    assert.equal(told, 1);
    while (to.messages.length < 2) {
      const before: number = told;
      to.core.resumeReceiving();
      assert.equal(told, before + 1);
    }
    assert.deepEqual(to.messages, [new Uint8Array(payload), "next"]);
  });

  test(`${role}: a bomb comes in parts that are bounded, and stops at a limit that was given`, () => {
    const bomb = frameFrom(sender, 0xc2, deflated(Buffer.alloc(20_000_000)));
    const free = new Recorder(
      role,
      { maxMessageBytes: Number.MAX_SAFE_INTEGER },
      compression(role, false),
      true,
    );
    free.feed(bomb);
    assert.equal(free.messages[0]?.length, 20_000_000);
    assert.ok(free.longestPart <= 512 * 1032);
    const limited = new Recorder(role, { maxMessageBytes: 1_000_000 }, compression(role, false), true);
    limited.feed(bomb);
    assert.equal(limited.failure?.closeCode, 1009);
    for (const [size, code] of [
      [5000, undefined],
      [5001, 1009],
    ] as const) {
      const exact = new Recorder(role, { maxMessageBytes: 5000 }, compression(role, false), true);
      exact.feed(frameFrom(sender, 0xc2, deflated(Buffer.alloc(size))));
      assert.equal(exact.failure?.closeCode, code);
    }
  });

  test(`${role}: after its own close a message that is half told ends quietly`, () => {
    const to = new Recorder(role, {}, undefined, true);
    to.feed(frameFrom(sender, 0x02, "half"));
    to.core.close(1000, "");
    to.feed(frameFrom(sender, 0x80, "rest"));
    to.feed(frameFrom(sender, 0x88, Buffer.from([0x03, 0xe8])));
    assert.equal(to.failure, undefined);
    assert.deepEqual(to.messages, []);
    assert.equal(to.hasPeerClosed, true);
  });
}
