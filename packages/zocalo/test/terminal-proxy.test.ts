// `--proxy` of `zocalo dial` and `zocalo relay`, with proxies that are written here, and foreign peers behind
// them.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { WebSocketServer } from "ws";
import { selfSigned } from "./terminal-certificates.ts";
import { readAll, run, tcpServer, Terminal } from "./terminal-process.ts";

const directory = mkdtempSync(join(tmpdir(), "zocalo-terminal-proxy-"));
const identity = selfSigned(directory, ["behind.example"]);
after(() => rmSync(directory, { recursive: true }));

/** The next bytes, exactly so many. */
async function take(socket: Socket, count: number): Promise<Buffer> {
  for (;;) {
    const bytes = socket.read(count) as Buffer | null;
    if (bytes !== null) return bytes;
    await once(socket, "readable");
  }
}

function passOn(socket: Socket, port: number): void {
  const onward = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  onward.on("error", () => socket.destroy());
  socket.pipe(onward);
  onward.pipe(socket);
}

/** RFC 1928, with a login (RFC 1929); every name is this machine. `asked` is where to, and who. */
async function socks5(socket: Socket, asked: string[]): Promise<void> {
  const [, methods = 0] = await take(socket, 2);
  const offered = await take(socket, methods);
  let user = "-";
  if (offered.includes(2)) {
    socket.write(Buffer.of(5, 2));
    const [, length = 0] = await take(socket, 2);
    user = String(await take(socket, length));
    const [secret = 0] = await take(socket, 1);
    user += `:${String(await take(socket, secret))}`;
    socket.write(Buffer.of(1, 0));
  } else socket.write(Buffer.of(5, 0));
  const [, , , kind, length = 0] = await take(socket, 5);
  const host = kind === 3 ? String(await take(socket, length)) : String((await take(socket, 3)) && length);
  const port = (await take(socket, 2)).readUInt16BE();
  asked.push(`${host}:${port} ${user}`);
  socket.write(Buffer.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
  passOn(socket, port);
}

/** RFC 9110 §9.3.6. */
async function http(socket: Socket, asked: string[]): Promise<void> {
  let head = "";
  while (!head.endsWith("\r\n\r\n")) head += String(await take(socket, 1));
  const [, host, port] = /^CONNECT ([^:]+):(\d+) HTTP\/1\.1\r\n/.exec(head) ?? [];
  const [, login] = /^Proxy-Authorization: Basic (\S+)\r$/im.exec(head) ?? [];
  asked.push(`${host}:${port} ${login === undefined ? "-" : String(Buffer.from(login, "base64"))}`);
  socket.write("HTTP/1.1 200 OK\r\n\r\n");
  passOn(socket, Number(port));
}

for (const [scheme, serve] of Object.entries({ socks5, http })) {
  const opened = async (asked: string[]) => {
    const server = await tcpServer((socket) => void serve(socket, asked).catch(() => socket.destroy()));
    return {
      url: `${scheme}://ana:s%C3%A9samo@127.0.0.1:${server.port}`,
      server,
      [Symbol.dispose]: () => server[Symbol.dispose](),
    };
  };

  test(`dial tcp:// through ${scheme}: the proxy resolves the name, and is told who asks`, async () => {
    const asked: string[] = [];
    using proxy = await opened(asked);
    using server = await tcpServer(
      (socket) => void readAll(socket).then((all) => socket.end(`got ${String(all)}`)),
    );
    const place = `behind.example:${server.port}`;
    const { code, stdout, stderr } = await run(`dial tcp://${place} --proxy ${proxy.url}`, "hola");
    assert.deepEqual([code, String(stdout), stderr], [0, "got hola", ""]);
    assert.deepEqual(asked, [`${place} ana:sésamo`]);
  });

  test(`dial tls:// through ${scheme}: TLS is spoken with the server behind it`, async () => {
    const asked: string[] = [];
    using proxy = await opened(asked);
    const { certFile, keyFile } = identity;
    const openssl = spawn("openssl", [
      "s_server",
      "-accept",
      "127.0.0.1:0",
      "-cert",
      certFile,
      "-key",
      keyFile,
      "-rev",
    ]);
    try {
      let said = "";
      while (!/ACCEPT 127\.0\.0\.1:\d+/.test(said)) said += String((await once(openssl.stdout, "data"))[0]);
      const [, port] = /ACCEPT 127\.0\.0\.1:(\d+)/.exec(said) ?? [];
      await using terminal = new Terminal(
        `dial tls://behind.example:${port} --ca ${certFile} --proxy ${proxy.url}`,
      );
      terminal.type("hola\n");
      await terminal.prints(/aloh\n/);
      assert.deepEqual(asked, [`behind.example:${port} ana:sésamo`]);
    } finally {
      openssl.kill();
    }
  });

  test(`dial ws:// through ${scheme}`, async () => {
    const asked: string[] = [];
    using proxy = await opened(asked);
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    server.on("connection", (socket) => socket.on("message", (data) => socket.send(data, { binary: false })));
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const { code, stdout } = await run(`dial ws://behind.example:${port} --proxy ${proxy.url}`, "hola\n");
    server.close();
    assert.deepEqual([code, String(stdout)], [0, "hola\n"]);
    assert.deepEqual(asked, [`behind.example:${port} ana:sésamo`]);
  });

  test(`dial -z through ${scheme} looks whether a port is open from where the proxy stands`, async () => {
    const asked: string[] = [];
    using proxy = await opened(asked);
    using server = await tcpServer((socket) => void socket.end());
    const place = `behind.example:${server.port}`;
    const { code, stdout } = await run(`dial -z tcp://${place} --proxy ${proxy.url}`);
    assert.equal(code, 0);
    assert.match(String(stdout), /"isOpen":true/);
    assert.deepEqual(asked, [`${place} ana:sésamo`]);
  });

  test(`relay to tcp:// through ${scheme}`, async () => {
    const asked: string[] = [];
    using proxy = await opened(asked);
    using server = await tcpServer(
      (socket) => void readAll(socket).then((all) => socket.end(`got ${String(all)}`)),
    );
    const place = `behind.example:${server.port}`;
    await using relay = new Terminal(`relay tcp://127.0.0.1:0 tcp://${place} --proxy ${proxy.url}`);
    const { port } = await relay.listening();
    const nc = spawn("nc", ["-N", "127.0.0.1", String(port)]);
    nc.stdin.end("hola");
    assert.equal(String(await readAll(nc.stdout)), "got hola");
    assert.deepEqual(asked, [`${place} ana:sésamo`]);
  });
}

test("a proxy that is not there, or will not, is one sentence without user and password", async () => {
  using refusing = await tcpServer((socket) => socket.end("HTTP/1.1 403 Forbidden\r\n\r\n"));
  const login = "ana:s%C3%A9samo";
  for (const [proxy, words] of [
    [`http://${login}@127.0.0.1:${refusing.port}`, /403/],
    [`socks5://${login}@127.0.0.1:1`, /connection refused/],
  ] as const) {
    const { code, stdout, stderr } = await run(`dial tcp://behind.example:25 --proxy ${proxy}`);
    assert.deepEqual([code, stdout.length], [1, 0], stderr);
    assert.match(stderr, /^zocalo: cannot connect to tcp:\/\/behind\.example:25: [^\n]+\n$/);
    assert.match(stderr, words);
    assert.doesNotMatch(stderr, /ana|s%C3|sésamo/);
  }
});

test("a --proxy that cannot be meant is exit code 2", async () => {
  for (const [command, words] of [
    [
      "dial udp://localhost:1 --proxy socks5://localhost",
      /--proxy is for tcp:\/\/, tls:\/\/, ws:\/\/ and wss:\/\/, not/,
    ],
    ["dial unix:x --proxy socks5://localhost", /--proxy is for tcp:\/\/, tls:\/\//],
    ["dial tcp://localhost:1 --proxy ftp://ana:secret@localhost", /proxy/],
    ["listen tcp://:0 --proxy socks5://localhost", /unknown option '--proxy'/],
  ] as const) {
    const { code, stderr } = await run(command);
    assert.equal(code, 2, `${command}: ${stderr}`);
    assert.match(stderr, words);
    assert.doesNotMatch(stderr, /secret/);
  }
});
