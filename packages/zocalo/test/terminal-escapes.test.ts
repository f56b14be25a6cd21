// `zocalo listen` and `zocalo dial` with peers whose words are escape sequences: a terminal is to show them,
// not to obey them.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { type WebSocket, WebSocketServer } from "ws";
import { run, tcpServer, Terminal, ZOCALO } from "./terminal-process.ts";
import { BUNDLE } from "./zocalo-bundle.ts";

const directory = mkdtempSync(join(tmpdir(), "zocalo-escapes-"));
after(() => rmSync(directory, { recursive: true }));

/** Sets the title, clears the screen, colors, and turns text around. */
const ESCAPES = "\x1b]0;pwned\x07\x1b[2J\x9b31m\u202e";
/** The same, to be read. */
const SHOWN = String.raw`\x1b]0;pwned\x07\x1b[2J\x9b31m\u202e`;
/** What a terminal obeys, but for line ends and tabs. */
// oxlint-disable-next-line no-control-regex
const DANGER = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;

/** One line of standard error, and nothing on it that a terminal obeys. */
function assertOneSentence(stderr: string): void {
  assert.match(stderr, /^zocalo: [^\n\r]+\n$/);
  assert.doesNotMatch(stderr, DANGER);
}

/**
 * A TCP server that answers a request for an upgrade so, and nothing else. In Latin-1, as HTTP has its
 * fields.
 */
function answering(answer: string) {
  return tcpServer((socket) => socket.once("data", () => socket.end(Buffer.from(answer, "latin1"))));
}

/** A server of the `ws` package on a free port. */
async function wsServer(serve: (socket: WebSocket, url: string | undefined) => void) {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (socket, { url }) => serve(socket, url));
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    [Symbol.dispose]() {
      for (const socket of server.clients) socket.terminate();
      server.close();
    },
  };
}

test("a status line, with control characters of C0 and of C1", async () => {
  for (const words of ["no\x9b2J\x9d0;pwned", "no\x1b[2J\x1b]0;pwned\x07"]) {
    using server = await answering(`HTTP/1.1 403 ${words}\r\nContent-Length: 0\r\n\r\n`);
    const { code, stdout, stderr } = await run(`dial ws://127.0.0.1:${server.port}`);
    assert.deepEqual([code, stdout.length], [1, 0]);
    assertOneSentence(stderr);
  }
});

test("a location and a subprotocol", async () => {
  using redirecting = await answering(
    "HTTP/1.1 302 Found\r\nLocation: http://a.example/\x9b2J?token=s3cret\r\nContent-Length: 0\r\n\r\n",
  );
  const redirect = await run(`dial ws://127.0.0.1:${redirecting.port}`);
  assert.equal(redirect.code, 1);
  assertOneSentence(redirect.stderr);
  assert.ok(redirect.stderr.includes(String.raw`http://a.example/\x9b2J`), redirect.stderr);
  assert.doesNotMatch(redirect.stderr, /s3cret/);
  using server = await tcpServer((socket) =>
    socket.once("data", (head: Buffer) => {
      const key = /sec-websocket-key: (\S+)/i.exec(head.toString())?.[1] ?? "";
      const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
      const fields = `Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}`;
      const answer = `HTTP/1.1 101 Switching\r\n${fields}\r\nSec-WebSocket-Protocol: \x9b31m\r\n\r\n`;
      socket.write(Buffer.from(answer, "latin1"));
    }),
  );
  const { code, stderr } = await run(`dial ws://127.0.0.1:${server.port}`);
  assert.equal(code, 1);
  assertOneSentence(stderr);
  assert.ok(stderr.includes(String.raw`"\x9b31m"`), stderr);
});

test("a close reason is one part of one line, whatever line ends it has", async () => {
  const reason = `${ESCAPES}bye\rzocalo: fine\nzocalo: done`;
  using server = await wsServer((socket) => socket.close(1008, reason));
  const { code, stderr } = await run(`dial ws://127.0.0.1:${server.port}`);
  assert.equal(code, 1);
  assertOneSentence(stderr);
  assert.ok(stderr.includes(`1008 ${SHOWN}bye\\rzocalo: fine\\nzocalo: done`), stderr);
  // Of an echo server and in JSON, too.
  await using terminal = new Terminal(`dial ws://127.0.0.1:${server.port} --echo --keep -v`);
  const [line] = await terminal.says(/^\{"event":"failed".*\}$/m);
  assert.doesNotMatch(line, DANGER);
  assert.ok((JSON.parse(line) as { reason: string }).reason.includes(`1008 ${SHOWN}bye`), line);
});

test("the names in a certificate, over tls and wss", async () => {
  const certFile = join(directory, "pwned.crt");
  const keyFile = join(directory, "pwned.key");
  const request = "req -x509 -utf8 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split(
    " ",
  );
  const files = ["-keyout", keyFile, "-out", certFile];
  execFileSync("openssl", [...request, "-subj", `/CN=${ESCAPES}`, ...files], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const identity = { cert: readFileSync(certFile), key: readFileSync(keyFile) };
  const server = createTlsServer(identity, (socket) => socket.on("error", () => undefined));
  server.on("tlsClientError", () => undefined);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  try {
    for (const scheme of ["tls", "wss"]) {
      const { code, stderr } = await run(
        `dial ${scheme}://127.0.0.1:${port} --servername a.example --ca ${certFile}`,
      );
      assert.equal(code, 1);
      assertOneSentence(stderr);
      assert.ok(stderr.includes(SHOWN), stderr);
    }
  } finally {
    server.close();
  }
});

test("off a terminal every byte that comes is written as it is", async () => {
  const bytes = Buffer.concat([Buffer.from(ESCAPES), Buffer.from([0x9b, 0xff, 0, 0x0d])]);
  using tcp = await tcpServer((socket) => socket.end(bytes));
  assert.deepEqual((await run(`dial tcp://127.0.0.1:${tcp.port}`)).stdout, bytes);
  using ws = await wsServer((socket) => {
    socket.send(ESCAPES);
    socket.close(1000);
  });
  assert.equal((await run(`dial ws://127.0.0.1:${ws.port}`)).stdout.toString(), `${ESCAPES}\n`);
});

test("a token in a URL or a subprotocol is sent, and told nobody", async () => {
  const asked: (string | undefined)[] = [];
  using server = await wsServer((socket, url) => {
    asked.push(url, socket.protocol);
    socket.close(1000);
  });
  const url = `ws://ana:s3cret@127.0.0.1:${server.port}/ws?room=1&token=s3cret`;
  const { code, stderr } = await run(`dial '${url}' -v --subprotocol bearer.s3cret`);
  assert.equal(code, 0, stderr);
  assert.deepEqual(asked, ["/ws?room=1&token=s3cret", "bearer.s3cret"]);
  assert.match(stderr, /"connected","peer":"ws:.*room=1/);
  assert.doesNotMatch(stderr, /s3cret/);
  const wrong = await run("dial 'ftp://ana:s3cret@a.example/?token=s3cret'");
  assert.equal(wrong.code, 2);
  assertOneSentence(wrong.stderr);
  assert.match(wrong.stderr, /a\.example/);
  assert.doesNotMatch(wrong.stderr, /s3cret/);
});

test("a defect is told with its stack, which moves no cursor and tells no token", async () => {
  const throwing = `process.once("SIGUSR2", () => { throw new Error("${SHOWN}?token=s3cret"); })`;
  const defect = `data:text/javascript,${encodeURIComponent(throwing)}`;
  const command = "listen tcp://127.0.0.1:0";
  await using terminal = new Terminal(
    command,
    `exec '${process.execPath}' --import '${defect}' '${BUNDLE}' ${command}`,
  );
  await terminal.listening();
  terminal.child.kill("SIGUSR2");
  const { code, stderr } = await terminal.end();
  assert.equal(code, 1);
  assert.ok(stderr.includes(`Error: ${SHOWN}?token=[Redacted]\n    at `), stderr);
  assert.doesNotMatch(stderr, DANGER);
});

test("an option that does not exist is quoted so, too", async () => {
  const { code, stderr } = await run(String.raw`dial tcp://127.0.0.1:1 $'--no\e[2J\u202e'`);
  assert.equal(code, 2);
  assert.ok(stderr.includes(String.raw`--no\x1b[2J\u202e`), stderr);
  assert.doesNotMatch(stderr, DANGER);
});

const version = spawnSync("script", ["--version"], { encoding: "utf8" }).stdout ?? "";
const skip = version.includes("util-linux")
  ? false
  : "there is no script(1) of util-linux to make a terminal";

/** All that the command shows on a pseudo terminal, until it ends by itself. */
async function atTerminal(command: string): Promise<string> {
  const script = `SHELL=/bin/sh exec script -qefc "exec ${ZOCALO} ${command}" /dev/null`;
  await using terminal = new Terminal("", script);
  return (await terminal.end()).stdout.toString();
}

test("on a terminal what comes is shown, not obeyed, and --raw lets it through", { skip }, async () => {
  using tcp = await tcpServer((socket) => socket.end(`${ESCAPES}uno\n\tdos\r\n`));
  using ws = await wsServer((socket) => {
    socket.send(`${ESCAPES}uno`);
    socket.send(Buffer.from(`${ESCAPES}dos`));
    socket.close(1000, ESCAPES);
  });
  const stream = await atTerminal(`dial tcp://127.0.0.1:${tcp.port}`);
  assert.doesNotMatch(stream, DANGER);
  assert.ok(stream.includes(`${SHOWN}uno\r\n\tdos\r\n`), stream);
  const messages = await atTerminal(`dial ws://127.0.0.1:${ws.port}`);
  assert.doesNotMatch(messages, DANGER);
  assert.ok(messages.includes(`${SHOWN}uno\r\n${SHOWN}dos\r\n`), messages);
  for (const url of [`tcp://127.0.0.1:${tcp.port}`, `ws://127.0.0.1:${ws.port}`]) {
    assert.ok((await atTerminal(`dial ${url} --raw`)).includes(`${ESCAPES}uno`), url);
  }
});

test("a last portion is shown whole on a terminal, and a token in a subprotocol is not", {
  skip,
}, async () => {
  using server = await wsServer((socket) => {
    socket.send(Buffer.from("fin\r"));
    socket.close(1000);
  });
  const url = `ws://127.0.0.1:${server.port}`;
  const shown = await atTerminal(`dial ${url} --binary --subprotocol bearer.s3cret`);
  assert.ok(shown.includes(String.raw`fin\r`), shown);
  assert.match(shown, /connected with ws:.*\(\[Redacted\]\)/);
  assert.doesNotMatch(shown, /s3cret/);
});
