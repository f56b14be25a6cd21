// `zocalo listen` and `zocalo dial` over WebSocket, as processes, against the `ws` package.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { WebSocket, WebSocketServer } from "ws";
import { selfSigned } from "./terminal-certificates.ts";
import { noise, run, sha256, tcpServer, Terminal } from "./terminal-process.ts";

const MEGABYTE = 1_048_576;
const directory = mkdtempSync(join(tmpdir(), "zocalo-websocket-"));
const identity = selfSigned(directory, ["localhost", "127.0.0.1"]);
after(() => rmSync(directory, { recursive: true }));

/** A server of the `ws` package on a free port. */
async function wsServer(serve: (socket: WebSocket, request: IncomingMessage) => void, options: object = {}) {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", maxPayload: 256 * MEGABYTE, ...options });
  server.on("connection", serve);
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  return {
    url: `ws://127.0.0.1:${port}`,
    [Symbol.dispose]() {
      for (const socket of server.clients) socket.terminate();
      server.close();
    },
  };
}

function echoing(socket: WebSocket): void {
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
}

async function opened(url: string, options: object = {}, protocols: string[] = []): Promise<WebSocket> {
  const socket = new WebSocket(url, protocols, {
    maxPayload: 256 * MEGABYTE,
    perMessageDeflate: false,
    ...options,
  });
  await once(socket, "open");
  return socket;
}

async function heard(socket: WebSocket): Promise<[Buffer, boolean]> {
  return (await once(socket, "message")) as [Buffer, boolean];
}

test("listen --echo sends text as text and binary as binary, up to 64 MiB, and closes with the peer's code", async () => {
  await using terminal = new Terminal("listen ws://127.0.0.1:0 --echo");
  const { url } = await terminal.listening();
  const socket = await opened(`${url}/any/path?and=query`);
  for (const message of [
    "",
    "hola, señor",
    noise(0),
    noise(70_000),
    noise(64 * MEGABYTE),
    "ñ".repeat(32 * MEGABYTE),
  ]) {
    socket.send(message);
    const [data, isBinary] = await heard(socket);
    assert.equal(isBinary, typeof message !== "string");
    assert.equal(sha256(data), sha256(Buffer.from(message)));
  }
  socket.close(4321, "bye");
  assert.equal((await once(socket, "close"))[0], 4321);

  const greedy = await opened(url);
  greedy.send(noise(64 * MEGABYTE + 1));
  assert.equal((await once(greedy, "close"))[0], 1009);
});

test("listen --echo answers many peers at once, in order", async () => {
  await using terminal = new Terminal("listen ws://127.0.0.1:0 --echo");
  const { url } = await terminal.listening();
  const talk = async (): Promise<void> => {
    const socket = await opened(url);
    const answers: string[] = [];
    const done = new Promise<void>((resolve) => {
      socket.on("message", (data: Buffer) => {
        if (answers.push(data.toString()) === 500) resolve();
      });
    });
    const words = Array.from({ length: 500 }, (_, n) => `${n} ${"x".repeat(n)}`);
    for (const word of words) socket.send(word);
    await done;
    assert.deepEqual(answers, words);
    socket.close();
    assert.equal((await once(socket, "close"))[0], 1005);
  };
  await Promise.all(Array.from({ length: 10 }, talk));
});

test("dial --echo sends everything back until the server closes", async () => {
  const bytes = noise(8 * MEGABYTE);
  const answers: [string, boolean][] = [];
  using server = await wsServer((socket) => {
    socket.on("message", (data: Buffer, isBinary) => {
      answers.push([sha256(data), isBinary]);
      if (answers.length === 2) socket.close(3000, "enough");
    });
    socket.send(bytes);
    socket.send("hola");
  });
  const { code, stdout, stderr } = await run(`dial ${server.url}/case?n=1 --echo`);
  assert.deepEqual([code, stdout.length, stderr], [0, 0, ""]);
  assert.deepEqual(answers, [
    [sha256(bytes), true],
    [sha256(Buffer.from("hola")), false],
  ]);
});

test("lines are text messages; at the end of the input what the peer answers is printed, and then it is closed", async () => {
  const heardCloses: number[] = [];
  using server = await wsServer((socket) => {
    echoing(socket);
    socket.on("close", (code) => heardCloses.push(code));
  });
  const { code, stdout, stderr } = await run(`dial ${server.url}`, "uno\r\n\ndos\ntres");
  assert.deepEqual([code, stdout.toString(), stderr], [0, "uno\n\ndos\ntres\n", ""]);
  assert.deepEqual(heardCloses, [1000]);
});

test("a big file goes through and back as binary messages, byte for byte", async () => {
  const bytes = noise(24 * MEGABYTE);
  await using terminal = new Terminal("listen ws://127.0.0.1:0 --echo");
  const { code, stdout } = await run(`dial ${(await terminal.listening()).url} --binary`, bytes);
  assert.deepEqual([code, sha256(stdout)], [0, sha256(bytes)]);
});

test("an empty input only listens, until the server closes", async () => {
  using server = await wsServer((socket) => {
    socket.on("pong", () => {
      socket.send("later");
      socket.close(1000);
    });
    socket.ping();
  });
  const { code, stdout } = await run(`dial ${server.url}`);
  assert.deepEqual([code, stdout.toString()], [0, "later\n"]);
});

test("listen joins one connection with standard input and output, and ends with it", async () => {
  await using terminal = new Terminal(
    "listen ws://127.0.0.1:0/room --subprotocol chat --subprotocol other -H 'X-Room: 7' -v",
  );
  const { url } = await terminal.listening();
  const wrongPath = new WebSocket(url.replace("/room", "/other"));
  const [error] = (await once(wrongPath, "error")) as [Error];
  assert.match(error.message, /404/);
  const socket = new WebSocket(url, ["other", "chat"]);
  const [[response]] = (await Promise.all([once(socket, "upgrade"), once(socket, "open")])) as unknown as [
    [IncomingMessage],
  ];
  assert.equal(response.headers["x-room"], "7");
  assert.equal(socket.protocol, "chat");
  assert.match((await terminal.says(/"connected".*/))[0], /"subprotocol":"chat"/);
  socket.send("to the terminal");
  await terminal.prints(/to the terminal\n/);
  terminal.type("from the terminal\n");
  assert.equal(String((await heard(socket))[0]), "from the terminal");
  socket.close(1001);
  const { code, stdout } = await terminal.end();
  assert.deepEqual([code, stdout.toString()], [0, "to the terminal\n"]);
});

test("headers, origin and subprotocols are sent as asked, and --close says how to end", async () => {
  let headers: NodeJS.Dict<string | string[]> = {};
  let closed: Promise<unknown[]> | undefined;
  const options = { handleProtocols: (offered: Set<string>) => [...offered][1] ?? false };
  using server = await wsServer((socket, request) => {
    headers = request.headers;
    closed = once(socket, "close");
  }, options);
  const flags = `-H 'Authorization: Bearer x' -H 'Cookie: a=1' -H 'cookie: b=2' --origin https://square.test --subprotocol one --subprotocol two --close '4000:that is all'`;
  const { code } = await run(`dial ${server.url} ${flags}`);
  assert.equal(code, 0);
  assert.equal(headers["authorization"], "Bearer x");
  assert.equal(headers["cookie"], "a=1; b=2");
  assert.equal(headers.origin, "https://square.test");
  assert.equal(headers["sec-websocket-protocol"], "one, two");
  const [closeCode, reason] = (await closed) as [number, Buffer];
  assert.deepEqual([closeCode, String(reason)], [4000, "that is all"]);
});

/** What a page of `origin` is answered that calls the server `host`, or by the host of `url`. */
async function statusOf(url: string, origin: string, host?: string): Promise<number> {
  const socket = new WebSocket(url, { origin, ...(host === undefined ? {} : { headers: { host } }) });
  socket.on("error", () => undefined);
  const first = await Promise.race([
    once(socket, "open").then(() => 101),
    once(socket, "unexpected-response").then(
      ([, response]) => (response as { statusCode: number }).statusCode,
    ),
  ]);
  socket.terminate();
  return first;
}

/** A proxy to `port` that says `header` first. */
async function headed(port: number, header: string) {
  return tcpServer((socket) => {
    const onward = connect(port, "127.0.0.1");
    onward.on("error", () => undefined);
    onward.write(header);
    socket.pipe(onward).pipe(socket);
  });
}

test("listen --origin lets the pages in that it names, and no others", async () => {
  await using own = new Terminal("listen ws://127.0.0.1:0 --echo");
  await using named = new Terminal(
    "listen ws://127.0.0.1:0 --echo --origin https://a.test --origin https://b.test",
  );
  await using open = new Terminal("listen ws://127.0.0.1:0 --echo --origin '*'");
  const [ownUrl, namedUrl, openUrl] = [
    (await own.listening()).url,
    (await named.listening()).url,
    (await open.listening()).url,
  ];
  assert.equal(await statusOf(ownUrl, ownUrl.replace("ws", "http")), 101);
  assert.equal(await statusOf(ownUrl, "https://a.test"), 403);
  assert.equal(await statusOf(namedUrl, "https://b.test"), 101);
  assert.equal(await statusOf(namedUrl, "https://a.test.evil"), 403);
  assert.equal(await statusOf(openUrl, "https://whoever.test"), 101);
});

for (const [how, flags] of [
  ["", ""],
  [" behind a proxy", "--proxy-protocol"],
] as const) {
  test(`listen${how}: a page calls the server by a name that it was told, and the first other one is told how`, async () => {
    await using untold = new Terminal(`listen ws://127.0.0.1:0 --echo ${flags}`);
    await using told = new Terminal(
      `listen ws://127.0.0.1:0 --echo ${flags} --allowed-host square.test --allowed-host '*.example.org'`,
    );
    const ports = [(await untold.listening()).port, (await told.listening()).port] as const;
    const header = "PROXY TCP4 203.0.113.7 127.0.0.1 4242 80\r\n";
    using toUntold = flags === "" ? undefined : await headed(ports[0], header);
    using toTold = flags === "" ? undefined : await headed(ports[1], header);
    const untoldUrl = `ws://127.0.0.1:${toUntold?.port ?? ports[0]}`;
    const toldUrl = `ws://127.0.0.1:${toTold?.port ?? ports[1]}`;
    for (const name of ["square.test", "a.example.org:8080"]) {
      assert.equal(await statusOf(untoldUrl, `http://${name}`, name), 403);
      assert.equal(await statusOf(toldUrl, `http://${name}`, name), 101);
    }
    assert.equal(await statusOf(toldUrl, "http://example.org", "example.org"), 403);
    assert.equal(await statusOf(toldUrl, "http://localhost:1", "localhost:1"), 101);
    assert.equal(await statusOf(toldUrl, "https://square.test", "backend"), 101);
    await untold.says(
      /^zocalo: a page calls this server square\.test, which it was not told; --allowed-host square\.test lets such pages in$/m,
    );
    for (const terminal of [untold, told]) {
      terminal.child.kill("SIGTERM");
      const { stderr } = await terminal.end();
      assert.equal(stderr.match(/--allowed-host/g)?.length, 1, stderr); // Not once for each.
    }
  });
}

test("--compress negotiates permessage-deflate on both sides, and messages survive it", async () => {
  await using terminal = new Terminal("listen ws://127.0.0.1:0 --echo --compress");
  const { url } = await terminal.listening();
  const socket = await opened(url, { perMessageDeflate: { threshold: 0 } });
  assert.match(socket.extensions, /permessage-deflate/);
  for (const message of ["", "hola ".repeat(100_000), "x", "hola ".repeat(1000)]) {
    socket.send(message);
    assert.ok(String((await heard(socket))[0]) === message);
  }
  socket.terminate();
  const text = `${"hola ".repeat(50_000)}\n`.repeat(20);
  const dial = await run(`dial ${url} --compress`, text);
  assert.deepEqual([dial.code, dial.stdout.toString() === text], [0, true]);
  let extensions = "";
  using server = await wsServer(
    (other) => {
      ({ extensions } = other);
      other.close();
    },
    { perMessageDeflate: true },
  );
  assert.equal((await run(`dial ${server.url} --compress`)).code, 0);
  assert.match(extensions, /permessage-deflate/);
  assert.equal((await run(`dial ${server.url}`)).code, 0);
  assert.equal(extensions, "");
});

test("--hex shows and takes digits: binary messages, or text with --text; --binary --lines sends lines as binary", async () => {
  const kinds: boolean[] = [];
  using server = await wsServer((socket) => {
    echoing(socket);
    socket.on("message", (_, isBinary) => kinds.push(isBinary));
  });
  const hex = await run(`dial ${server.url} --hex`, "00 ff\n\n");
  assert.equal(hex.stdout.toString(), "00 ff\n\n");
  const text = await run(`dial ${server.url} --hex --text`, "686f6c61\n");
  assert.equal(text.stdout.toString(), "68 6f 6c 61\n");
  const binary = await run(`dial ${server.url} --binary --lines`, "\xff\nb\n");
  assert.equal(binary.stdout.toString(), "\xff\nb\n");
  assert.deepEqual(kinds, [true, true, false, true, true]);
  const invalid = await run(`dial ${server.url}`, Buffer.from([0x68, 0x0a, 0xff, 0x0a]));
  assert.equal(invalid.code, 2);
  assert.match(invalid.stderr, /^zocalo: Line 2 of the input is not UTF-8/);
});

test("--broadcast sends everything, and the input, to all connections", async () => {
  await using terminal = new Terminal("listen ws://127.0.0.1:0 --broadcast");
  const { url } = await terminal.listening();
  const sockets = await Promise.all(Array.from({ length: 4 }, () => opened(url)));
  const all = () => Promise.all(sockets.map(heard));
  for (const message of ["text", noise(100_000)]) {
    const waiting = all();
    sockets[1]?.send(message);
    for (const [data, isBinary] of await waiting) {
      assert.deepEqual([isBinary, sha256(data)], [typeof message !== "string", sha256(Buffer.from(message))]);
    }
  }
  const waiting = all();
  terminal.type("from the log\n");
  for (const [data, isBinary] of await waiting)
    assert.deepEqual([isBinary, String(data)], [false, "from the log"]);
  const closes = Promise.all(sockets.map(async (socket) => ((await once(socket, "close")) as [number])[0]));
  terminal.child.kill("SIGINT");
  assert.deepEqual(await closes, [1001, 1001, 1001, 1001]);
  assert.deepEqual([(await terminal.end()).code, terminal.stdout.length], [130, 0]);
});

test("--ping tells the round trip, --max-message limits messages, --timeout ends silence", async () => {
  using server = await wsServer((socket) => void socket.on("message", () => socket.send("123456")));
  await using pinging = new Terminal(`dial ${server.url} --ping`);
  assert.match((await pinging.says(/\{"event":"pong".*\}/))[0], /"roundTripMs":[\d.]+/);
  pinging.child.kill("SIGTERM");
  assert.equal((await pinging.end()).code, 143);

  const large = await run(`dial ${server.url} --max-message 5`, "x\n");
  assert.deepEqual([large.code, large.stdout.length], [1, 0]);
  assert.match(large.stderr, /^zocalo: .*1009.*\n$/);
  assert.equal((await run(`dial ${server.url} --max-message 6`, "x\n")).stdout.toString(), "123456\n");

  const silent = await new Terminal(`dial ${server.url} --timeout 200ms`).end();
  assert.deepEqual([silent.code, silent.stderr], [3, ""]);
  const answered = await run(`dial ${server.url} --timeout 2s`, "x\n");
  assert.deepEqual([answered.code, answered.stdout.toString()], [0, "123456\n"]);
});

test("a reader of the output that is behind holds a WebSocket peer back", async () => {
  const bytes = noise(32 * MEGABYTE);
  await using terminal = new Terminal("listen ws://127.0.0.1:0 --binary");
  const socket = await opened((await terminal.listening()).url);
  for (let start = 0; start < bytes.length; start += MEGABYTE)
    socket.send(bytes.subarray(start, start + MEGABYTE));
  socket.close();
  for (let round = 0; round < 100; round++) {
    terminal.type("x");
    await heard(socket);
  }
  assert.ok(socket.bufferedAmount > 16 * MEGABYTE, `${socket.bufferedAmount} bytes are still with the peer`);
  const { code, stdout } = await terminal.end();
  assert.deepEqual([code, sha256(stdout)], [0, sha256(bytes)]);
});

test("a WebSocket peer that is behind holds the input back", async () => {
  const bytes = noise(32 * MEGABYTE);
  const chunks: Buffer[] = [];
  let accept: (socket: WebSocket) => void = () => undefined;
  const accepted = new Promise<WebSocket>((resolve) => {
    accept = resolve;
  });
  using server = await wsServer((socket) => {
    socket.on("message", (data: Buffer) => chunks.push(data));
    socket.pause();
    accept(socket);
  });
  await using terminal = new Terminal(`dial ${server.url} --binary`);
  terminal.child.stdin.end(bytes);
  const socket = await accepted;
  for (let round = 1; round <= 100; round++) {
    socket.send("x");
    await terminal.prints(round);
  }
  const waiting = terminal.child.stdin.writableLength;
  assert.ok(waiting > 16 * MEGABYTE, `${waiting} bytes are still to be read`);
  socket.resume();
  assert.equal((await terminal.end()).code, 0);
  assert.equal(sha256(Buffer.concat(chunks)), sha256(bytes));
});

test("an end that says something went wrong is exit code 1 and one sentence", async () => {
  using failing = await wsServer((socket) => socket.close(1011, "out of order"));
  using breaking = await wsServer((socket) => socket.terminate());
  using refusing = await wsServer(() => undefined, { verifyClient: () => false });
  const [failed, broken, refused, nobody] = await Promise.all([
    run(`dial ${failing.url}`),
    run(`dial ${breaking.url} --echo`),
    run(`dial ${refusing.url}`),
    run("dial ws://127.0.0.1:1"),
  ]);
  assert.deepEqual(
    [failed.code, failed.stderr],
    [1, "zocalo: The peer closed the connection: 1011 out of order.\n"],
  );
  assert.equal(broken.code, 1);
  assert.match(refused.stderr, /^zocalo: .*401.*\n$/);
  assert.match(nobody.stderr, /^zocalo: .*connection refused\n$/);
  assert.deepEqual([refused.code, nobody.code], [1, 1]);
});

test("wss: listen with a certificate, dial with an authority, and with --insecure", async () => {
  const { certFile, keyFile } = identity;
  await using terminal = new Terminal(`listen wss://127.0.0.1:0 --cert ${certFile} --key ${keyFile} --echo`);
  const { url } = await terminal.listening();
  assert.match(url, /^wss:\/\/127\.0\.0\.1:\d+$/);
  const socket = await opened(url, { ca: readFileSync(certFile) });
  socket.send("hola");
  assert.equal(String((await heard(socket))[0]), "hola");
  socket.terminate();
  const [known, stranger, insecure] = await Promise.all([
    run(`dial ${url} --ca ${certFile} --servername localhost`, "hola\n"),
    run(`dial ${url}`, "hola\n"),
    run(`dial ${url} --insecure`, "hola\n"),
  ]);
  assert.deepEqual([known.code, known.stdout.toString()], [0, "hola\n"]);
  assert.equal(stranger.code, 1);
  assert.match(stranger.stderr, /^zocalo: .*certificate.*\n$/);
  assert.deepEqual([insecure.code, insecure.stdout.toString()], [0, "hola\n"]);
});

for (const scheme of ["ws", "wss"]) {
  test(`${scheme}: --proxy-protocol takes the peer's address from a trusted proxy only`, async () => {
    const { certFile, keyFile } = identity;
    const tls = scheme === "wss" ? `--cert ${certFile} --key ${keyFile}` : "";
    const listenCommand = `listen ${scheme}://127.0.0.1:0/square --echo -v --proxy-protocol ${tls}`;
    /** A connection that begins as a proxy's, and goes on as a client's. */
    const proxied = async (port: number, header: string): Promise<Socket> => {
      const raw = connect(port, "127.0.0.1");
      raw.write(header);
      if (scheme === "ws") return raw;
      const secure = connectTls({ socket: raw, ca: readFileSync(certFile), servername: "localhost" });
      await once(secure, "secureConnect");
      return secure;
    };
    const header = "PROXY TCP4 203.0.113.7 192.0.2.1 4242 443\r\n";

    await using terminal = new Terminal(listenCommand);
    const { url, port } = await terminal.listening();
    assert.equal(url, `${scheme}://127.0.0.1:${port}/square`);
    const through = await proxied(port, header);
    const socket = await opened(`ws://127.0.0.1:${port}/square`, { createConnection: () => through });
    for (const message of ["hola", "x".repeat(MEGABYTE)]) {
      socket.send(message);
      assert.equal(String((await heard(socket))[0]), message);
    }
    await terminal.says(/"connected","peer":"203\.0\.113\.7:4242"/);
    socket.close(1000);
    await once(socket, "close");
    await terminal.says(/"ended","peer":"203\.0\.113\.7:4242"/);

    // Another path, no upgrade, no header.
    for (const [request, answer] of [
      [
        "GET /other HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        /^HTTP\/1\.1 404 /,
      ],
      ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", /^HTTP\/1\.1 426 /],
      ["rubbish\r\n\r\n", /^HTTP\/1\.1 400 /],
    ] as const) {
      const curious = await proxied(port, header);
      curious.write(request);
      assert.match(String((await once(curious, "data"))[0]), answer);
      curious.destroy();
    }
    const bare = connect(port, "127.0.0.1");
    bare.write("GET / HTTP/1.1\r\n");
    bare.on("error", () => undefined).resume();
    await once(bare, "close");
    await terminal.says(/"refused","peer":"127\.0\.0\.1:\d+","reason":"[^"]*no PROXY header"/);
    terminal.child.kill("SIGTERM");
    assert.equal((await terminal.end()).code, 143);

    await using distrustful = new Terminal(`${listenCommand} --trusted-proxy 10.0.0.0/8`);
    const direct = await distrustful.listening();
    const plain = await opened(direct.url, { ca: readFileSync(certFile) });
    await distrustful.says(/"connected","peer":"127\.0\.0\.1:/);
    distrustful.child.kill("SIGTERM");
    assert.equal((await once(plain, "close"))[0], 1001);
    assert.equal((await distrustful.end()).code, 143);
  });
}
