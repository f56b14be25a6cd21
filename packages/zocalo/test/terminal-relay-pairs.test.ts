// `zocalo relay` of much between schemes that have little in common, with foreign programs on the outside.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { WebSocket, WebSocketServer } from "ws";
import { selfSigned } from "./terminal-certificates.ts";
import { noise, readAll, sha256, tcpServer, Terminal } from "./terminal-process.ts";

/** `RELAY_MEBIBYTES=64` for more. */
const MUCH = Number(process.env["RELAY_MEBIBYTES"] ?? 8) * 1_048_576;
const PART = 100_003;
const directory = mkdtempSync(join(tmpdir(), "zocalo-relay-pairs-"));
const { certFile, keyFile } = selfSigned(directory, ["127.0.0.1"]);
after(() => rmSync(directory, { recursive: true }));

async function relayed(
  command: string,
): Promise<{ terminal: Terminal; url: string; port: number } & AsyncDisposable> {
  const terminal = new Terminal(`relay ${command}`);
  const { url, port } = await terminal.listening();
  return { terminal, url, port, [Symbol.asyncDispose]: () => terminal[Symbol.asyncDispose]() };
}

/** Sends all of it as binary messages, no faster than they leave. */
async function sendAll(socket: WebSocket, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; at += PART) {
    await new Promise<void>((resolve, reject) => {
      socket.send(bytes.subarray(at, at + PART), (error) => (error ? reject(error) : resolve()));
    });
  }
}

/** What comes as binary messages, put together, until there is so much. */
function received(socket: WebSocket, byteCount: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let length = 0;
    socket.on("message", (data: Buffer) => {
      parts.push(data);
      length += data.length;
      if (length >= byteCount) resolve(Buffer.concat(parts));
    });
    socket.on("close", (code) => reject(new Error(`closed with ${code} after ${length} bytes`)));
  });
}

/** A program of Python, and its first line, which is a port. */
async function python(script: string) {
  const program = spawn("python3", ["-c", script]);
  program.stderr.pipe(process.stderr);
  const lines = createInterface({ input: program.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<string> => String((await lines.next()).value);
  return { port: Number(await line()), line, [Symbol.dispose]: () => void program.kill("SIGKILL") };
}

test("wss to tcp: much goes through both ways, to a server in Python that hashes it", async () => {
  const question = noise(MUCH);
  using server = await python(`
import hashlib, random, socket, sys, threading
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
conn, _ = listener.accept()
hash = hashlib.sha256()
left = ${MUCH}
while left > 0:
    part = conn.recv(65536)
    if not part: break
    hash.update(part)
    left -= len(part)
print(hash.hexdigest(), left, flush=True)
listener = None
conn.sendall(b"".join([bytes([i % 251]) * 1000 for i in range(${MUCH} // 1000)]))
conn.shutdown(socket.SHUT_WR)
print(len(conn.recv(1)), flush=True)
`);
  await using relay = await relayed(
    `wss://127.0.0.1:0 tcp://127.0.0.1:${server.port} --cert ${certFile} --key ${keyFile}`,
  );
  const socket = new WebSocket(relay.url, { rejectUnauthorized: false });
  await once(socket, "open");
  const count = Math.floor(MUCH / 1000) * 1000;
  const heard = received(socket, count);
  const closed = once(socket, "close");
  await sendAll(socket, question);
  assert.equal(await server.line(), `${sha256(question)} 0`);
  const bytes = await heard;
  assert.ok(bytes.every((byte, at) => byte === Math.floor(at / 1000) % 251));
  assert.equal(bytes.length, count);
  socket.close(1000);
  assert.equal((await closed)[0], 1000);
  assert.equal(await server.line(), "0");
});

test("tls to ws: openssl sends much, gets as much back, and the end", async () => {
  const content = noise(MUCH);
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const heard = new Promise<Buffer>((resolve, reject) => {
    server.once("connection", (socket) => {
      received(socket, content.length)
        .then(async (bytes) => {
          await sendAll(socket, bytes);
          socket.close(1000);
          return resolve(bytes);
        })
        .catch(reject);
    });
  });
  await using relay = await relayed(
    `tls://127.0.0.1:0 ws://127.0.0.1:${port} --cert ${certFile} --key ${keyFile}`,
  );
  const openssl = spawn("openssl", [
    "s_client",
    "-quiet",
    "-no_ign_eof",
    "-nocommands",
    "-CAfile",
    certFile,
    "-connect",
    `127.0.0.1:${relay.port}`,
  ]);
  openssl.stdin.on("error", () => undefined);
  openssl.stdin.write(content);
  const back = await readAll(openssl.stdout);
  assert.equal(sha256(await heard), sha256(content));
  assert.deepEqual([back.length, sha256(back)], [content.length, sha256(content)]);
  openssl.kill();
  server.close();
});

test("ws to tls, where the server is socat over openssl: much comes back as it went", async () => {
  const content = noise(MUCH);
  const socat = spawn("socat", [
    "-d",
    "-d",
    `OPENSSL-LISTEN:0,reuseaddr,cert=${certFile},key=${keyFile},verify=0,bind=127.0.0.1`,
    "SYSTEM:cat",
  ]);
  let words = "";
  while (!/listening on .*:(\d+)/.test(words)) words += String((await once(socat.stderr, "data"))[0]);
  socat.stderr.resume();
  const [, port] = /listening on .*:(\d+)/.exec(words) ?? [];
  await using relay = await relayed(`ws://127.0.0.1:0 tls://127.0.0.1:${port} --ca ${certFile}`);
  const socket = new WebSocket(relay.url);
  await once(socket, "open");
  const heard = received(socket, content.length);
  await sendAll(socket, content);
  assert.equal(sha256(await heard), sha256(content));
  socket.terminate();
  socat.kill();
});

test("ws to udp: each message is a datagram of its own, both ways, to a server in Python", async () => {
  using server = await python(`
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    bytes, peer = server.recvfrom(65536)
    server.sendto(bytes[::-1], peer)
`);
  await using relay = await relayed(`ws://127.0.0.1:0 udp://127.0.0.1:${server.port}`);
  const socket = new WebSocket(relay.url);
  await once(socket, "open");
  for (const size of [1, 1200, 1201, 9000, 65_507, 3]) {
    const sent = noise(size);
    socket.send(sent);
    const [data, isBinary] = (await once(socket, "message")) as [Buffer, boolean];
    assert.deepEqual([isBinary, sha256(data)], [true, sha256(Buffer.from(sent).reverse())], `${size} bytes`);
  }
  socket.send("texto");
  assert.equal(String((await once(socket, "message"))[0]), "otxet");
  socket.close();
  await once(socket, "close");
});

test("ws to udp: a message that fits in no datagram ends with a reason, and others do not notice", async () => {
  await using echo = new Terminal("listen udp://127.0.0.1:0 --echo");
  const { port } = await echo.listening();
  await using relay = await relayed(`ws://127.0.0.1:0 udp://127.0.0.1:${port} -v`);
  const [big, other] = [new WebSocket(relay.url), new WebSocket(relay.url)];
  await Promise.all([once(big, "open"), once(other, "open")]);
  big.on("error", () => undefined);
  big.send(noise(70_000));
  await once(big, "close");
  other.send("hola");
  assert.equal(String((await once(other, "message"))[0]), "hola");
  other.terminate();
});

test("udp to ws: a datagram is a binary message, and each sender has a connection of its own", async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  let connections = 0;
  server.on("connection", (socket) => {
    connections += 1;
    const name = connections;
    socket.on("message", (data: Buffer) => socket.send(Buffer.concat([Buffer.from(`${name}:`), data])));
  });
  const { port } = server.address() as { port: number };
  await using relay = await relayed(`udp://127.0.0.1:0 ws://127.0.0.1:${port} --trust-sources`);
  const clients = [createSocket("udp4"), createSocket("udp4")];
  const names = new Set<string>();
  for (const client of clients) {
    for (const size of [1, 1200, 40_000]) {
      const sent = noise(size);
      client.send(sent, relay.port, "127.0.0.1");
      const [data] = (await once(client, "message")) as [Buffer];
      names.add(String(data.subarray(0, 2)));
      assert.equal(sha256(data.subarray(2)), sha256(sent));
    }
  }
  assert.deepEqual([...names].sort(), ["1:", "2:"]);
  for (const client of clients) client.close();
  for (const socket of server.clients) socket.terminate();
  server.close();
});

test("udp to udp: socat through a relay to a server in Python, one datagram after the other", async () => {
  using server = await python(`
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
while True:
    bytes, peer = server.recvfrom(65536)
    server.sendto(bytes.upper(), peer)
`);
  await using relay = await relayed(`udp://127.0.0.1:0 udp://127.0.0.1:${server.port}`);
  const socat = spawn("socat", ["STDIO", `UDP4:127.0.0.1:${relay.port}`]);
  const lines = createInterface({ input: socat.stdout })[Symbol.asyncIterator]();
  for (let i = 0; i < 200; i++) {
    socat.stdin.write(`mensaje ${i}\n`);
    assert.equal((await lines.next()).value, `MENSAJE ${i}`);
  }
  socat.stdin.end();
  await once(socat, "close");
  // Of much at once the systems drop what nobody has read yet, on a busy machine most of it: so it goes on
  // until enough has come. What comes is whole and in place of nothing else.
  const client = createSocket("udp4");
  const seen = new Set<string>();
  client.on("message", (bytes) => seen.add(bytes.toString()));
  for (let i = 0; seen.size < 500; i++) {
    client.send(`${String(i).padStart(6, "0")} ${"x".repeat(i % 1000)}`, relay.port, "127.0.0.1");
    if (i % 20 === 0) await turn();
  }
  for (const text of seen) {
    assert.equal(text, `${text.slice(0, 6)} ${"X".repeat(Number(text.slice(0, 6)) % 1000)}`);
  }
  client.close();
});

test("tcp to wss and back through another relay to tcp: much is what it was, half-closes and all", async () => {
  const [question, answer] = [noise(MUCH), noise(MUCH)];
  let heard = "";
  using server = await tcpServer((socket) => {
    let length = 0;
    const parts: Buffer[] = [];
    socket.on("data", (bytes) => {
      parts.push(bytes);
      length += bytes.length;
      if (length < question.length) return;
      heard = sha256(Buffer.concat(parts));
      socket.end(answer);
    });
  });
  await using inner = await relayed(
    `wss://127.0.0.1:0 tcp://127.0.0.1:${server.port} --cert ${certFile} --key ${keyFile}`,
  );
  await using outer = await relayed(`tcp://127.0.0.1:0 ${inner.url} --ca ${certFile}`);
  const socat = spawn("socat", ["-t", "60", "STDIO", `TCP4:127.0.0.1:${outer.port}`]);
  socat.stdin.on("error", () => undefined);
  socat.stdin.end(question);
  const back = await readAll(socat.stdout);
  assert.equal(heard, sha256(question));
  assert.deepEqual([back.length, sha256(back)], [answer.length, sha256(answer)]);
});
