// What `dial` says where it finds no server, is given no time, or is not answered as it should be.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import type { NetErrorCode } from "@zocalo/net";
import { dial, type DialOptions, WebSocketNetError } from "../src/index.ts";
import { selfSigned } from "./certificate.ts";
import { accepting, rawServer } from "./peers.ts";

const identity = selfSigned("DNS:server.example,IP:127.0.0.1");
const here = async () => ["127.0.0.1"];

/** A port of this machine on which nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  server.close();
  await once(server, "close");
  return address.port;
}

/** Dials in vain, and looks at the error: its code, and that its message is a whole sentence. */
async function sentence(
  url: string,
  code: NetErrorCode,
  pattern: RegExp,
  options?: DialOptions,
): Promise<WebSocketNetError> {
  try {
    (await dial(url, options)).abort();
  } catch (error) {
    assert.ok(error instanceof WebSocketNetError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, pattern);
    assert.doesNotMatch(error.message, /\n|[:;,]\s*$|undefined/);
    return error;
  }
  throw new Error(`connected to ${url}`);
}

for (const cutBy of ["its time", "a signal"] as const) {
  test(`a TLS handshake that does not end is cut by ${cutBy}`, async () => {
    const controller = new AbortController();
    const server = createServer((socket) => {
      socket
        .on("error", () => undefined)
        .once("data", () => {
          if (cutBy === "a signal") controller.abort();
        });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    assert.ok(address !== null && typeof address === "object");
    const dialed = once(server, "connection") as Promise<[Socket]>;
    const code = cutBy === "a signal" ? "canceled" : "timeout";
    const cut = cutBy === "a signal" ? { signal: controller.signal } : { handshakeTimeoutMs: 1_000 };
    await sentence(
      `wss://127.0.0.1:${address.port}`,
      code,
      new RegExp(`127\\.0\\.0\\.1:${address.port}`),
      cut,
    );
    const [socket] = await dialed;
    if (!socket.closed) await once(socket, "close");
    server.close();
  });
}

test("refused: one address, several, a name, a proxy", async () => {
  const port = await closedPort();
  const resolver = async () => ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
  await sentence(
    `ws://127.0.0.1:${port}`,
    "connect_failed",
    new RegExp(`^cannot connect to 127.0.0.1:${port}: connection refused$`),
  );
  const all = await sentence(
    `ws://srv.example:${port}`,
    "connect_failed",
    new RegExp(
      `^cannot connect to srv.example:${port}: 127.0.0.1:${port}: connection refused; 127.0.0.2:${port}: connection refused; 127.0.0.3:${port}: connection refused$`,
    ),
    { resolver },
  );
  assert.equal((all.cause as { code?: unknown }).code, "refused");
  await sentence(
    `ws://srv.example:${port}`,
    "connect_failed",
    new RegExp(`^cannot connect to srv.example:${port}: 127.0.0.1:${port}: connection refused$`),
    { resolver: here },
  );
  await sentence(
    "ws://srv.example",
    "connect_failed",
    new RegExp(`^cannot connect to proxy 127.0.0.1:${port}: connection refused$`),
    {
      proxy: `http://127.0.0.1:${port}`,
    },
  );
});

test("a host of many addresses: the message names the first ones", async () => {
  const port = await closedPort();
  const resolver = async () => Array.from({ length: 20 }, (_, index) => `127.0.1.${index + 1}`);
  await sentence(
    `ws://srv.example:${port}`,
    "connect_failed",
    /127\.0\.1\.8:\d+: connection refused; and 12 more addresses$/,
    {
      resolver,
    },
  );
});

test("names: nobody knows it, the resolver fails, it answers nothing or nonsense", async () => {
  const fails = (code: string) => async () => {
    throw Object.assign(new Error(""), { code });
  };
  const from = (resolver: NonNullable<DialOptions["resolver"]>) => ({ resolver });
  const url = "ws://srv.example:81";
  await sentence(
    url,
    "connect_failed",
    /^cannot connect to srv\.example:81: no such host$/,
    from(fails("ENOTFOUND")),
  );
  await sentence(
    url,
    "connect_failed",
    /srv\.example:81: temporary failure in name resolution$/,
    from(fails("EAI_AGAIN")),
  );
  await sentence(
    url,
    "connect_failed",
    /srv\.example:81: resolver: connection refused$/,
    from(fails("ECONNREFUSED")),
  );
  await sentence(
    url,
    "connect_failed",
    /srv\.example:81: no address for this host$/,
    from(async () => []),
  );
  await sentence(url, "connect_failed", /srv\.example:81: \S+/, from(fails("")));
  await sentence(
    "ws://no-such-host.invalid",
    "connect_failed",
    /^cannot connect to no-such-host\.invalid: \S+/,
  );
});

test("time: no name, no connection, no answer", async () => {
  const handshakeTimeoutMs = 2000; // Or a machine that stands still for a while would not connect in time.
  await using silent = await rawServer(() => undefined);
  const url = `ws://127.0.0.1:${silent.port}`;
  await Promise.all([
    sentence("ws://srv.example", "timeout", /^there was no connection to srv\.example within 2000 ms$/, {
      handshakeTimeoutMs,
      resolver: () => new Promise<never>(() => undefined),
    }),
    sentence(url, "timeout", /^127\.0\.0\.1:\d+ did not answer within 2000 ms$/, {
      handshakeTimeoutMs,
    }),
    sentence(
      "ws://srv.example",
      "timeout",
      /^proxy 127\.0\.0\.1:\d+ did not answer CONNECT srv\.example:80 within 2000 ms$/,
      { handshakeTimeoutMs, proxy: `http://127.0.0.1:${silent.port}` },
    ),
  ]);
});

test("a signal: before, while the name is resolved", async () => {
  const reason = new Error("no more");
  const error = await sentence("ws://srv.example", "canceled", /^dialing srv\.example was canceled$/, {
    signal: AbortSignal.abort(reason),
  });
  assert.equal(error.cause, reason);
  const controller = new AbortController();
  const resolver = () => {
    queueMicrotask(() => controller.abort());
    return new Promise<never>(() => undefined);
  };
  await sentence("ws://srv.example", "canceled", /^dialing srv\.example was canceled$/, {
    signal: controller.signal,
    resolver,
  });
});

test("TLS: a certificate for somebody else, no TLS at all, a peer that leaves, options that cannot be used", async () => {
  await using secured = await accepting({ tls: identity });
  const url = `wss://127.0.0.1:${secured.port}`;
  await sentence(
    url,
    "connect_failed",
    /^the TLS handshake with 127\.0\.0\.1:\d+ failed: TLS: self-signed certificate/,
  );
  await sentence(
    `wss://other.example:${secured.port}`,
    "connect_failed",
    /^the TLS handshake with other\.example:\d+ \(127\.0\.0\.1:\d+\) failed: .*other\.example/,
    { resolver: here, tls: { ca: identity.cert } },
  );
  await sentence(url, "invalid_argument", /^ciphers "none" names none that OpenSSL has$/, {
    tls: { ciphers: "none" },
  });
  const server = createServer(
    (socket) => void socket.on("error", () => undefined).once("data", () => socket.end("SSH-2.0-x\r\n")),
  ).listen(0, "127.0.0.1");
  const leaving = createServer(
    (socket) => void socket.on("error", () => undefined).once("data", () => socket.end()),
  ).listen(0, "127.0.0.1");
  for (const [each, pattern] of [
    [server, /^the TLS handshake with 127\.0\.0\.1:\d+ failed: TLS: \S+/],
    [leaving, /TLS handshake/],
  ] as const) {
    if (!each.listening) await once(each, "listening");
    const address = each.address();
    assert.ok(address !== null && typeof address === "object");
    await sentence(`wss://127.0.0.1:${address.port}`, "connect_failed", pattern);
    each.close();
  }
});

test("answers: none, half of one, a reset, garbage, another status, too many interim ones", async () => {
  const said = async (
    answer: (socket: Socket) => void,
    code: NetErrorCode,
    pattern: RegExp,
  ): Promise<void> => {
    await using server = await rawServer((_head, socket) => answer(socket));
    await sentence(`ws://127.0.0.1:${server.port}`, code, pattern);
  };
  const at = String.raw`127\.0\.0\.1:\d+`;
  await said(
    (socket) => socket.end(),
    "connect_failed",
    new RegExp(`^${at} closed the connection before it answered$`),
  );
  await said(
    (socket) => socket.end("HTTP/1.1 101 Swi"),
    "connect_failed",
    new RegExp(`^${at} closed the connection before it answered$`),
  );
  await said(
    (socket) => socket.resetAndDestroy(),
    "connect_failed",
    new RegExp(`^the connection to ${at} broke before it answered: connection reset by peer$`),
  );
  await said(
    (socket) => socket.end("SSH-2.0\r\n"),
    "handshake_failed",
    new RegExp(`^${at} did not answer as HTTP says: \\S+`),
  );
  await said((socket) => socket.end("HTTP/1.1 404\r\n\r\n"), "refused", new RegExp(`^${at} answered 404$`));
  await said(
    (socket) => socket.end("HTTP/1.1 503 Out of order\r\n\r\n"),
    "refused",
    new RegExp(`^${at} answered 503 Out of order$`),
  );
  await said(
    (socket) => socket.end("HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n"),
    "refused",
    new RegExp(`^${at} answered 302 and redirects to /x$`),
  );
  await said(
    (socket) => socket.end("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(17)),
    "handshake_failed",
    new RegExp(`^${at} sent more than 16 interim answers$`),
  );
});

test("a redirect that leads back to where it came from ends with the last one that may be followed", async () => {
  await using server = await rawServer((_head, socket) =>
    socket.end("HTTP/1.1 307 Temporary Redirect\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"),
  );
  await sentence(
    `ws://127.0.0.1:${server.port}`,
    "refused",
    /^127\.0\.0\.1:\d+ answered 307 and redirects to \/again, after 3 that were followed$/,
    {
      maxRedirects: 3,
    },
  );
});

test("an address to dial from, and a delay, that cannot be are arguments", async () => {
  await sentence("ws://127.0.0.1:1", "invalid_address", /nonsense/, { localAddress: "nonsense" });
  await sentence("ws://127.0.0.1:1", "invalid_argument", /attemptDelayMs -1/, { attemptDelayMs: -1 });
});
