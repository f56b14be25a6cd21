import assert from "node:assert/strict";
import { test } from "node:test";
import { ipAddr, pipeAddr, unixAddr } from "../contracts/addr.ts";
import {
  AddressCounts,
  AddressLimits,
  exemptSet,
  hostOf,
  localAddresses,
  visitorOf,
} from "./address-limits.ts";
import type { AddressLimitOptions } from "../options/listen-options.ts";

const nobody = exemptSet([]);

function optionOf(name: string, value: unknown): AddressLimitOptions {
  const options: Record<string, unknown> = { [name]: value };
  return options;
}

test("a visitor is an IPv4 address, or the /64 of an IPv6 one", () => {
  const visitors: Readonly<Record<string, string>> = {
    "203.0.113.7": "203.0.113.7",
    "::ffff:203.0.113.7": "203.0.113.7",
    "::FFFF:cb00:7107": "203.0.113.7",
    "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
    "2001:DB8:1:2::": "2001:db8:1:2::/64",
    "2001:db8::7": "2001:db8:0:0::/64",
    "2001:db8:0:0:0:0:0:8": "2001:db8:0:0::/64",
    "::1": "::1",
    "fe80::1%eth0": "fe80::1%eth0",
    "fe80::2%eth0": "fe80::2%eth0",
    unix: "unix",
    // One of many behind a NAT64, and never this machine.
    "64:ff9b::203.0.113.7": "64:ff9b::203.0.113.7",
    "64:ff9b::CB00:7107": "64:ff9b::203.0.113.7",
    "64:ff9b::7f00:1": "64:ff9b::127.0.0.1",
    "64:ff9b:1::1": "64:ff9b:1:0::/64",
  };
  for (const [host, visitor] of Object.entries(visitors)) assert.equal(visitorOf(host), visitor, host);
});

test("an address without a host stands for its network", () => {
  assert.equal(hostOf(ipAddr("tcp", "203.0.113.7", 80)), "203.0.113.7");
  assert.equal(hostOf(unixAddr("/run/a.sock")), "unix");
  assert.equal(hostOf(pipeAddr), "pipe");
});

test("a visitor may hold as much as the limit says and no more, whatever others hold", () => {
  const counts = new AddressCounts(3, nobody);
  const held = ["2001:db8::1", "2001:db8::2", "2001:db8::3"].map((host) => counts.take(host));
  assert.ok(held.every((holder) => holder !== undefined));
  assert.equal(counts.take("2001:db8::4"), undefined, "one past it");
  assert.ok(counts.take("2001:db8:0:1::1"), "another /64");
  counts.releaseAt("2001:db8::9");
  assert.ok(counts.take("2001:db8::4"), "there is room again");
});

test("amounts count as what they are", () => {
  const counts = new AddressCounts(10, nobody);
  const holder = counts.take("203.0.113.7", 9);
  assert.ok(holder);
  assert.equal(counts.take("203.0.113.7", 2), undefined);
  assert.equal(counts.take("203.0.113.7", 1), holder);
  counts.release(holder, 10);
  assert.equal(counts.visitorCount, 0);
});

test("an entry lives as long as its visitor holds something", () => {
  const counts = new AddressCounts(2, nobody);
  for (let round = 0; round < 3; round++) {
    const holders = Array.from({ length: 1000 }, (_, at) => counts.take(`198.51.${at >> 8}.${at & 255}`));
    assert.equal(counts.visitorCount, 1000);
    for (const holder of holders) if (holder !== undefined) counts.release(holder);
    assert.equal(counts.visitorCount, 0);
  }
  counts.releaseAt("203.0.113.7");
  assert.equal(counts.visitorCount, 0, "who holds nothing gives nothing back");
});

test("without a limit nothing is counted", () => {
  const counts = new AddressCounts(Number.POSITIVE_INFINITY, nobody);
  const holder = counts.take("203.0.113.7");
  assert.ok(holder);
  assert.equal(counts.visitorCount, 0);
  counts.release(holder);
  assert.equal(holder.held, 0);
});

test("this machine is exempt unless asked, and whoever is named is", () => {
  const byDefault = new AddressCounts(1, exemptSet(undefined));
  const local = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "unix", "pipe"];
  for (const host of [...local, ...local, ...local]) assert.ok(byDefault.take(host), host);
  assert.ok(byDefault.take("203.0.113.7"));
  assert.equal(byDefault.take("203.0.113.7"), undefined);

  const asked = new AddressCounts(1, nobody);
  for (const host of ["127.0.0.1", "127.9.9.9", "::1", "unix", "pipe"]) assert.ok(asked.take(host), host);
  for (const host of local) assert.equal(asked.take(host), undefined, host);

  const named = new AddressCounts(1, exemptSet([...localAddresses, "10.0.0.0/8", "2001:db8::/48"]));
  for (const host of ["10.1.2.3", "10.1.2.3", "2001:db8::1", "2001:db8::1", "::1", "::1"])
    assert.ok(named.take(host), host);
});

test("limits that are none are refused by name", () => {
  for (const name of ["maxConnectionsPerAddress", "maxHalfOpenPerAddress", "maxHandshakesPerAddress"]) {
    for (const [value, words] of [
      [0, "0"],
      [-1, "-1"],
      [1.5, "1.5"],
      [Number.NaN, "NaN"],
      ["7", '"7"'],
    ]) {
      assert.throws(() => new AddressLimits(optionOf(name, value)), {
        code: "invalid_argument",
        message: new RegExp(`${name} ${words} is not a whole number of at least 1`),
      });
    }
    assert.ok(new AddressLimits(optionOf(name, Number.POSITIVE_INFINITY)));
  }
  assert.throws(() => new AddressLimits({ exemptAddresses: ["nonsense"] }), { code: "invalid_argument" });
});
