import assert from "node:assert/strict";
import { test } from "node:test";
import { SourceAddrs } from "./source-addr.ts";

test("a source that sends again is the same object; its text is made once", () => {
  const sources = new SourceAddrs();
  const first = sources.of("192.0.2.1", 7000);
  // Another string with the same text, as it comes with each datagram.
  const again = sources.of(["192", "0", "2", "1"].join("."), 7000);
  assert.equal(again, first);
  assert.equal(String(first), "192.0.2.1:7000");
  assert.deepEqual([first.network, first.host, first.port], ["udp", "192.0.2.1", 7000]);
});

test("neither host nor port alone make an address", () => {
  const sources = new SourceAddrs();
  for (const [host, port, text] of [
    ["192.0.2.1", 7000, "192.0.2.1:7000"],
    ["192.0.2.2", 7000, "192.0.2.2:7000"],
    ["192.0.2.2", 7256, "192.0.2.2:7256"],
    ["192.0.2.1", 7000, "192.0.2.1:7000"],
    ["::ffff:192.0.2.1", 7000, "192.0.2.1:7000"],
    ["::1", 7000, "[::1]:7000"],
  ] as const) {
    const addr = sources.of(host, port);
    assert.deepEqual([String(addr), addr.wireHost, addr.port], [text, host, port]);
  }
});

test("256 sources are remembered, and one more drives out one of them", () => {
  const sources = new SourceAddrs();
  const known = Array.from({ length: 256 }, (_, port) => sources.of("192.0.2.1", port));
  assert.ok(known.every((addr, port) => sources.of("192.0.2.1", port) === addr));
  sources.of("192.0.2.1", 256);
  const forgotten = known.filter((addr, port) => sources.of("192.0.2.1", port) !== addr);
  assert.equal(forgotten.length, 1);
});

test("a flood of made-up sources leaves no more than that behind", () => {
  const sources = new SourceAddrs();
  const made = Array.from({ length: 10_000 }, (_, n) => sources.of(`198.51.100.${n % 256}`, n));
  const kept = made.filter((addr) => sources.of(addr.wireHost, addr.port) === addr);
  assert.ok(kept.length <= 256, String(kept.length));
});
