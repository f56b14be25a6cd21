import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { test } from "node:test";
import { OwnNames } from "./own-names.ts";

const settings = { host: "localhost", allowedHosts: [], allowedOrigins: [] };

function request(localAddress: string, host: string, origin?: string): IncomingMessage {
  const rawHeaders = ["Host", host, ...(origin === undefined ? [] : ["Origin", origin])];
  const headers = { host, ...(origin === undefined ? {} : { origin }) };
  return { url: "/ws", rawHeaders, headers, socket: { localAddress } } as unknown as IncomingMessage;
}

/** Whether a page that was loaded from `host` opens a WebSocket, and whether it reads a page. */
function judge(names: OwnNames, localAddress: string, host: string): readonly [boolean, boolean] {
  return [
    names.isAllowedPage(request(localAddress, host, `http://${host}`)),
    names.isAllowedHost(request(localAddress, host)),
  ];
}

const silent = () => undefined;

test("a page of this machine gets in, by any name of loopback", () => {
  const names = new OwnNames(settings, silent);
  for (const host of [
    "localhost:8080",
    "127.0.0.1:8080",
    "127.1.2.3",
    "[::1]:8080",
    "plaza.localhost:8080",
  ]) {
    for (const localAddress of ["127.0.0.1", "::1", "::ffff:127.0.0.1"]) {
      assert.deepEqual(judge(names, localAddress, host), [true, true], host);
    }
  }
});

test("a page whose own name was turned towards loopback, or to the network, does not", () => {
  const names = new OwnNames(settings, silent);
  for (const host of [
    "evil.example:8080",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "notlocalhost",
    "[::2]",
  ]) {
    for (const localAddress of ["127.0.0.1", "::1", "192.0.2.1", "2001:db8::1"]) {
      assert.deepEqual(judge(names, localAddress, host), [false, false], host);
    }
  }
});

test("on an address of the network a page gets in by the address, and by names that were told", () => {
  const names = new OwnNames(
    { ...settings, host: "square.example", allowedHosts: ["*.example.org"] },
    silent,
  );
  for (const host of ["192.0.2.1:8080", "square.example:8080", "chat.example.org"]) {
    assert.deepEqual(judge(names, "192.0.2.1", host), [true, true], host);
  }
  for (const host of ["192.0.2.2:8080", "localhost:8080", "example.org", "other.example"]) {
    assert.deepEqual(judge(names, "192.0.2.1", host), [false, false], host);
  }
});

test("the host to listen on is a name, but the address that means all of them is none", () => {
  const names = new OwnNames({ ...settings, host: "0.0.0.0" }, silent);
  assert.deepEqual(judge(names, "127.0.0.1", "0.0.0.0:8080"), [false, false]);
  assert.deepEqual(judge(names, "127.0.0.1", "127.0.0.1:8080"), [true, true]);
});

test("behind a proxy the public name is told, whether the proxy passes it on or not", () => {
  const names = new OwnNames({ ...settings, allowedHosts: ["example.org"] }, silent);
  assert.equal(names.isAllowedPage(request("127.0.0.1", "example.org", "https://example.org")), true);
  assert.equal(names.isAllowedPage(request("127.0.0.1", "localhost:8080", "https://example.org")), true);
  assert.equal(names.isAllowedHost(request("127.0.0.1", "example.org")), true);
  const untold = new OwnNames(settings, silent);
  assert.equal(untold.isAllowedPage(request("127.0.0.1", "example.org", "https://example.org")), false);
});

test("pages of allowed origins get in, whatever they call this server; * are all pages, by all names", () => {
  const names = new OwnNames({ ...settings, allowedOrigins: ["https://pages.example:8443"] }, silent);
  for (const [origin, isAllowed] of [
    ["https://pages.example:8443", true],
    ["HTTPS://PAGES.example:8443", true],
    ["https://pages.example", false],
    ["http://pages.example:8443", false],
    ["https://pages.example:8443, https://pages.example:8443", false],
  ] as const) {
    assert.equal(names.isAllowedPage(request("127.0.0.1", "x.example", origin)), isAllowed, origin);
  }
  // It may be the public name of this server, behind a proxy.
  assert.equal(names.isAllowedHost(request("127.0.0.1", "pages.example")), true);
  assert.equal(names.isAllowedHost(request("127.0.0.1", "x.example")), false);
  const open = new OwnNames({ ...settings, allowedOrigins: ["*"] }, silent);
  assert.deepEqual(judge(open, "127.0.0.1", "evil.example"), [true, true]);
});

test("a program that is no browser may connect under any name, and has to name the server to read a page", () => {
  const names = new OwnNames(settings, silent);
  assert.equal(names.isAllowedPage(request("127.0.0.1", "gateway.example")), true);
  assert.equal(names.isAllowedHost(request("127.0.0.1", "gateway.example")), false);
  const old = { url: "/", rawHeaders: [], headers: {}, socket: {} } as unknown as IncomingMessage;
  assert.equal(names.isAllowedHost(old), true, "HTTP/1.0 without a Host");
});

test("a name to allow is told once, however many ask by however many names", () => {
  const told: [string, number][] = [];
  const names = new OwnNames(settings, (host, keptBack) => told.push([host, keptBack]));
  for (let count = 0; count < 1_000; count++) judge(names, "192.0.2.1", `mybox-${count}.example:8080`);
  assert.deepEqual(told, [["mybox-0.example", 0]]);
});

test("a page of another host is no reason to tell a name; its origin is told once, in the form that allowedOrigins takes", () => {
  const told: string[] = [];
  const pages: [string, number][] = [];
  const names = new OwnNames(
    settings,
    (host) => told.push(host),
    (origin, keptBack) => pages.push([origin, keptBack]),
  );
  const ask = (origin: string) => names.isAllowedPage(request("127.0.0.1", "localhost", origin));
  // None that could be allowed, or copied into a shell.
  for (const origin of [
    "null",
    "file://",
    "http://a.example/$(id)",
    "http://$(id)",
    "http://a.example, http://b.example",
    "http://",
    "http://a\u001b[2J",
  ]) {
    assert.equal(ask(origin), false);
  }
  assert.deepEqual(pages, []);
  // Behind a proxy that puts a Host of its own, this is the server's own page.
  assert.equal(ask("https://chat.example:8443"), false);
  for (let count = 0; count < 1_000; count++) ask(`http://evil-${count}.example`);
  assert.deepEqual([told, pages], [[], [["https://chat.example:8443", 0]]]);
  const allowed = new OwnNames({ ...settings, allowedOrigins: ["https://chat.example:8443"] }, silent);
  assert.equal(
    allowed.isAllowedPage(request("127.0.0.1", "localhost", "https://chat.example:8443")),
    true,
    "as it says",
  );
});
