// `dial("tcp" | "tls")` through proxies: servers of Debian, and hand-written ones that do not behave.
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect as nodeConnect, createServer, Socket } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { after, test, type TestContext } from "node:test";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import { inspect } from "node:util";
import { TestCertificates } from "@zocalo/integrity";
import { type Conn, dial, listen, NetError, type TlsDialOptions } from "@zocalo/net";

const certificates = new TestCertificates();
const directory = mkdtempSync(join(tmpdir(), "zocalo-proxies-"));
after(() => {
  certificates.remove();
  rmSync(directory, { recursive: true });
});

const USER = "ana";
const PASSWORD = "s/ésamo:1";
/** The servers' own files know no escapes. */
const PLAIN_PASSWORD = "sesamo1";
const LOGIN = `${USER}:${encodeURIComponent(PASSWORD)}`;

async function echoing(network: "tcp" | "tls" = "tcp", host = "127.0.0.1") {
  const { cert, key } = certificates.issue("localhost", ["localhost"]);
  const listener = await (network === "tcp"
    ? listen("tcp", `${host}:0`)
    : listen("tls", `${host}:0`, { cert, key }));
  void (async () => {
    for await (const conn of listener) conn.serve({ data: (bytes) => conn.write(bytes) });
  })();
  assert.ok("port" in listener.addr);
  return { port: listener.addr.port, [Symbol.asyncDispose]: () => listener.abort() };
}

function closed(sockets: Iterable<Socket>): Promise<unknown> {
  const over = (socket: Socket) =>
    new Promise<void>((resolve) => (socket.closed ? resolve() : socket.once("close", () => resolve())));
  return Promise.all([...sockets].map(over));
}

/** A proxy written here: told of each connection, and of each portion of bytes. */
async function handmade(serve: (socket: Socket, portion: AsyncIterator<Buffer>) => Promise<void> | void) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    const portions = socket.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
    void (async () => serve(socket, portions))().catch(() => socket.destroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    open: sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

async function next(portions: AsyncIterator<Buffer>): Promise<Buffer> {
  const { value, done } = await portions.next();
  return done ? Buffer.alloc(0) : value;
}

async function echoesOnce(conn: Conn): Promise<void> {
  const sent = Buffer.alloc(300_000, "hola");
  const received = conn.readFull(sent.length);
  await conn.write(sent);
  const echoed = await received;
  assert.ok(echoed !== null && sent.equals(echoed));
}

async function echoes(conn: Conn): Promise<void> {
  await echoesOnce(conn);
  await conn.closeWrite();
  assert.equal(await conn.read(), null);
  await conn.close();
}

/** An error, its causes and all its fields hold nothing of user and password. */
function hidesSecrets(error: unknown): void {
  const whole = inspect(error, { depth: 9, showHidden: true });
  const basic = Buffer.from(`${USER}:${PASSWORD}`).toString("base64");
  for (const secret of [PASSWORD, encodeURIComponent(PASSWORD), basic]) {
    assert.ok(!whole.includes(secret), whole);
  }
}

async function fails(dialed: Promise<Conn>, code: string, message: RegExp): Promise<void> {
  await assert.rejects(dialed, (error: unknown) => {
    assert.ok(error instanceof NetError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    hidesSecrets(error);
    return true;
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Waits until somebody listens, by trying: there is nothing else by which a foreign proxy tells. */
async function listening(port: number, child: ChildProcess): Promise<void> {
  for (;;) {
    assert.equal(child.exitCode, null, "the proxy has ended");
    const socket = nodeConnect(port, "127.0.0.1");
    const isThere = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    });
    socket.destroy();
    if (isThere) return;
  }
}

function isInstalled(program: string): boolean {
  return spawnSync("which", [program], { env: { PATH: `${process.env["PATH"]}:/usr/sbin` } }).status === 0;
}

interface ForeignProxy {
  readonly program: string;
  readonly scheme: "socks5" | "http";
  start(port: number, withLogin: boolean): string[];
}

const foreign: readonly ForeignProxy[] = [
  {
    program: "microsocks",
    scheme: "socks5",
    start: (port, withLogin) => [
      ...["-i", "127.0.0.1", "-p", String(port)],
      ...(withLogin ? ["-u", USER, "-P", PLAIN_PASSWORD] : []),
    ],
  },
  {
    program: "tinyproxy",
    scheme: "http",
    start(port, withLogin) {
      const file = join(directory, `tinyproxy-${port}.conf`);
      const login = withLogin ? `BasicAuth ${USER} ${PLAIN_PASSWORD}\n` : "";
      writeFileSync(file, `Port ${port}\nListen 127.0.0.1\nAllow 127.0.0.1\nTimeout 60\n${login}`);
      return ["-d", "-c", file];
    },
  },
  {
    // Its users are the system's, so it is tried without a login.
    program: "danted",
    scheme: "socks5",
    start(port) {
      const file = join(directory, `danted-${port}.conf`);
      const rule = "{ from: 0/0 to: 0/0 }";
      const { username } = userInfo();
      writeFileSync(
        file,
        `internal: 127.0.0.1 port = ${port}\nexternal: lo\nsocksmethod: none\nclientmethod: none\nuser.privileged: ${username}\n` +
          `user.unprivileged: ${username}\nclient pass ${rule}\nsocks pass ${rule}\n`,
      );
      return ["-f", file];
    },
  },
];

async function started(proxy: ForeignProxy, withLogin: boolean) {
  const port = await freePort();
  const env = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin` };
  const child = spawn(proxy.program, proxy.start(port, withLogin), { stdio: "ignore", env });
  await listening(port, child);
  return {
    port,
    async [Symbol.asyncDispose]() {
      child.kill();
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    },
  };
}

for (const proxy of foreign) {
  const skip = !isInstalled(proxy.program) && `${proxy.program} is not installed`;
  for (const withLogin of proxy.program === "danted" ? [false] : [false, true]) {
    const how = withLogin ? "with user and password" : "without a login";
    test(`${proxy.program}, ${how}: tcp and tls, by name and by address`, { skip }, async () => {
      await using running = await started(proxy, withLogin);
      const url = `${proxy.scheme}://${withLogin ? `${USER}:${PLAIN_PASSWORD}@` : ""}127.0.0.1:${running.port}`;
      await using plain = await echoing();
      await using secure = await echoing("tls");
      for (const host of ["127.0.0.1", "localhost"]) {
        const conn = await dial("tcp", `${host}:${plain.port}`, { proxy: url });
        assert.equal(String(conn.remoteAddr), `${host}:${plain.port}`);
        await echoes(conn);
      }
      const conn = await dial("tls", `localhost:${secure.port}`, { proxy: url, ca: certificates.ca.cert });
      assert.equal(conn.tls?.serverName, "localhost");
      await echoesOnce(conn); // tinyproxy closes both ways at the end of one, before TLS has ended.
      await conn.close();
    });
  }

  test(`${proxy.program}: nobody listens where it shall connect`, { skip }, async () => {
    await using running = await started(proxy, false);
    const nobody = await freePort();
    const [code, words] =
      proxy.scheme === "socks5" ? ["refused", "connection refused"] : ["proxy_refused", String.raw`50\d .*`];
    const message = new RegExp(
      `^dial tcp 127\\.0\\.0\\.1:${nobody}: proxy 127\\.0\\.0\\.1:\\d+ answered ${words} to CONNECT 127\\.0\\.0\\.1:${nobody}$`,
    );
    await fails(
      dial("tcp", `127.0.0.1:${nobody}`, { proxy: `${proxy.scheme}://127.0.0.1:${running.port}` }),
      code,
      message,
    );
  });

  if (proxy.program === "danted") continue;
  test(`${proxy.program}: a wrong password is refused, and told to nobody`, { skip }, async () => {
    await using running = await started(proxy, true);
    const url = `${proxy.scheme}://${USER}:wr%40ng-${encodeURIComponent(PASSWORD)}@127.0.0.1:${running.port}`;
    const words = proxy.scheme === "socks5" ? /answered wrong user or password to/ : /answered 40[17] .* to/;
    await fails(dial("tcp", "127.0.0.1:9", { proxy: url }), "proxy_refused", words);
    const anonymous = `${proxy.scheme}://127.0.0.1:${running.port}`;
    await fails(
      dial("tcp", "127.0.0.1:9", { proxy: anonymous }),
      "proxy_refused",
      /answered (log in first|40[17])/,
    );
  });
}

/** What a SOCKS proxy is asked, for one target. */
async function askedOf(host: string, port: number): Promise<Buffer> {
  let request: Buffer = Buffer.alloc(0);
  await using proxy = await handmade(async (socket, portions) => {
    await next(portions);
    socket.write(Uint8Array.of(5, 0));
    request = await next(portions);
    socket.write(Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
  });
  const conn = await dial("tcp", `${host}:${port}`, { proxy: `socks5h://127.0.0.1:${proxy.port}` });
  conn.abort();
  return request;
}

for (const [host, address] of [
  ["192.0.2.7", "01c0000207"],
  ["[2001:db8::5:1]", "0420010db8000000000000000000050001"],
  ["[::ffff:192.0.2.7]", "0400000000000000000000ffffc0000207"],
  ["[::]", `04${"00".repeat(16)}`],
  ["Example.org", `030b${Buffer.from("example.org").toString("hex")}`],
  ["bücher.example", `0315${Buffer.from("xn--bcher-kva.example").toString("hex")}`],
] as const) {
  test(`SOCKS is asked for ${host} as RFC 1928 §4 has it`, async () => {
    assert.equal((await askedOf(host, 0x1234)).toString("hex"), `050100${address}1234`);
  });
}

test("SOCKS: user and password are sent only to a proxy that asks for them, in one message", async () => {
  const seen: string[] = [];
  for (const method of [0, 2]) {
    await using proxy = await handmade(async (socket, portions) => {
      seen.push((await next(portions)).toString("hex"));
      socket.write(Uint8Array.of(5, method));
      const second = await next(portions);
      seen.push(second.toString("hex"));
      if (method === 2) {
        socket.write(Uint8Array.of(1, 0));
        await next(portions);
      }
      socket.write(Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
    });
    const conn = await dial("tcp", "192.0.2.7:80", { proxy: `socks5://${LOGIN}@127.0.0.1:${proxy.port}` });
    conn.abort();
  }
  const password = Buffer.from(PASSWORD);
  const login = Buffer.concat([
    Uint8Array.of(1, 3),
    Buffer.from(USER),
    Uint8Array.of(password.length),
    password,
  ]);
  const request = "05010001c00002070050";
  assert.deepEqual(seen, ["05020002", request, "05020002", login.toString("hex")]);
});

const granted = {
  socks5: Buffer.of(5, 0, 0, 3, 4, ...Buffer.from("host"), 0, 80),
  http: Buffer.from("HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nVia: x\r\n\r\n"),
} as const;

for (const scheme of ["socks5", "http"] as const) {
  for (const how of ["in one portion", "byte by byte"] as const) {
    test(`${scheme}: bytes behind the answer, ${how}, are the server's first`, async () => {
      await using proxy = await handmade(async (socket, portions) => {
        await next(portions);
        if (scheme === "socks5") {
          socket.write(Uint8Array.of(5, 0));
          await next(portions);
        }
        const all = Buffer.concat([granted[scheme], Buffer.from("220 hola\r\n")]);
        if (how === "in one portion") socket.write(all);
        else {
          for (const byte of all) {
            await new Promise((written) => socket.write(Buffer.of(byte), written));
            await new Promise(setImmediate);
          }
        }
        socket.end((await next(portions)).toString().toUpperCase());
      });
      const conn = await dial("tcp", "mail.example:25", { proxy: `${scheme}://127.0.0.1:${proxy.port}` });
      assert.equal(String(await conn.readFull(10)), "220 hola\r\n");
      await conn.write(Buffer.from("quit"));
      assert.equal(String(await conn.read()), "QUIT");
      assert.equal(await conn.read(), null);
      await conn.close();
    });
  }

  test(`${scheme}: silence, for as long as it may last, and a signal`, async () => {
    await using proxy = await handmade(() => undefined);
    const url = `${scheme}://${LOGIN}@127.0.0.1:${proxy.port}`;
    await fails(
      dial("tcp", "x.example:1", { proxy: url, proxyTimeoutMs: 20 }),
      "timeout",
      /proxy 127\.0\.0\.1:\d+ did not answer within 20 ms$/,
    );
    await fails(
      dial("tcp", "x.example:1", { proxy: url, deadline: Date.now() + 20 }),
      "timeout",
      /i\/o timeout/,
    );
    const controller = new AbortController();
    await using asked = await handmade((socket) => {
      socket.once("data", () => {
        socket.pause();
        controller.abort();
      });
    });
    const there = `${scheme}://${LOGIN}@127.0.0.1:${asked.port}`;
    const dialing = dial("tls", "x.example:1", { proxy: there, signal: controller.signal });
    await fails(dialing, "canceled", /operation canceled/);
    for (const socket of [...proxy.open, ...asked.open]) socket.resume();
    await closed([...proxy.open, ...asked.open]);
  });
}

const chosen = Buffer.of(5, 0);
for (const [what, answers, code, message] of [
  ["speaks SOCKS 4", [Buffer.of(0, 90)], "bad_frame", /as SOCKS 5 says: its answer begins with 0, and not 5/],
  ["speaks HTTP", [Buffer.from("HTTP/1.1 400 Bad\r\n\r\n")], "bad_frame", /begins with 72, and not 5/],
  ["accepts no method", [Buffer.of(5, 0xff)], "proxy_refused", /answered another way to log in is needed to/],
  ["chooses a method that was not offered", [Buffer.of(5, 1)], "bad_frame", /chose method 1, which was not/],
  [
    "answers before it is asked",
    [Buffer.concat([chosen, granted.socks5])],
    "bad_frame",
    /more than it was asked for/,
  ],
  [
    "refuses the login",
    [Buffer.of(5, 2), Buffer.of(1, 1)],
    "proxy_refused",
    /answered wrong user or password to/,
  ],
  [
    "answers the login in another version",
    [Buffer.of(5, 2), Buffer.of(5, 0)],
    "bad_frame",
    /begins with 5, and not 1/,
  ],
  ["fails", [chosen, Buffer.of(5, 1)], "proxy_refused", /answered general failure to CONNECT x\.example:80$/],
  ["has a rule", [chosen, Buffer.of(5, 2)], "proxy_refused", /answered connection not allowed to/],
  ["has no network", [chosen, Buffer.of(5, 3)], "network_unreachable", /network is unreachable/],
  ["has no route", [chosen, Buffer.of(5, 4)], "host_unreachable", /no route to host/],
  ["finds nobody", [chosen, Buffer.of(5, 5)], "refused", /answered connection refused to/],
  ["fails as nobody knows", [chosen, Buffer.of(5, 0x77)], "proxy_refused", /answered failure 119 to/],
  [
    "answers an unknown address",
    [chosen, Buffer.of(5, 0, 0, 9, 9)],
    "bad_frame",
    /address type 9 is unknown/,
  ],
  [
    "ends within a name",
    [chosen, Buffer.of(5, 0, 0, 3, 255, 1)],
    "end_of_stream",
    /closed the connection before/,
  ],
  ["ends at once", [], "end_of_stream", /closed the connection before it answered CONNECT x\.example:80$/],
] as const) {
  test(`a SOCKS proxy that ${what}: one sentence says so, and the connection is closed`, async () => {
    await using proxy = await handmade(async (socket, portions) => {
      for (const answer of answers) {
        await next(portions);
        socket.write(answer);
      }
      socket.end();
      for await (const _ of { [Symbol.asyncIterator]: () => portions });
    });
    const url = `socks5://${LOGIN}@127.0.0.1:${proxy.port}`;
    await fails(dial("tcp", "x.example:80", { proxy: url }), code, message);
    await closed(proxy.open);
  });
}

const basic = Buffer.from(`${USER}:${PASSWORD}`).toString("base64");
for (const [what, answer, code, message] of [
  ["asks for a login", "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "proxy_refused", /407 Proxy/],
  ["repeats the login", `HTTP/1.1 407 no ${basic}\r\n\r\n`, "proxy_refused", /answered 407 … to CONNECT/],
  ["switches protocols", "HTTP/1.1 101 X\r\n\r\n", "proxy_refused", /answered 101 X to/],
  ["has no end of interim answers", "HTTP/1.1 103 E\r\n\r\n".repeat(17), "bad_frame", /more than 16 interim/],
  [
    "has no end of its head",
    `HTTP/1.1 200 OK\r\nVia: ${"x".repeat(20_000)}`,
    "bad_frame",
    /longer than 16384/,
  ],
  ["speaks SOCKS", "\u0005\u0000", "bad_frame", /as HTTP says: this is not HTTP\/1/],
  ["ends in the middle", "HTTP/1.1 200", "end_of_stream", /closed the connection before it answered/],
  ["commands a terminal", "HTTP/1.1 403 \u0080\u009b2J\r\n\r\n", "proxy_refused", /403 \\x80\\x9b2J to/],
] as const) {
  test(`an HTTP proxy that ${what}: one sentence says so`, async () => {
    await using proxy = await handmade(async (socket, portions) => {
      await next(portions);
      socket.end(Buffer.from(answer, "latin1"));
    });
    const url = `http://${LOGIN}@127.0.0.1:${proxy.port}`;
    await fails(dial("tcp", "x.example:80", { proxy: url }), code, message);
  });
}

test("a proxy that floods instead of answering is cut off after its bound", async () => {
  for (const [scheme, flood] of [
    ["http", "HTTP/1.1 200 OK\r\n" + "Via: x\r\n".repeat(1000)],
    ["socks5", "\u0005"],
  ] as const) {
    let written = 0;
    await using proxy = await handmade((socket) => {
      const more = (): void => {
        if (socket.destroyed || written > 50_000_000) return;
        written += flood.length;
        if (socket.write(flood, "latin1")) setImmediate(more);
        else socket.once("drain", more);
      };
      more();
      socket.resume();
    });
    await fails(
      dial("tcp", "x.example:80", { proxy: `${scheme}://127.0.0.1:${proxy.port}` }),
      "bad_frame",
      /longer than|more than|chose method 5|malformed/,
    );
    await closed(proxy.open);
    assert.ok(written < 50_000_000);
  }
});

test("a proxy that resets, and one that is not there, are named", async () => {
  await using proxy = await handmade(async (socket, portions) => {
    await next(portions);
    socket.resetAndDestroy();
  });
  const url = `socks5://${LOGIN}@127.0.0.1:${proxy.port}`;
  await fails(
    dial("tcp", "x.example:80", { proxy: url }),
    "reset",
    /^dial tcp x\.example:80: the connection to proxy 127\.0\.0\.1:\d+ broke before CONNECT x\.example:80 was answered: connection reset by peer$/,
  );
  const nobody = await freePort();
  await fails(
    dial("tls", "x.example:80", { proxy: `http://${LOGIN}@127.0.0.1:${nobody}` }),
    "refused",
    new RegExp(
      `^dial tls x\\.example:80: cannot connect to proxy 127\\.0\\.0\\.1:${nobody}: connection refused$`,
    ),
  );
});

test("the resolver and the local address are for the way to the proxy; the name goes to the proxy", async () => {
  const resolved: string[] = [];
  let from: string | undefined;
  let head = "";
  await using proxy = await handmade(async (socket, portions) => {
    from = socket.remoteAddress;
    head = String(await next(portions));
    socket.write(granted.http);
  });
  const conn = await dial("tcp", "only-there.example:80", {
    proxy: `http://proxy.example:${proxy.port}`,
    localAddress: "127.0.0.9:0",
    resolver: async (host) => {
      resolved.push(host);
      return ["127.0.0.1"];
    },
  });
  assert.equal(head, "CONNECT only-there.example:80 HTTP/1.1\r\nHost: only-there.example:80\r\n\r\n");
  assert.deepEqual(resolved, ["proxy.example"]);
  assert.equal(from, "127.0.0.9");
  assert.match(String(conn.localAddr), /^127\.0\.0\.9:\d+$/);
  conn.abort();
});

for (const [proxy, fault] of [
  ["", /this is not a URL/],
  ["127.0.0.1:1080", /this is not a URL|a scheme and \/\//],
  [`${USER}:${PASSWORD}@127.0.0.1:1080`, /a scheme and \/\//],
  ["socks4://127.0.0.1", /its scheme is "socks4"/],
  ["ftp://127.0.0.1", /its scheme is "ftp"/],
  [`socks5://${LOGIN}@127.0.0.1/path`, /a path, a query or a fragment/],
  [`http://${LOGIN}@127.0.0.1?x`, /a path, a query or a fragment/],
  [`http:${LOGIN}@127.0.0.1`, /does not begin with a scheme and \/\//],
  ["socks5://", /not a URL|no host/],
  ["socks5://127.0.0.1:0", /its port is 0/],
  ["socks5://127.0.0.1:99999", /not a URL/],
  [`socks5://:${encodeURIComponent(PASSWORD)}@127.0.0.1`, /a password without a user/],
  [`socks5://${"u".repeat(256)}:x@127.0.0.1`, /more than 255 bytes/],
  [`socks5://u:${encodeURIComponent("é".repeat(128))}@127.0.0.1`, /more than 255 bytes/],
  ["http://a%3ab:c@127.0.0.1", /the user has a colon/],
  ["http://%zz:c@127.0.0.1", /not a URL/],
  [{ href: "http://127.0.0.1" }, /proxy is of type object, and not a URL/],
  [null, /proxy is null/],
] as const) {
  test(`dial refuses the proxy ${JSON.stringify(proxy)}, and shows no secret`, async () => {
    const options: object = { proxy };
    await fails(dial("tcp", "127.0.0.1:9", options), "invalid_argument", fault);
    await fails(dial("tls", "127.0.0.1:9", options), "invalid_argument", fault);
  });
}

test("user and password of 255 bytes each are taken", async () => {
  let login: Buffer = Buffer.alloc(0);
  await using proxy = await handmade(async (socket, portions) => {
    await next(portions);
    socket.write(Uint8Array.of(5, 2));
    login = await next(portions);
    socket.end(Uint8Array.of(1, 1));
  });
  const url = `socks5://${"u".repeat(255)}:${"p".repeat(255)}@127.0.0.1:${proxy.port}`;
  await fails(dial("tcp", "127.0.0.1:9", { proxy: url }), "proxy_refused", /wrong user or password/);
  assert.equal(String(login), `\u0001\ufffd${"u".repeat(255)}\ufffd${"p".repeat(255)}`);
});

test("what a proxy cannot be told is refused before anybody connects", async () => {
  await using proxy = await handmade(() => undefined);
  const options = { proxy: `socks5://127.0.0.1:${proxy.port}` };
  await fails(
    dial("tcp", ":80", options),
    "invalid_address",
    /an address without a host means nothing to a proxy/,
  );
  await fails(
    dial("tcp", "[fe80::1%lo]:80", options),
    "invalid_address",
    /the host "fe80::1%lo" means nothing/,
  );
  await fails(dial("tcp4", "127.0.0.1:80", options), "invalid_argument", /use "tcp"/);
  await fails(dial("tcp6", "[::1]:80", options), "invalid_argument", /use "tcp"/);
  assert.equal(proxy.open.size, 0);
  const wrong: object = { ...options, proxyTimeoutMs: 0 };
  await fails(dial("tcp", "x.example:80", wrong), "invalid_argument", /proxyTimeoutMs 0 is not from 1 to/);
  const unix: object = options;
  await fails(dial("unix", "/nowhere", unix), "invalid_argument", /has no option "proxy"/);
});

/** An `https:` proxy written here: told of each CONNECT, and has both sides of its tunnel. */
async function secured(t: TestContext, tunnel: (inner: TLSSocket, outer: Socket) => void = pipeBoth) {
  const { cert, key } = certificates.issue("proxy", ["127.0.0.1"]);
  const sockets = new Set<Socket>();
  const asked: string[] = [];
  const server = createTlsServer({ cert, key, allowHalfOpen: true }, (inner) => {
    inner.once("data", (head: Buffer) => {
      asked.push(String(head));
      const port = Number(/^CONNECT [^ ]*:(\d+) /.exec(String(head))?.[1]);
      const outer = nodeConnect({ port, host: "127.0.0.1", allowHalfOpen: true }, () => {
        inner.write(granted.http);
        tunnel(inner, outer);
      });
      sockets.add(outer.on("error", () => inner.destroy()));
    });
    inner.on("error", () => undefined);
  });
  server.on("connection", (socket) => sockets.add(socket.on("error", () => undefined)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { asked, proxy: `https://${LOGIN}@127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function pipeBoth(one: Socket, other: Socket): void {
  one.pipe(other).pipe(one);
}

function dialOn(network: "tcp" | "tls", address: string, options: TlsDialOptions): Promise<Conn> {
  return network === "tcp" ? dial("tcp", address, options) : dial("tls", address, options);
}

const proxyTls = { ca: certificates.ca.cert };

for (const network of ["tcp", "tls"] as const) {
  test(`dial("${network}") goes through an https: proxy, whose certificate is its own`, async (t) => {
    await using server = await echoing(network);
    const { asked, proxy } = await secured(t);
    const options = { proxy, proxyTls, ...(network === "tls" ? { ca: certificates.ca.cert } : {}) };
    const conn = await dialOn(network, `localhost:${server.port}`, options);
    assert.equal(String(conn.remoteAddr), `localhost:${server.port}`);
    assert.equal(conn.tls?.peerCertificate?.subject.CN, network === "tls" ? "localhost" : undefined);
    await echoes(conn);
    const login = Buffer.from(`${USER}:${PASSWORD}`).toString("base64");
    assert.equal(asked.length, 1);
    assert.match(asked[0] ?? "", /^CONNECT localhost:/);
    assert.ok(asked[0]?.includes(`Basic ${login}`));
  });

  test(`dial("${network}") trusts no https: proxy by what it trusts the server with`, async (t) => {
    const { asked, proxy } = await secured(t);
    const options = network === "tls" ? { ca: certificates.ca.cert } : {};
    const dialed = dialOn(network, "localhost:9", { proxy, ...options });
    const told = new RegExp(
      `^dial ${network} localhost:9: TLS with proxy 127\\.0\\.0\\.1:\\d+ failed: .*(?:verify|issuer)`,
    );
    await fails(dialed, "tls", told);
    assert.deepEqual(asked, []);
  });

  test(`an https: proxy that cuts the tunnel of dial("${network}") is not taken for the server's end`, async (t) => {
    await using server = await echoing(network);
    for (const cut of ["in order", "below TLS"]) {
      let tunnel: TLSSocket | undefined;
      const { proxy } = await secured(t, (inner, outer) => {
        tunnel = inner;
        inner.pipe(outer).pipe(inner, { end: false });
      });
      const options = { proxy, proxyTls, ...(network === "tls" ? { ca: certificates.ca.cert } : {}) };
      const conn = await dialOn(network, `localhost:${server.port}`, options);
      await echoesOnce(conn);
      const reading = conn.read();
      const below: unknown = tunnel && Reflect.get(tunnel, "_parent");
      if (cut === "below TLS" && below instanceof Socket) below.end();
      else tunnel?.end();
      // What the proxy ends in order over TLS is, without TLS behind it, all that can be known of an end.
      if (network === "tcp" && cut === "in order") assert.equal(await reading, null);
      else await assert.rejects(reading, { code: "truncated" }, cut);
      conn.abort();
    }
  });
}

test("a signal ends the handshake with an https: proxy that says nothing", async () => {
  const controller = new AbortController();
  await using proxy = await handmade(() => controller.abort());
  const url = `https://${LOGIN}@127.0.0.1:${proxy.port}`;
  await fails(dial("tcp", "x.example:80", { proxy: url, signal: controller.signal }), "canceled", /canceled/);
  await closed(proxy.open);
});

test("an https: proxy has as long for the handshake as proxyTls says, and no more", async () => {
  await using proxy = await handmade((socket) => void socket.resume());
  const options = { proxy: `https://127.0.0.1:${proxy.port}`, proxyTls: { handshakeTimeoutMs: 1 } };
  const dialed = dial("tls", "x.example:80", options);
  await fails(
    dialed,
    "timeout",
    /TLS with proxy 127\.0\.0\.1:\d+ failed: the TLS handshake was not over within 1 ms/,
  );
  await closed(proxy.open);
});

test("names and values of proxyTls are checked", async () => {
  for (const [wrong, message] of [
    [{ caa: "" }, /proxyTls has no option "caa"/],
    [{ dangerouslyAcceptTruncation: true }, /proxyTls has no option "dangerouslyAcceptTruncation"/],
    [{ ca: 1 }, /ca is of type number/],
    [true, /proxyTls is of type boolean/],
  ] as const) {
    const options: object = { proxyTls: wrong };
    await fails(dial("tcp", "127.0.0.1:9", options), "invalid_argument", message);
    await fails(dial("tls", "127.0.0.1:9", options), "invalid_argument", message);
  }
});
