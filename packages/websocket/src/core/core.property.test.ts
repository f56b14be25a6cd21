import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message } from "@zocalo/net";
import fc from "fast-check";
import type { Role } from "./frame.ts";
import { frameFrom, peerOf, Recorder } from "../../test/recorder.ts";

const roles: readonly Role[] = ["client", "server"];

const message: fc.Arbitrary<Message> = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 200 }),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Uint8Array.from(bytes)),
  fc.integer({ min: 60_000, max: 70_000 }).map((length) => new Uint8Array(length).fill(length & 255)),
  fc.integer({ min: 120, max: 130 }).map((length) => "ñ".repeat(length)),
);
const cuts = fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 30 });

for (const role of roles) {
  const sender = peerOf(role);

  test(`${role}: any messages, cut at any bytes, come out the same`, () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 8 }), cuts, fc.boolean(), (messages, portions, isLent) => {
        const from = new Recorder(sender);
        for (const each of messages) from.core.send(each);
        const bytes = from.written();
        const to = new Recorder(role);
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const size = portions[turn % portions.length] as number;
          to.feed(bytes.subarray(at, at + size), size, isLent);
          at += size;
        }
        assert.deepEqual(to.messages, messages);
        assert.equal(to.failure, undefined);
      }),
      { numRuns: 150 },
    );
  });

  test(`${role}: a message in any fragments, with pings between, comes out the same`, () => {
    fc.assert(
      fc.property(
        message,
        fc.array(fc.nat(300), { maxLength: 12 }),
        fc.integer({ min: 1, max: 50 }),
        (whole, sizes, portion) => {
          const isText = typeof whole === "string";
          const bytes = isText ? Buffer.from(whole) : Buffer.from(whole);
          const frames: Buffer[] = [];
          let at = 0;
          for (const size of sizes) {
            frames.push(
              frameFrom(
                sender,
                at === 0 && frames.length === 0 ? (isText ? 1 : 2) : 0,
                bytes.subarray(at, at + size),
              ),
            );
            frames.push(frameFrom(sender, 0x89, "p"));
            at += size;
          }
          frames.push(
            frameFrom(sender, frames.length === 0 ? (isText ? 0x81 : 0x82) : 0x80, bytes.subarray(at)),
          );
          const to = new Recorder(role).feed(Buffer.concat(frames), bytes.length > 5000 ? 1000 : portion);
          assert.equal(to.failure, undefined);
          assert.deepEqual(to.messages, [whole]);
          assert.equal(to.pings.length, sizes.length);
        },
      ),
      { numRuns: 100 },
    );
  });

  test(`${role}: any bytes end in events or one protocol error`, () => {
    const frame = fc
      .tuple(fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 140 }), fc.boolean())
      .map(([first, payload, isMasked]) => frameFrom(isMasked ? "client" : "server", first, payload));
    const likely = fc
      .tuple(
        fc.constantFrom(0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a, 0x88),
        fc.uint8Array({ maxLength: 140 }),
      )
      .map(([first, payload]) => frameFrom(sender, first, payload));
    const anything = fc.array(fc.oneof(frame, likely, likely, likely, fc.uint8Array({ maxLength: 20 })), {
      maxLength: 20,
    });
    fc.assert(
      fc.property(anything, fc.integer({ min: 1, max: 400 }), fc.boolean(), (parts, portion, isLent) => {
        const bytes = Buffer.concat(parts);
        const whole = new Recorder(role, { maxMessageBytes: 500 }).feed(bytes, bytes.length, isLent);
        const cut = new Recorder(role, { maxMessageBytes: 500 }).feed(bytes, portion, !isLent);
        assert.deepEqual(cut.messages, whole.messages);
        assert.deepEqual(cut.failure, whole.failure);
        assert.deepEqual(cut.core.receivedClose, whole.core.receivedClose);
        for (const each of whole.messages) assert.ok(each.length <= 500);
        assert.ok(whole.failure === undefined || !whole.hasPeerClosed);
      }),
      { numRuns: 500 },
    );
  });
}
