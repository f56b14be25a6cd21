// `dial("tcp" | "tls")` through proxies written by hand, which do not always behave. Those of Debian:
// `proxy-programs.test.ts`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { dial } from "@zocalo/net";
import { basic, closed, fails, freePort, granted, handmade, LOGIN, PASSWORD, USER } from "./proxies.ts";

async function next(portions: AsyncIterator<Buffer>): Promise<Buffer> {
  const { value, done } = await portions.next();
  return done ? Buffer.alloc(0) : value;
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
  await fails(dial("tcp", "x.example:80", wrong), "invalid_argument", /proxyTimeoutMs 0 is not a number of/);
  const unix: object = options;
  await fails(dial("unix", "/nowhere", unix), "invalid_argument", /has no option "proxy"/);
});
