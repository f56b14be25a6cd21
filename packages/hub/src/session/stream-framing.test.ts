import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameFault, type Message } from "@zocalo/net";
import fc from "fast-check";
import { streamFraming } from "./stream-framing.ts";

/** A ping with so many bytes of what nobody knows. */
function ping(bytes: number): Buffer {
  const member = [0xd1, 0x0f, ...varint(bytes), ...new Uint8Array(bytes)];
  return Buffer.from([0x87, ...varint(member.length), ...member]);
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 0x80, ...varint(Math.floor(value / 128))];
}

/** What comes of a stream that arrives in such parts, where each part's memory is used again. */
function read(stream: Buffer, cuts: readonly number[], maxBytes = 65_536): Message[] {
  const decoder = streamFraming.decoder(maxBytes);
  const places = [0, ...cuts.map((cut) => cut % (stream.length + 1)).sort((a, b) => a - b), stream.length];
  const messages: Message[] = [];
  for (const [index, end] of places.slice(1).entries()) {
    const chunk = Buffer.from(stream.subarray(places[index], end));
    decoder.write(chunk);
    for (let message = decoder.next(); message !== undefined; message = decoder.next())
      messages.push(message);
    chunk.fill(0xff);
  }
  assert.ok(decoder.isAtBoundary);
  return messages;
}

const cuts = fc.array(fc.nat(5_000), { maxLength: 8 });

test("messages of the binary form come whole, wherever the stream is cut", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(400), { minLength: 1, maxLength: 6 }), cuts, (sizes, places) => {
      const messages = [Buffer.from([0x87, 0]), ...sizes.map(ping)];
      assert.deepEqual(read(Buffer.concat(messages), places), messages);
    }),
  );
});

test("a stream that begins as text does has lines, as ever", () => {
  assert.deepEqual(read(Buffer.from('{"é":1}\r\n\n{"b":2}\n'), [1, 2, 3, 9]), ['{"é":1}', "", '{"b":2}']);
});

test("a message at the limit is taken, and one past it ends the stream", () => {
  const message = ping(100);
  assert.deepEqual(read(message, [], message.length), [message]);
  assert.throws(() => read(message, [], message.length - 1), FrameFault);
});

test("a length that nobody has memory for is refused before any of it comes", () => {
  for (const head of [
    [0x87, 0xff, 0xff, 0xff, 0x7f],
    [0x87, 0xff, 0xff, 0xff, 0xff, 0xff],
  ]) {
    assert.throws(() => read(Buffer.from(head), []), FrameFault);
  }
});

test("text after a message of the binary form ends the stream", () => {
  assert.throws(() => read(Buffer.concat([ping(1), Buffer.from("{}\n")]), []), FrameFault);
});

test("each message is sent in the form that it has", () => {
  assert.deepEqual(streamFraming.encode("{}"), Buffer.from("{}\n"));
  const binary = ping(3);
  assert.deepEqual(streamFraming.encode(binary), binary);
  assert.equal(streamFraming.trailer(binary), undefined);
  assert.deepEqual(streamFraming.trailer(Buffer.from("{}")), Buffer.from("\n"));
});
