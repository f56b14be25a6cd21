// What `dial` says to a server that the caller did not choose.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer as createSecureServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { test } from "node:test";
import type { TLSSocket } from "node:tls";
import { dial as dialNet } from "@zocalo/net";
import { dial, WebSocketNetError } from "../src/index.ts";
import { selfSigned } from "./certificate.ts";
import { connectProxy } from "./connect-proxy.ts";
import { rawServer, upgradeAnswer } from "./peers.ts";

const NOT_FOUND = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

function redirectTo(location: string): string {
  return `HTTP/1.1 307 Temporary Redirect\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`;
}

/** Names of the headers of a request, in order. */
function headerNames(head = ""): string[] {
  return [...head.matchAll(/^([\w-]+): /gm)].map(([, name = ""]) => name.toLowerCase()).sort();
}

/** The handshake, and nothing else. */
const BARE = ["connection", "host", "sec-websocket-key", "sec-websocket-version", "upgrade"];

/** Everything that a caller can say to a server. */
const SAID = {
  subprotocols: ["bearer.secret", "chat"],
  headers: {
    Authorization: "Bearer secret",
    Cookie: "session=secret",
    Host: "front.example",
    Origin: "https://secret.example",
    "Proxy-Authorization": "Basic secret",
    "X-Api-Key": "secret",
  },
};

/** Servers of one address: the first answers as it is told, the second notes what it is asked. */
async function two(answer: (to: string, head: string) => string) {
  const heads: { first: string[]; second: string[] } = { first: [], second: [] };
  const second = await rawServer((head, socket) => {
    heads.second.push(head);
    socket.end(NOT_FOUND);
  });
  const first = await rawServer((head, socket) => {
    heads.first.push(head);
    socket.end(answer(`ws://127.0.0.1:${second.port}/`, head));
  });
  return {
    heads,
    first,
    second,
    async [Symbol.asyncDispose]() {
      await first[Symbol.asyncDispose]();
      await second[Symbol.asyncDispose]();
    },
  };
}

test("another server is told nothing that was said to the first: headers, subprotocols, user and password", async () => {
  await using servers = await two((to) => redirectTo(to));
  const url = `ws://ana:secret@127.0.0.1:${servers.first.port}/`;
  const { Authorization: _, ...headers } = SAID.headers; // Else Node sends that, and not the user.
  for (const said of [SAID, { ...SAID, headers }]) {
    await assert.rejects(dial(url, { ...said, maxRedirects: 1 }), { code: "refused", status: 404 });
  }
  for (const head of servers.heads.first) {
    assert.match(head, /\r\nauthorization: (?:Bearer secret|Basic YW5hOnNlY3JldA==)\r\n/i);
    assert.match(head, /\r\nSec-WebSocket-Protocol: bearer\.secret, chat\r\n/);
  }
  assert.equal(servers.heads.second.length, 2);
  for (const head of servers.heads.second) {
    assert.deepEqual(headerNames(head), BARE);
    assert.match(head, new RegExp(`\\r\\nHost: 127\\.0\\.0\\.1:${servers.second.port}\\r\\n`));
  }
});

test("what is kept for another server: compression, and the resolver", async () => {
  const asked: string[] = [];
  await using servers = await two((to) => redirectTo(to.replace("127.0.0.1", "second.example")));
  const dialing = dial(`ws://first.example:${servers.first.port}/`, {
    ...SAID,
    compression: true,
    maxRedirects: 1,
    resolver: async (host) => {
      asked.push(host);
      return ["127.0.0.1"];
    },
  });
  await assert.rejects(dialing, { code: "refused", status: 404 });
  assert.deepEqual([...new Set(asked)], ["first.example", "second.example"]);
  assert.deepEqual(headerNames(servers.heads.second[0]), [...BARE, "sec-websocket-extensions"].sort());
});

test("another name for the same address and port is another server", async () => {
  const heads: string[] = [];
  await using server = await rawServer((head, socket) => {
    heads.push(head);
    const isFirst = heads.length === 1;
    socket.end(isFirst ? redirectTo(`ws://other.example:${server.port}/`) : NOT_FOUND);
  });
  const options = { ...SAID, maxRedirects: 1, resolver: async () => ["127.0.0.1"] };
  await assert.rejects(dial(`ws://first.example:${server.port}/`, options), { status: 404 });
  assert.deepEqual(headerNames(heads[1]), BARE);
});

test("the same server hears everything again, by whatever form of its name; but another key", async () => {
  const heads: string[] = [];
  await using server = await rawServer((head, socket) => {
    heads.push(head);
    const [, path = ""] = /^GET (\S+)/.exec(head) ?? [];
    if (path === "/") socket.end(redirectTo("/two"));
    else if (path === "/two") socket.end(redirectTo(`ws://LOCALHOST:${server.port}/three`));
    else if (path === "/three") socket.end(redirectTo(`//eve:wrong@localhost:${server.port}/four`));
    else socket.end(NOT_FOUND);
  });
  const { Authorization: _, ...headers } = SAID.headers;
  const url = `ws://ana:secret@localhost:${server.port}/`;
  const options = { ...SAID, headers, maxRedirects: 3, resolver: async () => ["127.0.0.1"] };
  await assert.rejects(dial(url, options), { code: "refused", status: 404 });
  assert.equal(heads.length, 4);
  const said = headerNames(heads[0]);
  const keys = new Set<string>();
  for (const head of heads) {
    assert.deepEqual(headerNames(head), said);
    // Of the caller's URL: who logs in is not for a redirect to say.
    assert.match(head, /\r\nauthorization: Basic YW5hOnNlY3JldA==\r\n/i);
    keys.add(/\r\nSec-WebSocket-Key: (\S+)\r\n/.exec(head)?.[1] ?? "");
  }
  assert.equal(keys.size, 4); // RFC 6455 §4.1
});

test("user and password of a redirect to another server are not used", async () => {
  await using servers = await two((to) => redirectTo(to.replace("ws://", "ws://eve:chosen@")));
  await assert.rejects(dial(`ws://127.0.0.1:${servers.first.port}/`, { maxRedirects: 1 }), { status: 404 });
  assert.deepEqual(headerNames(servers.heads.second[0]), BARE);
});

test("a redirect back to the first server does not bring the words back", async () => {
  const heads: string[] = [];
  await using between = await rawServer((_head, socket) => {
    socket.end(redirectTo(`ws://127.0.0.1:${first.port}/back`));
  });
  await using first = await rawServer((head, socket) => {
    heads.push(head);
    socket.end(heads.length === 1 ? redirectTo(`ws://127.0.0.1:${between.port}/`) : NOT_FOUND);
  });
  const url = `ws://ana:secret@127.0.0.1:${first.port}/`;
  await assert.rejects(dial(url, { ...SAID, maxRedirects: 2 }), { code: "refused", status: 404 });
  assert.deepEqual(headerNames(heads[1]), BARE);
  assert.match(heads[1] ?? "", /^GET \/back /);
});

test("a subprotocol that was said to the first server alone is none that the second may choose", async () => {
  await using second = await rawServer((head, socket) => {
    const chosen = "\r\nSec-WebSocket-Protocol: chat\r\n\r\n";
    socket.end(upgradeAnswer(head).replace("\r\n\r\n", chosen));
  });
  await using first = await rawServer((_head, socket) => {
    socket.end(redirectTo(`ws://127.0.0.1:${second.port}/`));
  });
  const dialing = dial(`ws://127.0.0.1:${first.port}/`, { subprotocols: ["chat"], maxRedirects: 1 });
  await assert.rejects(dialing, { code: "handshake_failed" });
});

test("a connection by way of a redirect works, and has no subprotocol", async () => {
  await using second = await rawServer((head, socket) => socket.write(upgradeAnswer(head)));
  await using first = await rawServer((_head, socket) => {
    socket.end(redirectTo(`ws://127.0.0.1:${second.port}/`));
  });
  const conn = await dial(`ws://127.0.0.1:${first.port}/`, { subprotocols: ["chat"], maxRedirects: 1 });
  assert.equal(conn.subprotocol, "");
  conn.abort();
});

test("the proxy's password is for the proxy, at each server", async () => {
  await using proxy = await connectProxy("ana:secret");
  await using servers = await two((to) => redirectTo(to));
  const url = `ws://127.0.0.1:${servers.first.port}/`;
  const options = { proxy: `http://ana:secret@127.0.0.1:${proxy.port}`, maxRedirects: 1 };
  await assert.rejects(dial(url, options), { code: "refused", status: 404 });
  const login = `Basic ${Buffer.from("ana:secret").toString("base64")}`;
  assert.deepEqual(
    proxy.asked,
    [servers.first, servers.second].map(({ port }) => `127.0.0.1:${port} ${login}`),
  );
  for (const [head] of [servers.heads.first, servers.heads.second]) assert.deepEqual(headerNames(head), BARE);
});

// Over TLS.

const trusted = selfSigned("DNS:first.example,DNS:second.example,IP:127.0.0.1");
const untrusted = selfSigned("DNS:second.example");
const mine = selfSigned("DNS:client.example");
const here = async () => ["127.0.0.1"];

interface SecureServer extends AsyncDisposable {
  readonly port: number;
  /** Each upgrade: the name that was asked for, and the name in the client's certificate. */
  readonly asked: (readonly [serverName: unknown, client: string | undefined])[];
}

async function secureServer(
  identity: typeof trusted,
  answer: (path: string) => string,
): Promise<SecureServer> {
  const asked: (readonly [unknown, string | undefined])[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createSecureServer({ ...identity, requestCert: true, rejectUnauthorized: false });
  server.on("connection", (socket: Socket) => sockets.add(socket.on("error", () => undefined)));
  server.on("upgrade", (request, socket) => {
    const below = request.socket as TLSSocket & { readonly servername?: unknown };
    const { subjectaltname } = below.getPeerCertificate();
    asked.push([below.servername, subjectaltname]);
    socket.on("error", () => undefined).end(answer(request.url ?? ""));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

test("another server is not shown the client certificate, nor asked for the first one's name", async () => {
  await using second = await secureServer(trusted, () => NOT_FOUND);
  await using first = await secureServer(trusted, (path) =>
    path === "/" ? redirectTo("/again") : redirectTo(`wss://second.example:${second.port}/`),
  );
  // The address is dialed, and the name is the caller's.
  const tls = { ca: trusted.cert, ...mine, serverName: "first.example" };
  const dialing = dial(`wss://127.0.0.1:${first.port}/`, { tls, resolver: here, maxRedirects: 2 });
  await assert.rejects(dialing, { code: "refused", status: 404 });
  const shown: readonly [string, string] = ["first.example", "DNS:client.example"];
  assert.deepEqual(first.asked, [shown, shown]);
  assert.deepEqual(second.asked, [["second.example", undefined]]);
});

test("who does not check the first server checks the second, and with the same authorities", async () => {
  await using stranger = await secureServer(untrusted, () => NOT_FOUND);
  await using known = await secureServer(trusted, () => NOT_FOUND);
  for (const [second, outcome] of [
    [stranger, { code: "connect_failed" }],
    [known, { code: "refused", status: 404 }],
  ] as const) {
    await using first = await secureServer(untrusted, () =>
      redirectTo(`wss://second.example:${second.port}/`),
    );
    const tls = { ca: trusted.cert, dangerouslyAcceptAnyCertificate: true };
    const dialing = dial(`wss://first.example:${first.port}/`, { tls, resolver: here, maxRedirects: 1 });
    await assert.rejects(dialing, outcome);
  }
  assert.deepEqual(stranger.asked, []);
});

test("a redirect is no way past a check of the caller's, and Node's own comes before it", async () => {
  await using second = await secureServer(trusted, () => NOT_FOUND);
  let location = `wss://second.example:${second.port}/`;
  await using first = await secureServer(trusted, () => redirectTo(location));
  let checks = 0;
  const onlyFirst = (): void => {
    if (++checks > 1) throw new Error("a pin");
  };
  const options = {
    tls: { ca: trusted.cert, verifyPeer: onlyFirst },
    resolver: here,
    maxRedirects: 1,
  };
  const url = `wss://first.example:${first.port}/`;
  await assert.rejects(dial(url, options), { code: "connect_failed", message: /a pin/ });
  assert.equal(checks, 2);
  assert.deepEqual(second.asked, []);
  // And who is right by its pin still has to be right by its name.
  location = `wss://stranger.example:${second.port}/`;
  const anyPeer = { ...options, tls: { ca: trusted.cert, verifyPeer: () => undefined } };
  const stranger = dial(url, anyPeer);
  await assert.rejects(stranger, { code: "connect_failed", message: /stranger\.example/ });
  assert.deepEqual(second.asked, []);
});

test("a redirect from wss: to ws: is not followed", async () => {
  await using servers = await two((to) => redirectTo(to));
  await using first = await secureServer(trusted, () => redirectTo(`ws://127.0.0.1:${servers.second.port}/`));
  const options = { tls: { ca: trusted.cert }, maxRedirects: 5 };
  await assert.rejects(dial(`wss://127.0.0.1:${first.port}/`, options), (error: WebSocketNetError) => {
    assert.deepEqual([error.code, error.status], ["refused", 307]);
    assert.match(error.message, /^127\.0\.0\.1:\d+ redirects from wss: to ws:$/);
    return true;
  });
  assert.deepEqual(servers.heads.second, []);
});

test("a redirect from ws: to wss: is one to another server", async () => {
  await using second = await secureServer(trusted, () => NOT_FOUND);
  await using first = await rawServer((_head, socket) => {
    socket.end(redirectTo(`wss://127.0.0.1:${second.port}/`));
  });
  const options = { tls: { ca: trusted.cert, ...mine }, maxRedirects: 1 };
  await assert.rejects(dial(`ws://127.0.0.1:${first.port}/`, options), { code: "refused", status: 404 });
  assert.deepEqual(second.asked, [[false, undefined]]);
});

test("a connection of the caller's leads to one server: its redirects are not followed", async () => {
  await using first = await secureServer(trusted, () => redirectTo("/again"));
  const conn = await dialNet("tcp", `127.0.0.1:${first.port}`);
  const options = { tls: { ca: trusted.cert }, conn, maxRedirects: 5 };
  await assert.rejects(dial(`wss://127.0.0.1:${first.port}/`, options), (error: WebSocketNetError) => {
    assert.deepEqual([error.code, error.status], ["refused", 307]);
    assert.match(error.message, /redirects to \/again, and conn leads to nobody else$/);
    return true;
  });
  assert.equal(first.asked.length, 1);
});
