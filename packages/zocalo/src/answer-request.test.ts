import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, request as sendRequest } from "node:http";
import { createServer as createSecureServer, request as sendSecureRequest } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { text } from "node:stream/consumers";
import { answerRequest, type Site } from "./answer-request.ts";
import { selfSigned } from "../test/terminal-certificates.ts";
import { OwnNames } from "./own-names.ts";
import { readPages } from "./pages.ts";

const root = mkdtempSync(join(tmpdir(), "zocalo-pages-"));
const built = join(root, "built");
mkdirSync(join(built, "assets"), { recursive: true });
for (const [name, content] of [
  ["index.html", "<!doctype html><title>plaza</title>"],
  ["assets/app-B3k9.js", "export {};"],
  ["assets/app-B3k9.js.map", "{}"],
  [".env", "SECRET=1"],
  ["favicon.svg", "<svg/>"],
  ["../outside.txt", "secret"],
] as const) {
  writeFileSync(join(built, name), content);
}
for (const hidden of [".git", "assets/.hidden"]) mkdirSync(join(built, hidden));
writeFileSync(join(built, ".git/config"), "secret");
writeFileSync(join(built, "assets/.hidden/key.js"), "secret");
for (const link of ["link.txt", "assets/link.js"]) symlinkSync(join(root, "outside.txt"), join(built, link));
mkdirSync(join(root, "elsewhere"));
writeFileSync(join(root, "elsewhere/outside.txt"), "secret");
symlinkSync(join(root, "elsewhere"), join(built, "folder"));

let isStopping = false;
const names = new OwnNames(
  { host: "localhost", allowedHosts: ["square.example"], allowedOrigins: [] },
  () => undefined,
);
let full: string | undefined;
let site: Site = {
  pages: readPages(built),
  names,
  isStopping: () => isStopping,
  whyFull: () => full,
};
const server = createServer((request, response) => answerRequest(site, request, response));
server.listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address() as AddressInfo;
after(() => {
  server.close();
  server.closeAllConnections();
  rmSync(root, { recursive: true });
});

/** One request on a connection of its own, its path as it stands. */
async function ask(path: string, options: { method?: string; headers?: Record<string, string> } = {}) {
  const request = sendRequest({ host: "127.0.0.1", port, path, agent: false, ...options }).end();
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return { status: response.statusCode, headers: response.headers, body: await text(response) };
}

test("the page is there, is asked for again each time, and runs only its own scripts", async () => {
  const { status, headers, body } = await ask("/");
  assert.equal(status, 200);
  assert.match(body, /plaza/);
  assert.equal(headers["content-type"], "text/html; charset=utf-8");
  assert.equal(headers["cache-control"], "no-cache");
  const policy = String(headers["content-security-policy"]).split("; ");
  assert.ok(policy.includes("default-src 'self'"));
  assert.ok(policy.includes(`connect-src 'self' ws://127.0.0.1:${port}`), policy.join());
});

test("connect-src repeats a plain host and nothing else of a request", async () => {
  const connectSource = async (host: string): Promise<string | undefined> => {
    const { headers } = await ask("/", { headers: { host } });
    const policy = String(headers["content-security-policy"]).split("; ");
    return policy.find((directive) => directive.startsWith("connect-src"));
  };
  assert.equal(await connectSource("chat.example:8443"), "connect-src 'self' ws://chat.example:8443");
  for (const host of ["*", "a *", "a; script-src *", "a,b", "[::1]:80", "a/b", "a:b@c", "ws:", "a:123456"]) {
    assert.equal(await connectSource(host), "connect-src 'self'", host);
  }
});

/**
 * The headers that the README claims, with their values. `HOST` stands for the host and port of the request.
 */
function claimedHeaders(): Map<string, string> {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const rows = [...readme.matchAll(/^\| `([a-z-]+)` \| `([^`]+)` \|/gm)];
  return new Map(rows.map(([, name = "", value = ""]) => [name, value]));
}

/** What an answer says of itself, or of the connection, and not of what a browser may do. */
const ORDINARY =
  /^(?:content-(?:type|length)|cache-control|etag|date|connection|keep-alive|allow|upgrade|transfer-encoding)$/;

test("what the README says of the headers is what is on the wire, found or not, and nothing is left out", async () => {
  const claimed = claimedHeaders();
  assert.ok(claimed.delete("strict-transport-security"), "that is of TLS only");
  const { headers: page } = await ask("/");
  const answers = [
    [200, await ask("/")],
    [200, await ask("/", { method: "HEAD" })],
    [304, await ask("/", { headers: { "if-none-match": String(page.etag) } })],
    [404, await ask("/nowhere")],
    [405, await ask("/", { method: "POST" })],
    [200, await ask("/healthz")],
    [426, await ask("/ws")],
  ] as const;
  for (const [expected, { status, headers }] of answers) {
    const said = Object.fromEntries(Object.entries(headers).filter(([name]) => !ORDINARY.test(name)));
    const wanted = [...claimed].map(([name, value]) => [name, value.replace("HOST", `127.0.0.1:${port}`)]);
    assert.deepEqual([status, said], [expected, Object.fromEntries(wanted)]);
  }
});

test("over TLS the page speaks wss:, and browsers are told to come back by TLS", async () => {
  const { certFile, keyFile } = selfSigned(root, ["localhost", "127.0.0.1"]);
  const identity = { cert: readFileSync(certFile), key: readFileSync(keyFile) };
  const secure = createSecureServer(identity, (request, response) => answerRequest(site, request, response));
  secure.listen(0, "127.0.0.1");
  await once(secure, "listening");
  const { port: securePort } = secure.address() as AddressInfo;
  const place = { host: "127.0.0.1", port: securePort, agent: false, ca: identity.cert };
  const [response] = (await once(sendSecureRequest(place).end(), "response")) as [IncomingMessage];
  response.resume();
  for (const [name, value] of claimedHeaders()) {
    assert.equal(response.headers[name], value.replace("ws://HOST", `wss://127.0.0.1:${securePort}`), name);
  }
  secure.close();
  secure.closeAllConnections();
});

test("hidden folders and symbolic links are no part of the page", async () => {
  for (const path of [
    "/.git/config",
    "/%2egit/config",
    "/%2Egit/config",
    "/%252egit/config",
    "/./.git/config",
    "/assets/.hidden/key.js",
    "/link.txt",
    "/folder/outside.txt",
    "/assets/link.js",
  ]) {
    assert.deepEqual([path, (await ask(path)).status], [path, 404]);
  }
});

test("a second page lies under a name of its own, which leads to it without its last slash, too", async () => {
  const before = site;
  const second = readPages(built, "/arena/") ?? new Map();
  site = { ...before, pages: new Map([...(before.pages ?? []), ...second]) };
  assert.equal((await ask("/arena/")).status, 200);
  const file = await ask("/arena/assets/app-B3k9.js");
  assert.match(String(file.headers["cache-control"]), /immutable/);
  const moved = await ask("/arena?seed=7");
  assert.deepEqual([moved.status, moved.headers["location"]], [308, "/arena/"]);
  for (const path of ["//arena", "/arena//", "/arena/../arena", "/elsewhere", "/arena/assets"]) {
    assert.equal((await ask(path)).status, 404, path);
  }
  site = before;
});

test("a query does not matter", async () => {
  assert.equal((await ask("/?room=general")).status, 200);
});

test("what has its hash in its name is kept for good", async () => {
  const { status, headers } = await ask("/assets/app-B3k9.js");
  assert.equal(status, 200);
  assert.equal(headers["content-type"], "text/javascript; charset=utf-8");
  assert.match(String(headers["cache-control"]), /immutable/);
});

test("who has the file already gets 304 without it", async () => {
  const { headers } = await ask("/");
  const etag = String(headers.etag);
  for (const value of [etag, `W/${etag}`, `"x", ${etag}`, "*"]) {
    const again = await ask("/", { headers: { "if-none-match": value } });
    assert.deepEqual([again.status, again.body, again.headers.etag], [304, "", etag]);
  }
  assert.equal((await ask("/", { headers: { "if-none-match": '"other"' } })).status, 200);
});

test("HEAD tells the size and sends nothing", async () => {
  const { status, headers, body } = await ask("/favicon.svg", { method: "HEAD" });
  assert.deepEqual(
    [status, headers["content-length"], headers["content-type"], body],
    [200, "6", "image/svg+xml", ""],
  );
});

test("no path leads out of the page, or to its hidden files", async () => {
  for (const path of [
    "/../outside.txt",
    "/assets/../../outside.txt",
    "/%2e%2e/outside.txt",
    "/..%2foutside.txt",
    "/..\\outside.txt",
    "//outside.txt",
    "/.env",
    "/assets/app-B3k9.js.map",
    "/assets/",
    "/assets",
    "/index.html/",
    "/constructor",
    "/__proto__",
    "/%00",
    "/%",
    "*",
  ]) {
    assert.deepEqual([path, (await ask(path)).status], [path, 404]);
  }
});

test("other methods are refused, and a body is not read", async () => {
  for (const method of ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
    const { status, headers } = await ask("/", { method });
    assert.deepEqual([status, headers.allow], [405, "GET, HEAD"]);
  }
  // The body never comes; the answer does, and the connection ends.
  const socket = connect(port, "127.0.0.1");
  socket.write("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n");
  const answer = await text(socket);
  assert.match(answer, /^HTTP\/1\.1 405 .*\r\nconnection: close\r\n/is);
});

test("plain HTTP at the WebSocket's address is told to upgrade", async () => {
  const { status, headers } = await ask("/ws");
  assert.deepEqual([status, headers.upgrade], [426, "websocket"]);
});

test("health is 200, and 503 once the server stops", async () => {
  assert.deepEqual([(await ask("/healthz")).status, (await ask("/healthz")).body], [200, "ok\n"]);
  isStopping = true;
  const { status, headers } = await ask("/healthz");
  assert.deepEqual([status, headers.connection], [503, "close"]);
  isStopping = false;
});

test("a page is not read by a name that the server was not told, and the answer says how to tell it", async () => {
  for (const [host, status] of [
    ["localhost", 200],
    ["127.0.0.1:1", 200],
    ["square.example", 200],
    ["Square.Example.:8080", 200],
    ["asquare.example", 421],
    ["evil.example", 421],
    ["square.example.evil.example", 421],
    ["0.0.0.0", 421],
  ] as const) {
    for (const path of ["/", "/favicon.svg", "/nothing", "/ws"] as const) {
      const answer = await ask(path, { headers: { host } });
      const expected = { "/": 200, "/favicon.svg": 200, "/nothing": 404, "/ws": 426 }[path];
      assert.equal(answer.status, status === 200 ? expected : 421, `${path} of ${host}`);
      if (status === 421) assert.match(answer.body, /--allowed-hosts NAME\.\n$/);
    }
    // Probes call it what they like.
    for (const path of ["/healthz", "/readyz"]) {
      assert.equal((await ask(path, { headers: { host } })).status, 200, `${path} of ${host}`);
    }
  }
});

test("a target in absolute form is taken, and its host wins over Host", async () => {
  for (const [target, host, status] of [
    ["http://localhost/", "evil.example", 200],
    ["http://square.example:8080/favicon.svg", "evil.example", 200],
    ["http://localhost", "localhost", 200],
    ["http://localhost?a", "localhost", 200],
    ["http://localhost/healthz", "localhost", 200],
    ["http://localhost/nothing", "localhost", 404],
    ["http://evil.example/", "localhost", 421],
    ["http://a@localhost/", "localhost", 400],
    ["http://localhost/", "a/b", 400],
    ["http://localhost/healthz", "a/b", 400],
  ] as const) {
    assert.equal((await ask(target, { headers: { host } })).status, status, target);
  }
});

test("a repeated or malformed Host is answered with 400, whatever is asked for", async () => {
  for (const hosts of [
    "localhost\r\nHost: localhost",
    "localhost\r\nHost: evil.example",
    "",
    "a/b",
    "a@localhost",
    "[::1",
  ]) {
    for (const target of ["/", "/nothing", "/ws", "/healthz", "/readyz", "http://localhost/"]) {
      for (const version of ["1.0", "1.1"]) {
        const socket = connect(port, "127.0.0.1");
        socket.write(`GET ${target} HTTP/${version}\r\nConnection: close\r\nHost: ${hosts}\r\n\r\n`);
        const answer = await text(socket);
        assert.match(answer, /^HTTP\/1\.1 400 /, `${target} ${version} ${JSON.stringify(hosts)}`);
        assert.match(answer, /\r\ncontent-security-policy: /, "as every answer");
      }
    }
  }
});

test("HTTP/1.0 need not say Host, and may name the server by a target in absolute form", async () => {
  for (const [head, status] of [
    ["GET / HTTP/1.0", 200],
    ["GET http://square.example/ HTTP/1.0", 200],
    ["GET http://evil.example/ HTTP/1.0", 421],
    ["GET / HTTP/1.0\r\nHost: evil.example", 421],
    ["GET / HTTP/1.1\r\nConnection: close", 400],
  ] as const) {
    const socket = connect(port, "127.0.0.1");
    socket.write(`${head}\r\n\r\n`);
    const [first] = (await text(socket)).split("\r\n");
    assert.match(first ?? "", new RegExp(`^HTTP/1\\.1 ${status} `), head);
  }
});

test("it is ready while it takes clients, and says why when it does not; being full is no reason to restart it", async () => {
  const ready = await ask("/readyz");
  assert.deepEqual([ready.status, ready.body], [200, "ready\n"]);
  full = "full: 7 clients are connected";
  const busy = await ask("/readyz");
  assert.deepEqual([busy.status, busy.body, busy.headers["retry-after"]], [503, `${full}\n`, "5"]);
  assert.equal((await ask("/healthz")).status, 200);
  isStopping = true;
  const stopping = await ask("/readyz");
  assert.deepEqual(
    [stopping.status, stopping.body, stopping.headers.connection],
    [503, "stopping\n", "close"],
  );
  isStopping = false;
  full = undefined;
});

test("a page that was not built says so", async () => {
  site = { ...site, pages: readPages(join(root, "nowhere")) };
  const { status, body } = await ask("/");
  assert.equal(status, 404);
  assert.match(body, /npm run build/);
});
