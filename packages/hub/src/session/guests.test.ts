import assert from "node:assert/strict";
import { test } from "node:test";
import type { Peer } from "@zocalo/net";
import { guests } from "./guests.ts";

const peer: Peer = { transport: "pipe", addr: { network: "pipe", toString: () => "pipe" } };

test("without a token everybody is somebody else", async () => {
  const authenticate = guests();
  const [one, other] = [await authenticate({}, peer), await authenticate({ token: "" }, peer)];
  assert.match(one?.user ?? "", /^guest-[a-z2-9]{8}$/);
  assert.notEqual(one?.user, other?.user);
  assert.equal(one?.isGuest, true);
});

test("a token makes the same user each time, from which it cannot be seen", async () => {
  const authenticate = guests();
  const one = await authenticate({ token: "a secret of the browser", info: { name: "Ana" } }, peer);
  const again = await authenticate({ token: "a secret of the browser" }, peer);
  assert.equal(one?.user, "guest-Po5Kd3SbKOZg");
  assert.equal(again?.user, one?.user);
  assert.deepEqual(one?.info, { name: "Ana" });
  const shown = await authenticate({ info: { a: 0 }, infoJson: '{"a":-0}' }, peer);
  assert.equal(shown?.infoJson, '{"a":-0}');
  assert.notEqual((await authenticate({ token: "another" }, peer))?.user, one?.user);
});
