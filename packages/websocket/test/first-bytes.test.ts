// Connections before and at their first bytes: whoever says nothing, leaves, or is an ordinary client.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import { connect as connectSecurely } from "node:tls";
import { promisify } from "node:util";
import { WebSocket } from "ws";
import { addsHeaderLines, setIncomingMessage } from "../src/node/incoming-message.ts";
import { dial, type ListenOptions, listen, type WebSocketConn } from "../src/index.ts";
import { listenByHttp, upgradesByHttp } from "./both-ways.ts";
import { selfSigned } from "./certificate.ts";
import { accepting, ANY_PORT, echoAll, portOf, RawPeer, upgradeRequest } from "./peers.ts";
import { frameFrom } from "./recorder.ts";

const tls = selfSigned("IP:127.0.0.1");

/** What others send, word for word. */
const heads: readonly (readonly [who: string, head: string])[] = [
  [
    "Chromium 156",
    "GET /ws?x=1 HTTP/1.1\r\nHost: 127.0.0.1:42959\r\nConnection: Upgrade\r\nPragma: no-cache\r\nCache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36\r\nUpgrade: websocket\r\nOrigin: http://127.0.0.1:42959\r\nSec-WebSocket-Version: 13\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\nSec-WebSocket-Key: 3KzWSCJ3Chmcl45U+0XMPA==\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
  ],
  [
    "a proxy that writes names in lower case",
    "GET /ws HTTP/1.1\r\nhost: example.org\r\nupgrade: websocket\r\nconnection: upgrade\r\nx-forwarded-for: 192.0.2.1, 198.51.100.7\r\nx-forwarded-proto: https\r\nsec-websocket-key: 3KzWSCJ3Chmcl45U+0XMPA==\r\nsec-websocket-version: 13\r\n\r\n",
  ],
  [
    "a client that keeps connections alive",
    "GET / HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Key: 3KzWSCJ3Chmcl45U+0XMPA==\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
  ],
];

for (const [who, head] of heads) {
  test(`what ${who} sends is answered without node:http`, async () => {
    await using server = await accepting({ subprotocols: ["chat"], compression: true });
    const before = upgradesByHttp();
    const peer = await RawPeer.connect(server.port);
    peer.write(head);
    assert.match(await peer.head(), /^HTTP\/1\.1 101 /);
    assert.equal(upgradesByHttp(), before);
    peer.socket.destroy();
  });
}

test("who says nothing is answered and ended as node:http does it", async () => {
  const answers: string[] = [];
  for (const start of [listen, listenByHttp]) {
    await using listener = await start(ANY_PORT, { handshakeTimeoutMs: 40 });
    const peer = await RawPeer.connect(portOf(listener));
    answers.push((await peer.rest()).toString());
  }
  const [own, byHttp] = answers;
  assert.equal(own, byHttp);
  assert.match(own ?? "", /^HTTP\/1\.1 408 /);
});

test("who says nothing is ended while others come and go, and each in its time", async () => {
  await using server = await accepting({ handshakeTimeoutMs: 2000 }); // Others must not take so long.
  void echoAll(server.listener);
  const silent = await Promise.all([1, 2, 3].map(() => RawPeer.connect(server.port)));
  let isOver = false;
  const ends = Promise.all(silent.map((peer) => peer.rest())).then(() => {
    isOver = true;
  });
  while (!isOver) {
    const conn = await dial(server.url);
    await conn.send("hola");
    assert.equal(await conn.receive(), "hola");
    await conn.close();
  }
  await ends;
  // Again, after a time without anybody silent.
  const late = await RawPeer.connect(server.port);
  assert.match((await late.rest()).toString(), /^HTTP\/1\.1 408 /);
});

test("who leaves before its first byte, or in the middle of its request, is gone", async () => {
  await using server = await accepting();
  for (const said of ["", "GET / HTTP/1.1\r\nHost: a\r\n"]) {
    const polite = await RawPeer.connect(server.port);
    if (said !== "") polite.write(said);
    polite.socket.end();
    await polite.rest(); // The server ends its side, too.
    const rude = await RawPeer.connect(server.port);
    if (said !== "") rude.write(said);
    rude.socket.resetAndDestroy();
    await rude.rest();
  }
  const conn = await dial(server.url);
  conn.abort();
});

test("closing the listener ends who has said nothing", async () => {
  for (const end of ["close", "abort"] as const) {
    await using server = await accepting();
    const peer = await RawPeer.connect(server.port);
    const conn = await dial(server.url); // By now the server has seen both.
    await server.listener[end]();
    assert.equal((await peer.rest()).length, 0);
    conn.abort();
  }
});

for (const [kind, options] of [
  ["ws", {}],
  ["wss", { tls }],
  ["ws, with an application that asks", { authorize: () => undefined }],
] as const) {
  test(`${kind}: clients of every kind are answered without node:http`, async () => {
    await using server = await accepting({ ...options, subprotocols: ["chat"], compression: true });
    void echoAll(server.listener);
    const before = upgradesByHttp();
    const url = `${kind.slice(0, kind === "wss" ? 3 : 2)}://127.0.0.1:${server.port}/ws?a=b`;
    const ws = new WebSocket(url, ["chat"], {
      ca: tls.cert,
      origin: url.replace("ws", "http").replace("/ws?a=b", ""),
    });
    await once(ws, "open");
    ws.terminate();
    const conn = await dial(url, {
      subprotocols: ["chat"],
      compression: true,
      tls: { ca: tls.cert },
      headers: { Cookie: "a=b" },
    });
    conn.abort();
    const code = `const client = new WebSocket(${JSON.stringify(url)}, ["chat"]);
      client.onopen = () => { console.log("open"); process.exit(); };
      client.onerror = ({ error }) => { throw error; };`;
    const [major = 0] = process.versions.node.split(".").map(Number);
    const flags = major >= 22 ? [] : ["--experimental-websocket"];
    const env = { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: "0" };
    const node = await promisify(execFile)(process.execPath, [...flags, "--no-warnings", "-e", code], {
      env,
    });
    assert.equal(node.stdout, "open\n");
    assert.equal(upgradesByHttp(), before);
  });
}

test("where no IncomingMessage can be made, the application is asked by way of node:http", async () => {
  const asked: (string | undefined)[] = [];
  const options: ListenOptions = {
    authorize: ({ url }: IncomingMessage) => void asked.push(url),
  };
  setIncomingMessage(false);
  try {
    await using server = await accepting(options);
    const before = upgradesByHttp();
    const conn = await dial(`${server.url}/x`);
    conn.abort();
    assert.deepEqual(asked, ["/x"]);
    assert.equal(upgradesByHttp(), before + 1);
  } finally {
    setIncomingMessage(true);
  }
});

for (const [kind, isSplit] of [
  ["ws", false],
  ["wss", false],
  ["ws", true],
] as const) {
  const how = isSplit ? ", in two packets and so by node:http" : "";
  test(`${kind}${how}: what comes while the application judges is kept, and held back`, async () => {
    let judge: (() => void) | undefined;
    const judged = new Promise<void>((resolve) => {
      judge = resolve;
    });
    let asked: ((request: IncomingMessage) => void) | undefined;
    const asking = new Promise<IncomingMessage>((resolve) => {
      asked = resolve;
    });
    const authorize = async (request: IncomingMessage): Promise<void> => {
      asked?.(request);
      await judged;
    };
    await using server = await accepting({ authorize, ...(kind === "wss" ? { tls } : undefined) });
    const to = { port: server.port, host: "127.0.0.1" };
    const socket = kind === "wss" ? connectSecurely({ ...to, ca: tls.cert }) : connect(to);
    socket.on("error", () => undefined);
    const texts = Array.from({ length: 100 }, (_, i) => `${i} ${"x".repeat(200_000)}`);
    const [first = "", ...others] = texts;
    const before = upgradesByHttp();
    const head = Buffer.from(upgradeRequest());
    if (isSplit) {
      socket.setNoDelay(true);
      await new Promise((resolve) => socket.write(head.subarray(0, 9), resolve));
      for (let turn = 0; turn < 9; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    // Half a frame in the same packet as the request.
    const frame = frameFrom("client", 0x81, first);
    socket.write(Buffer.concat([isSplit ? head.subarray(9) : head, frame.subarray(0, 9)]));
    const request = await asking;
    assert.equal(upgradesByHttp() - before, isSplit ? 1 : 0);
    socket.write(frame.subarray(9));
    for (const text of others) socket.write(frameFrom("client", 0x81, text));
    // More than may wait here and in the system: some stays with the peer.
    let left = -1;
    while (left !== socket.writableLength) {
      left = socket.writableLength;
      for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(left > 0 && request.socket.readableLength < 1_000_000, `${left} bytes left`);
    judge?.();
    const conn: WebSocketConn = await server.listener.accept();
    for (const text of texts) assert.equal(await conn.receive(), text);
    socket.destroy();
  });
}

test("a Node whose messages are filled in another way is left to itself", () => {
  assert.equal(addsHeaderLines(undefined), false);
  assert.equal(
    addsHeaderLines(() => undefined),
    false,
  );
  assert.equal(
    addsHeaderLines(() => {
      throw new TypeError("not like this");
    }),
    false,
  );
});
