import assert from "node:assert/strict";
import { test } from "node:test";
import { ipAddr, type Peer } from "@zocalo/net";
import { type ForwardedHeader, isAddressOrNetwork, Proxies } from "./proxies.ts";

const PROXY = "10.0.0.1";
const TRUSTED = ["10.0.0.0/8", "2001:db8:f::/48"];

/** Somebody who comes from `host` with one header. */
function peer(host: string, name: string, value: string | string[] | undefined): Peer {
  const request = { url: "/ws", headers: { [name]: value } };
  return { transport: "websocket", addr: ipAddr("tcp", host, 4711), request };
}

function hostOf(
  host: string,
  value: string | string[] | undefined,
  header: ForwardedHeader = "x-forwarded-for",
) {
  return new Proxies(TRUSTED, header).hostOf(peer(host, header, value));
}

test("without proxies nobody is believed, and a stranger is not where there are some", () => {
  const nobody = new Proxies([], "x-forwarded-for");
  assert.equal(nobody.hostOf(peer("192.0.2.1", "x-forwarded-for", "203.0.113.7")), "192.0.2.1");
  assert.equal(hostOf("192.0.2.1", "203.0.113.7"), "192.0.2.1");
});

test("the visitor is the last address that is not a proxy's: what stands before it the visitor wrote", () => {
  for (const [value, expected] of [
    ["203.0.113.7", "203.0.113.7"],
    ["127.0.0.1, 198.51.100.9, 203.0.113.7", "203.0.113.7"],
    ["1.2.3.4, 203.0.113.7, 10.1.1.1, 10.2.2.2", "203.0.113.7"],
    [["1.2.3.4", "203.0.113.7", "10.1.1.1"], "203.0.113.7"],
    ["203.0.113.7:4711", "203.0.113.7"],
    ["2001:db8::7", "2001:db8::7"],
    ["[2001:db8::7]:4711", "2001:db8::7"],
    ["203.0.113.7, 2001:db8:f::1", "203.0.113.7"],
    [",, 203.0.113.7 ,", "203.0.113.7"],
  ] as const) {
    assert.equal(hostOf(PROXY, value as string | string[]), expected, String(value));
  }
});

test("where no address of a visitor is told, the proxy that did not tell it is the visitor", () => {
  for (const [value, expected] of [
    [undefined, PROXY],
    ["", PROXY],
    ["unknown", PROXY],
    ["203.0.113.7, rubbish", PROXY],
    ["203.0.113.7, unknown, 10.1.1.1", "10.1.1.1"],
    ["10.1.1.1, 10.2.2.2", "10.1.1.1"],
    ["203.0.113.7.8", PROXY],
  ] as const) {
    assert.equal(hostOf(PROXY, value), expected, String(value));
  }
});

test("Forwarded is read as RFC 7239 has it", () => {
  for (const [value, expected] of [
    ["for=203.0.113.7", "203.0.113.7"],
    ['For="[2001:db8::7]:4711";proto=https', "2001:db8::7"],
    ["proto=https;for=203.0.113.7;by=10.0.0.1", "203.0.113.7"],
    ["for=1.2.3.4, for=203.0.113.7, for=10.1.1.1", "203.0.113.7"],
    ["for=203.0.113.7, for=_hidden", PROXY],
    ["for=203.0.113.7, proto=https", PROXY],
    ["xfor=203.0.113.7", PROXY],
  ] as const) {
    assert.equal(hostOf(PROXY, value, "forwarded"), expected, value);
  }
});

test("only the one header is read", () => {
  const proxies = new Proxies(TRUSTED, "forwarded");
  assert.equal(proxies.hostOf(peer(PROXY, "x-forwarded-for", "203.0.113.7")), PROXY);
});

test("a long header takes no long time", () => {
  const value = `${"for=;".repeat(50_000)}${"10.0.0.1,".repeat(50_000)}`;
  assert.equal(hostOf(PROXY, value, "forwarded"), PROXY);
  assert.equal(hostOf(PROXY, value), PROXY);
});

test("addresses and networks are told from what is none", () => {
  for (const text of ["192.0.2.1", "10.0.0.0/8", "::1", "2001:db8::/32"])
    assert.ok(isAddressOrNetwork(text), text);
  for (const text of ["", "localhost", "10.0.0.0/33", "10.0.0", "*", "unix"]) {
    assert.ok(!isAddressOrNetwork(text), text);
  }
});
