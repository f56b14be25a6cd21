// `zocalo listen` and `zocalo dial` over TCP, Unix sockets and TLS, as processes, against other programs.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connect as connectTls, TLSSocket } from "node:tls";
import { selfSigned } from "./terminal-certificates.ts";
import { noise, readAll, run, sha256, tcpServer, Terminal, ZOCALO } from "./terminal-process.ts";

const MEGABYTE = 1_048_576;
const directory = mkdtempSync(join(tmpdir(), "zocalo-terminal-"));
const server = selfSigned(directory, ["square.test", "127.0.0.1"]);
after(() => rmSync(directory, { recursive: true }));

function dialed(port: number): Socket {
  return connect({ port, host: "127.0.0.1", allowHalfOpen: true });
}

test("listen and nc exchange large inputs in both directions, and both end with 0", async () => {
  const [up, down] = [noise(8 * MEGABYTE), noise(8 * MEGABYTE)];
  await using terminal = new Terminal("listen tcp://127.0.0.1:0");
  const { port, url, address } = await terminal.read().listening();
  assert.deepEqual([url, address], [`tcp://127.0.0.1:${port}`, `127.0.0.1:${port}`]);
  const nc = spawn("nc", ["-N", "127.0.0.1", String(port)]);
  nc.stdin.end(up);
  terminal.child.stdin.end(down);
  const [received, ended] = await Promise.all([readAll(nc.stdout), terminal.end()]);
  assert.equal(sha256(received), sha256(down));
  assert.equal(sha256(ended.stdout), sha256(up));
  assert.deepEqual([ended.code, ended.stderr.split("\n").length], [0, 2], ended.stderr);
});

test("the end of the input half-closes, and the answer that comes then is still printed", async () => {
  const [question, answer] = [noise(4 * MEGABYTE), noise(4 * MEGABYTE)];
  let asked: Buffer | undefined;
  using peer = await tcpServer((socket) => {
    void readAll(socket).then((bytes) => {
      asked = bytes;
      socket.end(answer);
    });
  });
  const { code, stdout, stderr } = await run(`dial tcp://127.0.0.1:${peer.port}`, question);
  assert.deepEqual([code, stderr], [0, ""]);
  assert.equal(sha256(asked ?? Buffer.alloc(0)), sha256(question));
  assert.equal(sha256(stdout), sha256(answer));
});

test("what stands on the input is sent to a peer that has ended its own side, whole", async () => {
  const answer = noise(16 * MEGABYTE);
  await using terminal = new Terminal("listen tcp://127.0.0.1:0");
  const { port } = await terminal.read().listening();
  const socket = dialed(port);
  socket.end("question");
  await terminal.prints(/question/);
  terminal.child.stdin.end(answer);
  assert.equal(sha256(await readAll(socket)), sha256(answer));
  assert.equal((await terminal.end()).code, 0);
});

test("a peer that ends lets the command end, even if nobody closes its input", async () => {
  using peer = await tcpServer((socket) => void socket.end("hola\n"));
  const { code, stdout } = await new Terminal(`dial tcp://127.0.0.1:${peer.port}`).end();
  assert.deepEqual([code, stdout.toString()], [0, "hola\n"]);
});

test("a Unix socket, and one in the abstract namespace", async () => {
  for (const path of [join(directory, "socket"), `@zocalo-${process.pid}`]) {
    await using terminal = new Terminal(`listen unix:${path} --echo`);
    assert.deepEqual(await terminal.listening(), { event: "listening", url: `unix:${path}`, address: path });
    const { code, stdout } = await run(`dial unix:${path}`, "hola\n");
    assert.deepEqual([code, stdout.toString()], [0, "hola\n"]);
  }
});

test("a listener says which changed certificate it cannot use, and keeps the old one", async () => {
  const commands = ["tls", "wss"].map((scheme) => {
    const { certFile, keyFile } = selfSigned(directory, [`${scheme}.test`, "127.0.0.1"]);
    const certificate = readFileSync(certFile);
    const authority = join(directory, `${scheme}.ca`);
    writeFileSync(authority, certificate);
    return { scheme, certFile, keyFile, authority };
  });
  await Promise.all(
    commands.map(async ({ scheme, certFile, keyFile, authority }) => {
      await using terminal = new Terminal(
        `listen ${scheme}://127.0.0.1:0 --cert ${certFile} --key ${keyFile} --echo`,
      );
      const { port } = await terminal.listening();
      writeFileSync(certFile, "garbage");
      // The files are looked at when somebody connects, every ten seconds.
      while (!terminal.stderr.includes("the old certificate stays in use")) {
        const { code, stderr } = await run(`dial ${scheme}://127.0.0.1:${port} --ca ${authority}`, "hola\n");
        assert.deepEqual([code, stderr], [0, ""]);
      }
      await terminal.says(/^zocalo: the old certificate stays in use: .*\.crt holds no certificate/m);
    }),
  );
});

test("--replace-stale takes the place of a command that was killed, and of none that lives", async () => {
  const path = join(directory, "stale");
  const killed = new Terminal(`listen unix:${path} --echo`);
  await killed.listening();
  const refused = await run(`listen unix:${path} --replace-stale`);
  assert.deepEqual(
    [refused.code, refused.stderr],
    [1, `zocalo: cannot listen on unix:${path}: address already in use\n`],
  );
  await killed[Symbol.asyncDispose]();
  const inTheWay = await run(`listen unix:${path}`);
  assert.equal(inTheWay.code, 1);
  assert.match(
    inTheWay.stderr,
    /^zocalo: .*address already in use; if no program listens there any more, --replace-stale takes its place\n$/,
  );
  await using terminal = new Terminal(`listen unix:${path} --replace-stale --echo`);
  await terminal.listening();
  const { code, stdout } = await run(`dial unix:${path}`, "hola\n");
  assert.deepEqual([code, stdout.toString()], [0, "hola\n"]);
});

test("--echo sends everything back to any number of connections at once", async () => {
  const bytes = noise(4 * MEGABYTE);
  await using terminal = new Terminal("listen tcp://127.0.0.1:0 --echo");
  const { port } = await terminal.listening();
  const answers = Array.from({ length: 5 }, () => {
    const socket = dialed(port);
    socket.end(bytes);
    return readAll(socket);
  });
  for (const answer of await Promise.all(answers)) assert.equal(sha256(answer), sha256(bytes));
  assert.equal(terminal.stdout.length, 0);
});

test("dial --echo sends everything back until the server ends", async () => {
  const bytes = noise(2 * MEGABYTE);
  let answered: Promise<Buffer> | undefined;
  using peer = await tcpServer((socket) => {
    answered = readAll(socket);
    socket.end(bytes);
  });
  const { code, stdout } = await run(`dial tcp://127.0.0.1:${peer.port} --echo`);
  assert.deepEqual([code, stdout.length], [0, 0]);
  assert.equal(sha256((await answered) ?? Buffer.alloc(0)), sha256(bytes));
});

test("--broadcast sends what comes from one, or stands on the input, to all", async () => {
  await using terminal = new Terminal("listen tcp://127.0.0.1:0 --broadcast --lines -v");
  const { port } = await terminal.listening();
  const sockets = [dialed(port), dialed(port), dialed(port)] as const;
  await terminal.says(/(?:"connected"[^]*){3}/);
  sockets[0].write("from o");
  sockets[1].write("from another\n");
  for (const socket of sockets) assert.equal(String(await takes(socket, 13)), "from another\n");
  sockets[0].write("ne\n");
  for (const socket of sockets) assert.equal(String(await takes(socket, 9)), "from one\n");
  terminal.type("from the input\n");
  for (const socket of sockets) assert.equal(String(await takes(socket, 15)), "from the input\n");
  sockets[1].destroy();
  await terminal.says(/"(?:ended|failed)"/);
  terminal.type("and on\n");
  assert.equal(String(await takes(sockets[2], 7)), "and on\n");
  for (const socket of sockets) socket.destroy();
});

test("--broadcast --hex --lines sends a newline among the digits as the end of a line, and drops nothing", async () => {
  await using terminal = new Terminal("listen tcp://127.0.0.1:0 --broadcast --hex --lines -v");
  const { port } = await terminal.listening();
  const sockets = [dialed(port), dialed(port)] as const;
  await terminal.says(/(?:"connected"[^]*){2}/);
  terminal.type("61 0a 62\n63 0a\n\n0a 0a 64\n");
  const wanted = "a\nb\nc\n\n\n\n\nd\n";
  for (const socket of sockets) assert.equal(String(await takes(socket, wanted.length)), wanted);
  for (const socket of sockets) socket.destroy();
});

test("--broadcast of bytes reaches everybody whole, at the pace of the slowest", async () => {
  const bytes = noise(8 * MEGABYTE);
  await using terminal = new Terminal("listen tcp://127.0.0.1:0 --broadcast -v");
  const { port } = await terminal.listening();
  const [fast, slow] = [dialed(port), dialed(port)];
  await terminal.says(/(?:"connected"[^]*){2}/);
  terminal.child.stdin.end(bytes);
  const first = await takes(fast, 1);
  assert.ok(slow.bytesRead < bytes.length);
  const [rest, all] = await Promise.all([
    takes(fast, bytes.length - first.length),
    takes(slow, bytes.length),
  ]);
  assert.equal(sha256(Buffer.concat([first, rest])), sha256(bytes));
  assert.equal(sha256(all), sha256(bytes));
  fast.destroy();
  slow.destroy();
});

test("--keep takes one connection after the other", async () => {
  await using terminal = new Terminal("listen tcp://127.0.0.1:0 --keep");
  const { port } = await terminal.read().listening();
  for (const word of ["one", "two"]) {
    const socket = dialed(port);
    socket.write(`${word}\n`);
    await terminal.prints(new RegExp(word));
    terminal.type(`to ${word}\n`);
    assert.equal(String(await once(socket, "data")), `to ${word}\n`);
    socket.destroy();
  }
  terminal.child.kill("SIGTERM");
  assert.equal((await terminal.end()).code, 143);
});

test("dial --keep dials again when the connection has ended or could not be made", async () => {
  let count = 0;
  using peer = await tcpServer((socket) => void socket.end(`${++count}\n`));
  await using terminal = new Terminal(`dial tcp://127.0.0.1:${peer.port} --keep`);
  terminal.child.stdin.end();
  await terminal.prints(/1\n2\n/);
  terminal.child.kill("SIGINT");
  assert.equal((await terminal.end()).code, 130);
});

test("--lines joins and cuts lines, --hex shows and takes digits, and both together", async () => {
  const received: Promise<Buffer>[] = [];
  using peer = await tcpServer((socket) => {
    received.push(readAll(socket));
    socket.write("dos ");
    setImmediate(() => void socket.end("y\r\n\ntres"));
  });
  const url = `tcp://127.0.0.1:${peer.port}`;
  const lines = await run(`dial ${url} --lines`, "uno\r\nsin fin");
  assert.deepEqual([lines.code, lines.stdout.toString()], [0, "dos y\n\ntres\n"]);
  const both = await run(`dial ${url} --lines --hex`, "75 6e 6f\nFF\n");
  assert.deepEqual([both.code, both.stdout.toString()], [0, "64 6f 73 20 79\n\n74 72 65 73\n"]);
  const hex = await run(`dial ${url} --hex`, "00ff\n0a");
  assert.equal(hex.stdout.toString().replace(/\s/g, ""), Buffer.from("dos y\r\n\ntres").toString("hex"));
  const sent = await Promise.all(received);
  assert.deepEqual(sent.map(String), ["uno\nsin fin\n", "uno\n\ufffd\n", "\0\ufffd\n"]);
});

test("a line that is not hexadecimal is exit code 2 and names itself", async () => {
  using peer = await tcpServer((socket) => void socket.resume());
  const { code, stderr } = await run(`dial tcp://127.0.0.1:${peer.port} --hex`, "00\nxy\n");
  assert.equal(code, 2);
  assert.match(stderr, /^zocalo: Line 2 of the input, "xy", is not hexadecimal.*\n$/);
});

test("--max-message limits lines, at the limit and one past it", async () => {
  using peer = await tcpServer((socket) => void socket.end("12345\n"));
  const url = `tcp://127.0.0.1:${peer.port}`;
  assert.equal((await run(`dial ${url} --lines --max-message 5`, "12345\n")).code, 0);
  const input = await run(`dial ${url} --lines --max-message 5`, "ok\n123456\n");
  assert.deepEqual(
    [input.code, input.stderr],
    [2, "zocalo: Line 2 of the input is longer than 5 bytes (--max-message).\n"],
  );
  const peerLine = await run(`dial ${url} --lines --max-message 4`);
  assert.deepEqual(
    [peerLine.code, peerLine.stderr],
    [1, "zocalo: The peer sent a line longer than 4 bytes (--max-message).\n"],
  );
});

test("--timeout ends silence with exit code 3", async () => {
  using peer = await tcpServer((socket) => void socket.write("one word\n"));
  const dial = await new Terminal(`dial tcp://127.0.0.1:${peer.port} --timeout 2s`).end();
  assert.deepEqual([dial.code, dial.stdout.toString(), dial.stderr], [3, "one word\n", ""]);
  await using listener = new Terminal("listen tcp://127.0.0.1:0 --timeout 0.2");
  const socket = dialed((await listener.listening()).port);
  socket.on("error", () => undefined);
  assert.equal((await listener.end()).code, 3);
  socket.destroy();
});

test("--timeout also ends the wait for a connection that nobody makes", async () => {
  for (const url of ["tcp://127.0.0.1:0", "udp://127.0.0.1:0", "ws://127.0.0.1:0"]) {
    const { code, stderr } = await new Terminal(`listen ${url} --timeout 200ms`).end();
    assert.deepEqual([code, stderr.split("\n").length], [3, 2], stderr);
  }
});

test("--broadcast --timeout closes who neither sends nor is sent anything, and not who only listens", async () => {
  await using terminal = new Terminal("listen tcp://127.0.0.1:0 --broadcast --lines --timeout 3s --verbose");
  const { port } = await terminal.listening();
  const listening = dialed(port);
  await terminal.says(/"connected"/);
  const talking = dialed(port);
  await terminal.says(/"connected"[^]*"connected"/);
  let received = 0;
  listening.on("data", (bytes: Buffer) => {
    received += bytes.length;
    // Word follows word in much less than the time that silence may take; all together take more.
    if (received < 4 * 2) setTimeout(() => talking.write("x\n"), 1100);
  });
  talking.resume().write("x\n");
  await once(listening, "end");
  assert.equal(received, 4 * 2);
  for (const socket of [listening, talking]) socket.destroy();
});

test("--proxy-protocol takes the peer's address from a trusted proxy only", async () => {
  const header = "PROXY TCP4 203.0.113.7 192.0.2.1 4242 443\r\n";
  for (const [flags, peer, echoed] of [
    ["", "203.0.113.7:4242", "hola"],
    ["--trusted-proxy 10.0.0.0/8 --trusted-proxy 127.0.0.1", "203.0.113.7:4242", "hola"],
    ["--trusted-proxy 10.0.0.0/8", "127.0.0.1:", `${header}hola`],
  ] as const) {
    await using terminal = new Terminal(`listen tcp://127.0.0.1:0 --echo --proxy-protocol ${flags} -v`);
    const socket = dialed((await terminal.listening()).port);
    socket.end(`${header}hola`);
    assert.equal(String(await readAll(socket)), echoed);
    assert.ok((await terminal.says(/"connected","peer":"(.*?)"/))[1]?.startsWith(peer), terminal.stderr);
  }
});

test("tls: openssl talks to listen, and dial checks the certificate unless it is told not to", async () => {
  const { certFile, keyFile } = server;
  await using terminal = new Terminal(`listen tls://127.0.0.1:0 --cert ${certFile} --key ${keyFile} --echo`);
  const { port, url } = await terminal.listening();
  assert.equal(url, `tls://127.0.0.1:${port}`);
  const ca = certFile;
  const openssl = spawn("openssl", [
    "s_client",
    "-quiet",
    "-verify_return_error",
    "-CAfile",
    ca,
    "-connect",
    `127.0.0.1:${port}`,
  ]);
  openssl.stdin.write("hola\n");
  assert.equal(String(await once(openssl.stdout, "data")), "hola\n");
  openssl.kill();

  const dial = `dial tls://127.0.0.1:${port}`;
  const [checked, named, stranger, otherName, insecure] = await Promise.all([
    run(`${dial} --ca ${ca}`, "checked"),
    run(`${dial} --ca ${ca} --servername square.test`, "named"),
    run(dial, "secret"),
    run(`${dial} --ca ${ca} --servername other.test`, "secret"),
    run(`${dial} --insecure`, "whatever"),
  ]);
  assert.deepEqual([checked.code, checked.stdout.toString(), checked.stderr], [0, "checked", ""]);
  assert.deepEqual([named.code, named.stdout.toString()], [0, "named"]);
  assert.deepEqual([stranger.code, stranger.stdout.length], [1, 0]);
  assert.match(stranger.stderr, /^zocalo: cannot connect to tls:.*certificate.*\n$/);
  assert.equal(otherName.code, 1);
  assert.match(otherName.stderr, /^zocalo: .*other\.test.*\n$/);
  assert.deepEqual([insecure.code, insecure.stdout.toString()], [0, "whatever"]);
  assert.match(insecure.stderr, /^zocalo: WARNING: --insecure/);
});

test("tls: a connection that is cut is a failure, unless --accept-truncation says otherwise", async () => {
  const { certFile, keyFile } = server;
  const [cert, key] = [readFileSync(certFile), readFileSync(keyFile)];
  // It says something, and ends TCP without an end of TLS.
  using cutting = await tcpServer((below) => {
    const secured = new TLSSocket(below, { isServer: true, cert, key });
    secured.on("error", () => undefined);
    secured.on("secure", () => secured.write("half a", () => below.end()));
  });
  const dial = `dial tls://127.0.0.1:${cutting.port} --ca ${certFile}`;
  const [refused, accepted] = await Promise.all([run(dial), run(`${dial} --accept-truncation`)]);
  assert.deepEqual([refused.code, refused.stdout.toString()], [1, "half a"]);
  assert.match(refused.stderr, /^zocalo: .*without the close_notify of TLS\n$/);
  assert.deepEqual([accepted.code, accepted.stdout.toString(), accepted.stderr], [0, "half a", ""]);

  for (const [flag, code] of [
    ["", 1],
    ["--accept-truncation", 0],
  ] as const) {
    await using terminal = new Terminal(
      `listen tls://127.0.0.1:0 --cert ${certFile} --key ${keyFile} ${flag}`,
    );
    const { port } = await terminal.listening();
    const below = connect({ port, host: "127.0.0.1" });
    const secured = connectTls({ socket: below, host: "127.0.0.1", ca: cert });
    secured.on("error", () => undefined);
    await once(secured, "secureConnect");
    secured.write("half a", () => below.end());
    await terminal.prints(/half a/);
    terminal.child.stdin.end();
    assert.equal((await terminal.end()).code, code);
  }
});

test("tls: listen --ca demands a client's certificate", async () => {
  const { certFile, keyFile } = server;
  const client = selfSigned(directory, ["client.test"]);
  await using terminal = new Terminal(
    `listen tls://127.0.0.1:0 --cert ${certFile} --key ${keyFile} --ca ${client.certFile} --echo -v`,
  );
  const { port } = await terminal.listening();
  const dial = `dial tls://127.0.0.1:${port} --ca ${certFile}`;
  const [known, unknown] = await Promise.all([
    run(`${dial} --cert ${client.certFile} --key ${client.keyFile}`, "hola"),
    run(dial, "hola"),
  ]);
  assert.deepEqual([known.code, known.stdout.toString(), known.stderr], [0, "hola", ""]);
  assert.deepEqual([unknown.code, unknown.stdout.length], [1, 0]);
  await terminal.says(/"refused".*"reason":".*certificate/);
});

test("a reader of standard output that is behind holds the peer back", async () => {
  const bytes = noise(32 * MEGABYTE);
  await using terminal = new Terminal("listen tcp://127.0.0.1:0");
  const { port } = await terminal.listening();
  const socket = dialed(port);
  socket.end(bytes);
  // The other direction goes on meanwhile: each round is a turn in which the command could have taken more.
  for (let round = 0; round < 200; round++) {
    terminal.type("x");
    await once(socket, "data");
  }
  assert.ok(socket.writableLength > 16 * MEGABYTE, `${socket.writableLength} bytes are still with the peer`);
  terminal.child.stdin.end();
  assert.equal(sha256((await terminal.end()).stdout), sha256(bytes));
});

test("a peer that is behind holds standard input back", async () => {
  const bytes = noise(32 * MEGABYTE);
  let accept: (socket: Socket) => void = () => undefined;
  const accepted = new Promise<Socket>((resolve) => {
    accept = resolve;
  });
  using peer = await tcpServer((socket) => accept(socket.pause()));
  await using terminal = new Terminal(`dial tcp://127.0.0.1:${peer.port}`);
  terminal.child.stdin.end(bytes);
  const socket = await accepted;
  for (let round = 1; round <= 200; round++) {
    socket.write("x");
    await terminal.prints(round);
  }
  assert.ok(
    terminal.child.stdin.writableLength > 16 * MEGABYTE,
    `${terminal.child.stdin.writableLength} bytes are still to be read`,
  );
  const [received] = await Promise.all([readAll(socket), once(terminal.child.stdin, "finish")]);
  assert.equal(sha256(received), sha256(bytes));
  socket.end();
  assert.equal((await terminal.end()).code, 0);
});

test("a reader that leaves ends the command quietly", async () => {
  using peer = await tcpServer((socket) => {
    const fill = (): void => {
      while (socket.write(noise(65_536)));
    };
    socket.on("drain", fill);
    fill();
  });
  const script = `${ZOCALO} dial tcp://127.0.0.1:${peer.port} < /dev/null | head -c 5 > /dev/null; echo "\${PIPESTATUS[0]}"`;
  const dial = await new Terminal("", script).end();
  assert.deepEqual([dial.stdout.toString(), dial.stderr], ["0\n", ""]);
});

/** Exactly so many bytes, read as they are needed. */
async function takes(socket: Socket, byteCount: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let missing = byteCount;
  while (missing > 0) {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) {
      await once(socket, "readable");
      continue;
    }
    chunks.push(chunk);
    missing -= chunk.length;
  }
  return Buffer.concat(chunks);
}
