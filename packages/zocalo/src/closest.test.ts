import assert from "node:assert/strict";
import { test } from "node:test";
import { closest, didYouMean } from "./closest.ts";

const names = ["host", "httpPort", "tcpPort", "udpPort", "allowedOrigins"];

test("finds a name with a letter changed, added, left out or swapped", () => {
  assert.equal(closest("htpPort", names), "httpPort");
  assert.equal(closest("httpPorts", names), "httpPort");
  assert.equal(closest("htttPort", names), "httpPort");
  assert.equal(closest("hots", names), "host");
  assert.equal(closest("HTTPPORT", names), "httpPort");
});

test("offers nothing that is far away", () => {
  assert.equal(closest("colour", names), undefined);
  assert.equal(closest("", names), undefined);
  assert.equal(closest("h".repeat(100_000), names), undefined);
});

test("says it as a sentence, or not at all", () => {
  assert.equal(didYouMean("allowedOrigin", names), " Did you mean allowedOrigins?");
  assert.equal(didYouMean("nothing", names), "");
});
