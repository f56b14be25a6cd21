import assert from "node:assert/strict";
import { test } from "node:test";
import { AddressSet } from "./address-set.ts";

test("a set has the addresses and the networks that were listed, and no others", () => {
  const set = new AddressSet("trusted", ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "fe80::1"]);
  for (const host of ["10.255.255.255", "192.0.2.7", "2001:db8:ffff::1", "fe80::1", "fe80::1%eth0"])
    assert.ok(set.has(host), host);
  for (const host of ["11.0.0.0", "192.0.2.8", "2001:db9::1", "fe80::2", "unix", "example.org", ""])
    assert.ok(!set.has(host), host);
});

test("networks without addresses are in a set that may have them and lists them", () => {
  assert.ok(new AddressSet("exemptAddresses", ["unix"], ["unix", "pipe"]).has("unix"));
  assert.ok(!new AddressSet("exemptAddresses", ["unix"], ["unix", "pipe"]).has("pipe"));
  assert.throws(() => new AddressSet("trusted", ["unix"]), { code: "invalid_argument" });
});

test("what is neither an address nor a network is shown with the name of its option", () => {
  for (const bad of ["10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/8/8", "10.0.0", "localhost", ""]) {
    assert.throws(() => new AddressSet("trusted", [bad]), {
      code: "invalid_argument",
      message: new RegExp(`trusted ${JSON.stringify(bad)} is neither`),
    });
  }
});
