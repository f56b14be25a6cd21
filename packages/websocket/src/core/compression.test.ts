import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { constants, deflateRawSync } from "node:zlib";
import { type Message, PreparedMessage } from "@zocalo/net";
import fc from "fast-check";
import { frameFrom, hex, peerOf, Recorder } from "../../test/recorder.ts";
import { Compression, type DeflateParameters } from "./compression.ts";
import type { Role } from "./frame.ts";

const roles: readonly Role[] = ["client", "server"];
const settings = { thresholdBytes: 0, level: 1, memLevel: 8 };
const fresh: DeflateParameters = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};
const keeping: DeflateParameters = {
  ...fresh,
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
};

function recorder(role: Role, parameters = fresh, limits = {}): Recorder {
  return new Recorder(role, limits, new Compression(role, parameters, settings));
}

/** A message as zlib compresses it, without the tail. */
function deflated(payload: Uint8Array, windowBits = 15): Buffer {
  const bytes = deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH, windowBits, level: 9 });
  return bytes.subarray(0, bytes.length - 4);
}

const text = "zocalo is the square where people meet, and zocalo is a socket. ".repeat(30);

for (const role of roles) {
  const sender = peerOf(role);

  for (const parameters of [fresh, keeping]) {
    const kind = parameters === fresh ? "fresh" : "kept";

    test(`${role}: compressed text fails at its first wrong byte, with a ${kind} context`, () => {
      const payload = deflated(Buffer.concat([Buffer.from(text), Buffer.from([0xff]), randomBytes(50_000)]));
      const frame = frameFrom(sender, 0xc1, payload);
      const whole = recorder(role, parameters).feed(frame.subarray(0, frame.length - 100), 1000);
      assert.equal(whole.failure?.closeCode, 1007);
      assert.equal(whole.failure?.reason, "invalid UTF-8");
      const half = payload.length >> 1;
      const fragmented = recorder(role, parameters);
      fragmented.feed(frameFrom(sender, 0x41, payload.subarray(0, half)));
      assert.equal(fragmented.failure?.closeCode, 1007);
      // Cut within a character, the text may still become valid.
      const cut = recorder(role, parameters).feed(frameFrom(sender, 0x41, deflated(hex("61 e2 82"))));
      assert.equal(cut.failure, undefined);
    });

    test(`${role}: a fragmented bomb is refused before its last frame, with a ${kind} context`, () => {
      const payload = deflated(Buffer.alloc(100_001));
      const half = payload.length >> 1;
      for (const maxMessageBytes of [100_001, 100_000, 10_000]) {
        const to = recorder(role, parameters, { maxMessageBytes });
        to.feed(frameFrom(sender, 0x42, payload.subarray(0, half)));
        assert.equal(to.failure?.closeCode, maxMessageBytes === 10_000 ? 1009 : undefined);
        if (to.failure === undefined) to.feed(frameFrom(sender, 0x80, payload.subarray(half)));
        assert.equal(to.failure?.closeCode, maxMessageBytes < 100_001 ? 1009 : undefined);
        assert.equal(to.messages.length, maxMessageBytes < 100_001 ? 0 : 1);
      }
    });

    test(`${role}: compressed messages in parts on many connections do not mix, with a ${kind} context`, () => {
      const all = Array.from({ length: 20 }, (_, i) => ({
        to: recorder(role, parameters),
        message: `${i} ${text}`,
      }));
      for (let round = 0; round < 2; round++) {
        const frames = all.map(({ message }) => frameFrom(sender, 0xc1, deflated(Buffer.from(message))));
        for (let at = 0; at < 1000; at += 7) {
          for (const [i, frame] of frames.entries()) {
            if (at < frame.length) all[i]?.to.feed(frame.subarray(at, at + 7));
          }
        }
      }
      for (const { to, message } of all) assert.deepEqual(to.messages, [message, message]);
    });
  }

  test(`${role}: each compressed message in parts begins afresh, whatever was dropped before it`, () => {
    const payload = deflated(Buffer.from(text));
    const first = frameFrom(sender, 0x41, payload.subarray(0, 40));
    const message = Buffer.concat([first, frameFrom(sender, 0x80, payload.subarray(40))]);
    const to = recorder(role);
    // The next one begins with a decompressor that was left in the middle of a message.
    to.afterMessage = () => {
      const dropped = recorder(role).feed(first);
      dropped.core.close(1000, "");
    };
    to.feed(Buffer.concat([message, message, message]));
    assert.equal(to.failure, undefined);
    assert.deepEqual(to.messages, [text, text, text]);
  });

  test(`${role}: any messages, with any window, cut anywhere, come out the same`, () => {
    const message: fc.Arbitrary<Message> = fc.oneof(
      fc.string({ unit: "grapheme", maxLength: 300 }),
      fc.uint8Array({ maxLength: 300 }).map((bytes) => Uint8Array.from(bytes)),
      fc.integer({ min: 1, max: 200_000 }).map((length) => text.repeat(100).slice(0, length)),
      fc.integer({ min: 60_000, max: 140_000 }).map((length) => new Uint8Array(length).fill(length & 255)),
    );
    const bits = fc.integer({ min: 8, max: 15 });
    const parameters = fc.record({
      serverNoContextTakeover: fc.boolean(),
      clientNoContextTakeover: fc.boolean(),
      serverMaxWindowBits: bits,
      clientMaxWindowBits: bits,
    });
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 6 }),
        parameters,
        fc.integer({ min: 1, max: 5000 }),
        (messages, agreed, portion) => {
          const from = recorder(sender, agreed);
          const to = recorder(role, agreed);
          for (const each of messages) from.core.send(each);
          to.feed(from.written(), portion, portion % 2 === 0);
          assert.equal(to.failure, undefined);
          assert.deepEqual(to.messages, messages);
        },
      ),
      { numRuns: 60 },
    );
  });

  test(`${role}: compressed messages in fragments, mixed with plain ones and pings`, () => {
    const bytes = deflated(Buffer.from(text));
    const to = recorder(role);
    to.feed(frameFrom(sender, 0x41, bytes.subarray(0, 10)));
    to.feed(frameFrom(sender, 0x89, "p"));
    to.feed(frameFrom(sender, 0x00, bytes.subarray(10, 20)));
    to.feed(frameFrom(sender, 0x80, bytes.subarray(20)), 3);
    to.feed(frameFrom(sender, 0x81, "plain"));
    to.feed(frameFrom(sender, 0xc2, deflated(new Uint8Array([1, 2]))));
    to.feed(frameFrom(sender, 0xc1, deflated(new Uint8Array(0))));
    assert.equal(to.failure, undefined);
    assert.deepEqual(to.messages, [text, "plain", new Uint8Array([1, 2]), ""]);
  });

  test(`${role}: a thousand messages with context`, () => {
    for (let bits = 8; bits <= 15; bits++) {
      const agreed = { ...keeping, serverMaxWindowBits: bits, clientMaxWindowBits: bits };
      const from = recorder(sender, agreed);
      const to = recorder(role, agreed);
      for (let i = 0; i < 1000; i++) {
        from.core.send(`${i} ${text}`);
        to.feed(from.written());
      }
      assert.equal(to.messages.length, 1000);
      assert.equal(to.messages[999], `999 ${text}`);
    }
  });

  test(`${role}: a bomb is stopped while inflating, in one frame and over fragments`, () => {
    const bomb = deflated(new Uint8Array(100_000_000));
    assert.ok(bomb.length < 500_000);
    const whole = recorder(role).feed(frameFrom(sender, 0xc2, bomb));
    assert.equal(whole.failure?.closeCode, 1009);
    const split = recorder(role);
    for (let at = 0; at < bomb.length; at += 1000) {
      const isLast = at + 1000 >= bomb.length;
      split.feed(
        frameFrom(sender, (isLast ? 0x80 : 0) | (at === 0 ? 0x42 : 0), bomb.subarray(at, at + 1000)),
      );
    }
    assert.equal(split.failure?.closeCode, 1009);
  });

  test(`${role}: the limit holds exactly on the inflated size`, () => {
    for (const [length, code] of [
      [65_535, undefined],
      [65_536, undefined],
      [100_000, undefined],
      [100_001, 1009],
    ] as const) {
      const to = recorder(role, fresh, { maxMessageBytes: 100_000 });
      to.feed(frameFrom(sender, 0xc2, deflated(new Uint8Array(length))));
      assert.equal(to.failure?.closeCode, code);
      if (code === undefined) assert.equal(to.messages[0]?.length, length);
    }
  });

  test(`${role}: a message at the limit that gets longer by compression passes, one byte more does not`, () => {
    const noise = Buffer.from(Array.from({ length: 50_001 }, (_, i) => (i * i * 31 + (i >> 3) * 7919) & 255));
    for (const strategy of [constants.Z_FIXED, constants.Z_HUFFMAN_ONLY]) {
      for (const length of [50_000, 50_001]) {
        const options = { strategy, memLevel: 1, finishFlush: constants.Z_SYNC_FLUSH };
        const bytes = deflateRawSync(noise.subarray(0, length), options).subarray(0, -4);
        for (const size of [bytes.length, 1000]) {
          const to = recorder(role, fresh, { maxMessageBytes: 50_000 });
          for (let at = 0; at < bytes.length; at += size) {
            const first = (at === 0 ? 0x42 : 0) | (at + size >= bytes.length ? 0x80 : 0);
            to.feed(frameFrom(sender, first, bytes.subarray(at, at + size)));
          }
          assert.equal(to.failure?.closeCode, length > 50_000 ? 1009 : undefined);
          assert.equal(to.messages.length, length > 50_000 ? 0 : 1);
        }
      }
    }
    // More than any message of the limit can be: refused by its header.
    const header = Buffer.from(frameFrom(sender, 0xc2, Buffer.alloc(56_400))).subarray(
      0,
      role === "server" ? 8 : 4,
    );
    assert.equal(recorder(role, fresh, { maxMessageBytes: 50_000 }).feed(header).failure?.closeCode, 1009);
  });

  test(`${role}: a corrupt stream fails with 1007, and the next connection does not notice`, () => {
    const good = deflated(Buffer.from(text));
    for (const bad of [
      Buffer.from([7, 255, 3]),
      Buffer.alloc(20, 0xff),
      Buffer.from(good.map((byte, i) => (i === 5 ? byte ^ 0xff : byte))),
    ]) {
      const broken = recorder(role).feed(
        Buffer.concat([frameFrom(sender, 0xc1, bad), frameFrom(sender, 0xc1, good)]),
      );
      assert.equal(broken.failure?.closeCode, 1007);
      assert.deepEqual(broken.messages, []);
      assert.deepEqual(recorder(role).feed(frameFrom(sender, 0xc1, good)).messages, [text]);
    }
  });

  test(`${role}: a final block, in mid-stream and at the end`, () => {
    const part = (each: string): Buffer => deflateRawSync(Buffer.from(each));
    const ended = recorder(role).feed(
      frameFrom(sender, 0xc1, Buffer.concat([part("hola"), Buffer.from([0])])),
    );
    assert.deepEqual(ended.messages, ["hola"]);
    const two = Buffer.concat([part("hola "), deflated(Buffer.from("mundo"))]);
    assert.deepEqual(recorder(role).feed(frameFrom(sender, 0xc1, two)).messages, ["hola mundo"]);
  });

  test(`${role}: a peer that reaches further back than agreed is corrupt`, () => {
    const noise = Uint8Array.from({ length: 2000 }, (_, i) => (i * i * 31 + (i >> 3)) & 255);
    const from = recorder(sender, keeping);
    from.core.send(noise);
    from.core.send(noise);
    const bytes = from.written();
    const agreed = { ...keeping, serverMaxWindowBits: 9, clientMaxWindowBits: 9 };
    const to = recorder(role, agreed).feed(bytes);
    assert.equal(to.failure?.closeCode, 1007);
    assert.deepEqual(to.messages, [noise]);
    assert.equal(recorder(role, keeping).feed(bytes).failure, undefined);
  });

  test(`${role}: inflated text is checked for UTF-8`, () => {
    const to = recorder(role).feed(frameFrom(sender, 0xc1, deflated(Buffer.from([0x61, 0xed, 0xa0, 0x80]))));
    assert.equal(to.failure?.closeCode, 1007);
  });

  test(`${role}: RSV1 on a continuation or a control frame is wrong all the same`, () => {
    for (const first of [0xc9, 0xc8, 0xa1, 0x91, 0xe1]) {
      assert.equal(recorder(role).feed(frameFrom(sender, first)).failure?.closeCode, 1002);
    }
    const to = recorder(role).feed(frameFrom(sender, 0x41)).feed(frameFrom(sender, 0xc0));
    assert.equal(to.failure?.closeCode, 1002);
  });

  test(`${role}: short and incompressible messages are sent as they are`, () => {
    const compression = new Compression(role, fresh, { ...settings, thresholdBytes: 100 });
    assert.equal(compression.compress(Buffer.alloc(99)), undefined);
    assert.ok(compression.compress(Buffer.alloc(100)));
    const noise = Buffer.from(Array.from({ length: 200 }, (_, i) => (i * 7919 * (i + 3)) & 255));
    assert.equal(compression.compress(noise), undefined);
  });
}

test("a prepared message is compressed once for all servers with the same parameters", () => {
  const prepared = new PreparedMessage(text);
  const one = new Compression("server", fresh, settings).encoding;
  const two = new Compression("server", fresh, settings).encoding;
  const narrow = new Compression("server", { ...fresh, serverMaxWindowBits: 9 }, settings).encoding;
  if (one === undefined || two === undefined || narrow === undefined) throw new Error("no encoding");
  assert.equal(prepared.encodedAs(one), prepared.encodedAs(two));
  assert.notEqual(prepared.encodedAs(one), prepared.encodedAs(narrow));
  for (const encoding of [one, narrow]) {
    const client = recorder("client").feed(prepared.encodedAs(encoding));
    assert.deepEqual(client.messages, [text]);
  }
  assert.equal(new Compression("server", keeping, settings).encoding, undefined);
});
