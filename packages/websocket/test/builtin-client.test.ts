// Node's own WebSocket client, where the Node has one: from version 22 on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { accepting, echoAll } from "./peers.ts";

const major = Number(process.versions.node.split(".")[0]);
/** What is used of it; `@types/node` of version 20 does not know it. */
type BuiltinClient = new (
  url: string,
) => EventTarget & {
  binaryType: string;
  send(message: string | Uint8Array): void;
  close(code: number, reason: string): void;
};
const Builtin: unknown = Reflect.get(globalThis, "WebSocket");

if (major < 22) {
  test("this Node has no WebSocket client of its own", () => {
    assert.equal(Builtin, undefined);
  });
} else {
  for (const compression of [false, true]) {
    test(`Node's own client echoes, ${compression ? "with" : "without"} compression`, async () => {
      await using server = await accepting({ compression });
      void echoAll(server.listener);
      const client = new (Builtin as BuiltinClient)(server.url);
      client.binaryType = "arraybuffer";
      const next = (type: string): Promise<unknown> =>
        new Promise((resolve) => client.addEventListener(type, resolve, { once: true }));
      await next("open");
      for (const message of ["", "hola", "ñ".repeat(40_000), new Uint8Array(70_000).fill(7)]) {
        const answer = next("message");
        client.send(message);
        const { data } = (await answer) as { data: string | ArrayBuffer };
        assert.deepEqual(typeof data === "string" ? data : new Uint8Array(data), message);
      }
      const closed = next("close");
      client.close(4000, "bye");
      const { code, wasClean } = (await closed) as { code: number; wasClean: boolean };
      assert.deepEqual({ code, wasClean }, { code: 4000, wasClean: true });
    });
  }
}
