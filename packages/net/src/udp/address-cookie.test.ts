import assert from "node:assert/strict";
import { test } from "node:test";
import { AddressCookies, COOKIE_LENGTH, COOKIE_WINDOW_MS } from "./address-cookie.ts";

function at(start: number) {
  const clock = { now: start };
  return { clock, cookies: new AddressCookies(() => clock.now) };
}

test("a cookie is 16 characters that need no quoting, the same for the whole window", () => {
  const { clock, cookies } = at(0);
  const cookie = cookies.make("192.0.2.1:7");
  assert.match(cookie, /^[\w-]{16}$/);
  assert.equal(COOKIE_LENGTH, 16);
  clock.now = COOKIE_WINDOW_MS - 1;
  assert.equal(cookies.make("192.0.2.1:7"), cookie);
  clock.now = COOKIE_WINDOW_MS;
  assert.notEqual(cookies.make("192.0.2.1:7"), cookie);
});

test("it is good in its window and the next, and no longer", () => {
  const { clock, cookies } = at(10 * COOKIE_WINDOW_MS);
  const cookie = cookies.make("a:1");
  for (const [windows, isGood] of [
    [0, true],
    [1, true],
    [2, false],
    [100, false],
  ] as const) {
    clock.now = (10 + windows) * COOKIE_WINDOW_MS + 59_999;
    assert.equal(cookies.verify("a:1", cookie), isGood, `${windows} windows later`);
  }
});

test("it is bound to the address, the port and this process", () => {
  const { cookies } = at(0);
  const cookie = cookies.make("192.0.2.1:7");
  assert.equal(cookies.verify("192.0.2.1:8", cookie), false);
  assert.equal(cookies.verify("192.0.2.2:7", cookie), false);
  assert.equal(at(0).cookies.verify("192.0.2.1:7", cookie), false);
});

test("nothing else is accepted, however long or strange", () => {
  const { cookies } = at(0);
  const cookie = cookies.make("a:1");
  const swapped = `${cookie.slice(0, -1)}${cookie.endsWith("A") ? "B" : "A"}`;
  for (const wrong of [
    "",
    cookie.slice(1),
    `${cookie}A`,
    "é".repeat(8),
    "é".repeat(16),
    swapped,
    "x".repeat(1e6),
  ]) {
    assert.equal(cookies.verify("a:1", wrong), false);
  }
});

test("what is no text is no cookie", () => {
  const { cookies } = at(0);
  for (const odd of [undefined, null, 16, {}, [], Buffer.from(cookies.make("a:1"))]) {
    assert.equal(cookies.verify("a:1", odd as string), false);
  }
});
