// `cast`, in both directions and both forms, and `message`.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decodeBinaryCommand,
  decodeBinaryMessage,
  encodeBinaryCast,
  encodeBinaryMessage,
  encodeBinaryMessagePush,
} from "./binary.ts";
import { decodeServerMessage, encodeCast, encodeMessage } from "./codec.ts";
import { decodeCommand } from "./command.ts";
import { encodeBinaryCommand } from "./binary.ts";
import { isMethodName, LIMITS } from "./limits.ts";
import type { ReceivedCommand } from "./message.ts";

/** Of a command as text, what both forms make of it. */
function readInBoth(text: string): ReceivedCommand {
  const read = decodeCommand(text);
  assert.deepEqual({ ...decodeBinaryCommand(encodeBinaryCommand(read), LIMITS.commandBytes) }, { ...read });
  return read;
}

test("a cast goes to a channel or a method, and not to both or neither", () => {
  const toChannel = readInBoth('{"type":"cast","channel":"arena:1","data": 1e400 ,"key":"ana"}');
  assert.ok(toChannel.type === "cast" && "channel" in toChannel);
  assert.deepEqual([toChannel.channel, toChannel.key, toChannel.json], ["arena:1", "ana", "1e400"]);
  const byMethod = readInBoth('{"type":"cast","id":7,"method":"arena.input","bytes":"AP8="}');
  assert.ok(byMethod.type === "cast" && "method" in byMethod && !("channel" in byMethod));
  assert.deepEqual([byMethod.id, byMethod.data], [7, new Uint8Array([0, 255])]);
  const wrong: [string, RegExp][] = [
    ['{"type":"cast","id":7,"channel":"a","method":"b","data":1}', /"method" excludes "channel"/],
    ['{"type":"cast","id":7,"data":1}', /"channel" must be/],
    ['{"type":"cast","id":7,"method":"","data":1}', /"method" must be/],
    ['{"type":"cast","id":7,"method":"b"}', /"data" is missing/],
    ['{"type":"cast","id":7,"channel":"a","data":1,"key":""}', /"key" must not be empty/],
    ['{"type":"cast","id":7,"channel":"a","bytes":"?"}', /"bytes" must be base64/],
  ];
  for (const [text, message] of wrong) {
    assert.throws(() => decodeCommand(text), { code: "bad_command", message, id: 7 });
  }
});

test("a name of a method has 1 to 128 characters, a key 1 to 64", () => {
  const most = "m".repeat(LIMITS.channelLength);
  for (const name of ["shop.buy", "a", ":", "a:b@c/d~e-f_g", most]) assert.ok(isMethodName(name), name);
  for (const name of ["", `${most}m`, "a b", "á", 'a"b', "a\n"]) assert.ok(!isMethodName(name), name);
  const cast = (key: string): string => JSON.stringify({ type: "cast", channel: "a", data: 1, key });
  assert.equal(decodeCommand(cast("k".repeat(64))).type, "cast");
  assert.throws(() => decodeCommand(cast("k".repeat(65))), { code: "bad_command" });
});

test("pushes are read as they were said, whether JSON or bytes", () => {
  const bytes = new Uint8Array([0, 255]);
  const said = { user: 'a"b', key: "k", sender: "s", data: '{"a":1,"a":2}' };
  for (const read of [
    decodeServerMessage(encodeCast("arena:1", said)),
    decodeBinaryMessage(encodeBinaryCast("arena:1", said)),
  ]) {
    assert.deepEqual(read, {
      type: "cast",
      channel: "arena:1",
      user: 'a"b',
      key: "k",
      sender: "s",
      data: { a: 2 },
      json: said.data,
    });
  }
  for (const read of [
    decodeServerMessage(encodeMessage("shop.ready", bytes)),
    decodeBinaryMessage(encodeBinaryMessagePush("shop.ready", bytes)),
  ]) {
    assert.deepEqual(read, { type: "message", topic: "shop.ready", data: bytes, json: "" });
  }
});

test("a message of bytes in the binary form is what the general way writes, whatever its length", () => {
  for (const topic of ["t", "t".repeat(127), "t".repeat(128)]) {
    for (const length of [0, 1, 100, 127, 128, 16_000, 16_383, 16_384, 2_097_151, 2_097_152]) {
      const data = new Uint8Array(length).fill(7);
      const written = encodeBinaryMessagePush(topic, data);
      assert.deepEqual(written, encodeBinaryMessage({ type: "message", topic, data }), `${length}`);
    }
  }
});
