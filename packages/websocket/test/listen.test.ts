// What `listen` says when it cannot.
import assert from "node:assert/strict";
import { test } from "node:test";
import { NetError } from "@zocalo/net";
import { listen } from "../src/index.ts";
import { ANY_PORT, portOf } from "./peers.ts";

test("a port that is taken is a NetError that names it", async () => {
  await using first = await listen(ANY_PORT);
  const port = portOf(first);
  await assert.rejects(listen(`127.0.0.1:${port}`), (error: NetError) => {
    assert.ok(error instanceof NetError);
    assert.equal(error.code, "address_in_use");
    assert.equal(error.op, "listen");
    assert.equal(error.message, `listen websocket 127.0.0.1:${port}: address already in use`);
    assert.equal((error.cause as { code?: string } | undefined)?.code, "EADDRINUSE");
    return true;
  });
});

test("an address of another machine is a NetError", async () => {
  await assert.rejects(listen("192.0.2.1:0"), { name: "NetError", code: "address_not_available" });
});

test("a bad address is a NetError that shows it", async () => {
  await assert.rejects(listen("nonsense"), {
    name: "NetError",
    code: "invalid_address",
    message: /nonsense/,
  });
});
