import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { createDeflateRaw } from "node:zlib";
import { dial } from "../index.ts";
import { accepting, echoAll } from "../../test/peers.ts";
import { enableSyncZlib, isZlibUsable } from "./sync-zlib.ts";

afterEach(() => enableSyncZlib(true));

const text = "zocalo ".repeat(1000);

/** What was agreed between a server and a client, each with or without the handle; messages get through. */
async function agreed(ofServer: boolean, ofClient: boolean): Promise<string> {
  const compression = { thresholdBytes: 0 };
  enableSyncZlib(ofServer);
  await using server = await accepting({ compression });
  void echoAll(server.listener);
  enableSyncZlib(ofClient);
  const conn = await dial(server.url, { compression });
  await conn.send(text);
  assert.equal(await conn.receive(), text);
  await conn.close();
  return conn.extensions;
}

test("where zlib's handles are as expected, both sides compress", async () => {
  assert.equal(isZlibUsable(), true);
  assert.match(await agreed(true, true), /^permessage-deflate/);
});

for (const [who, ofServer, ofClient] of [
  ["a server", false, true],
  ["a client", true, false],
] as const) {
  test(`${who} whose Node has other handles asks for no compression, and messages arrive`, async () => {
    assert.equal(await agreed(ofServer, ofClient), "");
  });
}

const otherHandles: Record<string, unknown> = {
  "has no such function": undefined,
  throws: () => {
    throw new TypeError("not like this");
  },
  "does nothing": () => undefined,
};
for (const [name, value] of Object.entries(otherHandles)) {
  test(`a handle whose writeSync ${name} is found out`, () => {
    const stream = createDeflateRaw();
    const prototype: unknown = Object.getPrototypeOf(Reflect.get(stream, "_handle"));
    stream.destroy();
    assert.ok(typeof prototype === "object" && prototype !== null);
    const own: unknown = Reflect.get(prototype, "writeSync");
    Object.defineProperty(prototype, "writeSync", { value, configurable: true, writable: true });
    try {
      enableSyncZlib(true);
      assert.equal(isZlibUsable(), false);
    } finally {
      Object.defineProperty(prototype, "writeSync", { value: own, configurable: true, writable: true });
    }
  });
}
