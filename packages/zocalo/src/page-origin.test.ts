import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import { isAllowedPage } from "./page-origin.ts";

function request(localAddress: string, host: string, origin?: string): IncomingMessage {
  const rawHeaders = ["Host", host, ...(origin === undefined ? [] : ["Origin", origin])];
  const headers = { host, ...(origin === undefined ? {} : { origin }) };
  return { rawHeaders, headers, socket: { localAddress } } as unknown as IncomingMessage;
}

test("a page of this machine may connect, by any name of loopback", () => {
  for (const host of [
    "localhost:8080",
    "127.0.0.1:8080",
    "127.1.2.3",
    "[::1]:8080",
    "plaza.localhost:8080",
  ]) {
    for (const localAddress of ["127.0.0.1", "::1", "::ffff:127.0.0.1"]) {
      assert.equal(isAllowedPage(request(localAddress, host, `http://${host}`), []), true, host);
    }
  }
});

test("a page whose own name was turned towards loopback may not", () => {
  for (const host of [
    "evil.example:8080",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "notlocalhost",
    "[::2]",
  ]) {
    assert.equal(isAllowedPage(request("127.0.0.1", host, `http://${host}`), []), false, host);
    assert.equal(isAllowedPage(request("::1", host, `http://${host}`), []), false, host);
  }
});

test("behind a proxy on this machine the public origin may connect once it is allowed", () => {
  const fromProxy = request("127.0.0.1", "example.org", "https://example.org");
  assert.equal(isAllowedPage(fromProxy, []), false);
  assert.equal(isAllowedPage(fromProxy, ["https://example.org"]), true);
  assert.equal(isAllowedPage(fromProxy, ["*"]), true);
});

test("on an address of the network the host may have any name", () => {
  assert.equal(isAllowedPage(request("192.0.2.1", "example.org", "http://example.org"), []), true);
  assert.equal(isAllowedPage(request("192.0.2.1", "example.org", "http://evil.example"), []), false);
});

test("a program that is no browser may connect under any name", () => {
  assert.equal(isAllowedPage(request("127.0.0.1", "gateway.example"), []), true);
});
