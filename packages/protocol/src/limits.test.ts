import assert from "node:assert/strict";
import { it } from "node:test";
import { CLOSE, isChannelName, LIMITS, mayReconnect, namespaceOf } from "./index.ts";

it("channel names are a namespace and more, in a closed alphabet", () => {
  for (const good of [
    "plaza",
    "plaza:general",
    "a:b:c",
    "docs:2026/11/notes.md",
    "users:ana@example.org",
    "__proto__:x",
  ]) {
    assert.ok(isChannelName(good), good);
  }
  for (const bad of [
    "",
    ":",
    "a:",
    ":a",
    "a::b",
    "a b",
    "a:\n",
    "a:é",
    'a:"',
    "a/b:c",
    `a:${"b".repeat(LIMITS.channelLength)}`,
  ]) {
    assert.ok(!isChannelName(bad), JSON.stringify(bad));
  }
});

it("a long name that almost fits is refused in linear time", () => {
  assert.ok(!isChannelName(`${"a:".repeat(63)}!`));
  assert.ok(!isChannelName(`${"a:".repeat(1_000_000)}!`));
});

it("the namespace is what stands before the first colon", () => {
  assert.equal(namespaceOf("plaza:general:es"), "plaza");
  assert.equal(namespaceOf("plaza"), "plaza");
});

it("a client comes back after a server's trouble, and not after its own", () => {
  const back = [CLOSE.goingAway, 1006, CLOSE.internal, CLOSE.tryAgainLater, CLOSE.slowConsumer];
  const stay = [CLOSE.normal, CLOSE.tooLarge, CLOSE.unauthorized, CLOSE.badCommands, CLOSE.rateLimited];
  for (const code of back) assert.ok(mayReconnect(code), String(code));
  for (const code of stay) assert.ok(!mayReconnect(code), String(code));
});
