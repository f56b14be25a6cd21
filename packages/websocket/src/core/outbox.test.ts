import assert from "node:assert/strict";
import { test } from "node:test";
import { Core } from "./core.ts";
import { FIN, OPCODE } from "./frame.ts";
import { defaultReceiveLimits } from "./message-body.ts";
import { Outbox } from "./outbox.ts";

/** A server's text frame of `chars` times one letter, as it is taken from an outbox. */
function takeText(outbox: Outbox, letter: string, chars: number): Uint8Array {
  outbox.addText(FIN | OPCODE.text, letter.repeat(chars));
  const taken = outbox.take();
  assert.ok(!Array.isArray(taken));
  return taken;
}

const lastOf = (frame: Uint8Array): string => String.fromCharCode(frame.at(-1) ?? 0);

for (const chars of [16_384, 70_000, 1_048_576]) {
  test(`the memory of a text of ${chars} characters is used again once the system has it`, () => {
    const outbox = new Outbox("server");
    const first = takeText(outbox, "a", chars);
    assert.equal(first.length, chars + (chars < 65_536 ? 4 : 10));
    outbox.taken(true, true);
    const second = takeText(outbox, "b", chars);
    assert.equal(second.buffer, first.buffer);
    outbox.taken(true, true);
  });

  test(`the memory of a text of ${chars} characters is left alone until the system has it`, () => {
    const outbox = new Outbox("server");
    const other = new Outbox("server");
    const first = takeText(outbox, "a", chars);
    outbox.taken(false, true);
    const second = takeText(other, "b", chars);
    other.taken(true, true);
    assert.notEqual(second.buffer, first.buffer);
    assert.equal(lastOf(first), "a");
    outbox.gone();
    const third = [takeText(other, "c", chars), takeText(outbox, "d", chars)];
    assert.ok(third.some(({ buffer }) => buffer === first.buffer));
    other.taken(true, true);
    outbox.taken(true, true);
  });
}

test("what waits behind a text that is gone is not given back with it", () => {
  const outbox = new Outbox("server");
  const first = takeText(outbox, "a", 100_000);
  outbox.taken(false, true);
  outbox.addText(FIN | OPCODE.text, "b".repeat(100_000));
  outbox.gone();
  // The first one's memory is free now: what never ends to wait must not keep all that has gone before.
  const other = takeText(new Outbox("server"), "c", 100_000);
  assert.equal(other.buffer, first.buffer);
  const second = outbox.take();
  assert.ok(!Array.isArray(second));
  assert.deepEqual([second, other].map(lastOf), ["b", "c"]);
});

test("bytes are copied when they are added, whatever their length, and borrowed only if asked for", () => {
  for (const role of ["server", "client"] as const) {
    for (const length of [1, 125, 126, 16_383, 16_384, 70_000, 2_000_000]) {
      const outbox = new Outbox(role);
      const payload = new Uint8Array(length).fill(7);
      outbox.addBytes(FIN | OPCODE.binary, payload);
      const taken = outbox.take();
      for (const piece of Array.isArray(taken) ? taken : [taken]) {
        assert.notEqual(piece.buffer, payload.buffer);
      }
      outbox.taken(true, true);
    }
  }
  const outbox = new Outbox("server");
  const payload = new Uint8Array(70_000);
  outbox.addBorrowed(FIN | OPCODE.binary, payload);
  assert.equal((outbox.take() as Uint8Array[])[1], payload);
});

test("what somebody else may hold is neither used again nor kept", () => {
  const outbox = new Outbox("server");
  const first = takeText(outbox, "a", 400_000);
  outbox.taken(true, false);
  assert.equal(outbox.isAtRest, true);
  assert.notEqual(takeText(outbox, "b", 400_000).buffer, first.buffer);
  outbox.taken(true, true);
});

test("an outbox that remembers what is on its way does not go to another connection", () => {
  const events = {
    onMessage: () => undefined,
    onPing: () => undefined,
    onPong: () => undefined,
    onPeerClose: () => undefined,
    onFailure: () => undefined,
  };
  const [one, other] = [0, 0].map(() => new Core("server", events, defaultReceiveLimits)) as [Core, Core];
  one.send("a".repeat(300_000));
  const first = one.outbox.take() as Uint8Array;
  one.outbox.taken(false, true);
  one.rest();
  for (const letter of ["b", "c", "d"]) {
    other.send(letter.repeat(300_000));
    assert.notEqual((other.outbox.take() as Uint8Array).buffer, first.buffer);
    other.outbox.taken(letter === "b", true);
  }
  other.gone();
  assert.equal(lastOf(first), "a");
  const outbox = one.outbox;
  one.gone();
  other.send("d");
  assert.equal(other.outbox, outbox);
});

test("what was on its way when all was dropped is never given back", () => {
  const outbox = new Outbox("server");
  const first = takeText(outbox, "a", 200_000);
  outbox.taken(false, true);
  outbox.clear();
  outbox.gone();
  assert.notEqual(takeText(outbox, "b", 200_000).buffer, first.buffer);
  assert.equal(lastOf(first), "a");
});

test("at most 8 MiB are kept, and no frame of more than 1 MiB and a header", () => {
  const boxes = Array.from({ length: 10 }, () => new Outbox("server"));
  const frames = boxes.map((outbox) => takeText(outbox, "a", 1_048_576).buffer);
  for (const outbox of boxes) outbox.taken(true, true);
  const again = boxes.map((outbox) => takeText(outbox, "b", 1_048_576).buffer);
  // Each has 64 KiB of room more than it needs.
  assert.equal(again.filter((buffer) => frames.includes(buffer)).length, 7);
  const [outbox] = boxes as [Outbox];
  outbox.taken(true, true);
  const large = takeText(outbox, "a", 1_200_000).buffer;
  outbox.taken(true, true);
  assert.notEqual(takeText(outbox, "b", 1_200_000).buffer, large);
});

for (const role of ["server", "client"] as const) {
  test(`a short frame says what was added, whatever its length and its characters (${role})`, () => {
    const outbox = new Outbox(role);
    for (let length = 0; length <= 130; length++) {
      for (const letter of ["a", "ñ", "€", "\u{1F600}"]) {
        const text = "x".repeat(length) + letter;
        const bytes = Buffer.from(text);
        for (const message of [text, new Uint8Array(bytes)]) {
          outbox.addMessage(FIN | OPCODE.text, message);
          const frame = Buffer.from(outbox.take() as Uint8Array);
          outbox.taken(true, true);
          const header = (bytes.length < 126 ? 2 : 4) + (role === "client" ? 4 : 0);
          const payload = frame.subarray(header);
          if (role === "client") {
            const key = frame.subarray(header - 4, header);
            for (let i = 0; i < payload.length; i++) payload[i] = (payload[i] ?? 0) ^ (key[i & 3] ?? 0);
          }
          assert.equal(payload.toString(), text);
        }
      }
    }
  });
}
