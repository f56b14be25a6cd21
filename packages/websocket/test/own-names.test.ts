// By which names pages may call a server: the same at every door.
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { HostNames, isSameHost, Upgrader, type UpgraderOptions, WebSocketNetError } from "../src/index.ts";
import { answerOf, DOORS, openDoor } from "./doors.ts";
import { upgradeRequest } from "./peers.ts";

const LINE = "GET /ws HTTP/1.1";

/** An upgrade that names `host`, of a page of `origin`; `null`: of none. */
function upgradeOf(host: string, origin: string | null, firstLine = LINE): string {
  return upgradeRequest({ Host: host, Origin: origin }, firstLine);
}

/** By what a page calls the server, and whether that is a name it knows without being told. */
const onLoopback: readonly (readonly [host: string, isOwn: boolean])[] = [
  ["localhost", true],
  ["localhost:8080", true],
  ["LocalHost.:8080", true],
  ["plaza.localhost", true],
  ["127.0.0.1", true],
  ["127.255.255.255:1", true],
  ["2130706433", true],
  ["[::1]:8080", true],
  ["[0:0::1]", true],
  ["[::ffff:127.0.0.1]", true],
  ["localhost..", false],
  ["notlocalhost", false],
  ["localhost.evil.example", false],
  ["127.0.0.1.evil.example", false],
  ["126.255.255.255", false],
  ["128.0.0.0", false],
  ["0.0.0.0", false],
  ["[::2]", false],
  ["[::ffff:128.0.0.1]", false],
  ["192.0.2.1", false],
  ["evil.example", false],
];

for (const door of DOORS) {
  test(`${door}: over loopback a page calls the server by a name of loopback`, async () => {
    for (const address of ["127.0.0.1", "::1"]) {
      await using server = await openDoor(door, {}, address);
      for (const [host, isOwn] of onLoopback) {
        const { status } = await answerOf(server.port, upgradeOf(host, `http://${host}`), address);
        assert.equal(status, isOwn ? 101 : 403, `${host} at ${address}`);
        // A program says no Origin, and reaches the server by whatever name its operator gave it.
        const program = await answerOf(server.port, upgradeOf(host, null), address);
        assert.equal(program.status, 101, `a program: ${host} at ${address}`);
      }
    }
  });

  test(`${door}: a name that the server was not told is refused, and the message says how to tell it`, async () => {
    await using server = await openDoor(door);
    const words = "evil.example is no name of this server; the option allowedHosts can make it one";
    const { status, text } = await answerOf(server.port, upgradeOf("Evil.example:80", "http://evil.example"));
    assert.equal(status, 403);
    assert.ok(text.endsWith(`\r\n\r\n${words}\n`), text);
    const [error] = server.refused;
    assert.ok(error instanceof WebSocketNetError);
    assert.deepEqual([error.code, error.status], ["refused", 403]);
    assert.equal(error.message, `upgrade refused with 403: ${words}`);
    // As it says:
    await using told = await openDoor(door, { allowedHosts: ["evil.example"] });
    const again = await answerOf(told.port, upgradeOf("Evil.example:80", "http://evil.example"));
    assert.equal(again.status, 101);
  });

  test(`${door}: a name that it was told is its own on every port, and no other`, async () => {
    const allowedHosts = [
      "Chat.Example.org.",
      "*.plaza.example",
      "192.0.2.7",
      "2001:db8::7",
      "señor.example",
    ];
    await using server = await openDoor(door, { allowedHosts });
    for (const [host, origin, status] of [
      ["chat.example.org", "http://chat.example.org", 101],
      ["chat.example.org", "https://chat.example.org", 101],
      ["chat.example.org:8443", "https://chat.example.org:8443", 101],
      ["CHAT.example.org.", "http://chat.example.org.", 101],
      ["xn--seor-hqa.example", "http://xn--seor-hqa.example", 101],
      ["192.0.2.7:1", "http://192.0.2.7:1", 101],
      ["[2001:DB8:0::7]:1", "http://[2001:db8::7]:1", 101],
      ["a.plaza.example", "http://a.plaza.example", 101],
      ["b.a.plaza.example", "http://b.a.plaza.example", 101],
      ["plaza.example", "http://plaza.example", 403],
      ["xplaza.example", "http://xplaza.example", 403],
      ["xchat.example.org", "http://xchat.example.org", 403],
      ["a.chat.example.org", "http://a.chat.example.org", 403],
      ["chat.example.org.evil.example", "http://chat.example.org.evil.example", 403],
      ["192.0.2.8", "http://192.0.2.8", 403],
      ["chat.example.org", "http://chat.example.org:81", 403],
      ["chat.example.org", "http://evil.example", 403],
    ] as const) {
      const answer = await answerOf(server.port, upgradeOf(host, origin));
      assert.equal(answer.status, status, `${host}, ${origin}`);
    }
  });

  test(`${door}: behind a proxy that puts another Host, pages of the public name get in`, async () => {
    await using server = await openDoor(door, { allowedHosts: ["chat.example.org", "*.plaza.example"] });
    for (const [origin, status] of [
      ["https://chat.example.org", 101],
      ["HTTPS://Chat.Example.org", 101],
      ["http://chat.example.org", 101],
      ["https://chat.example.org:8443", 403],
      ["https://chat.example.org.evil.example", 403],
      ["https://chat.example.org@evil.example", 403],
      ["https://chat.example.org/path", 403],
      ["ftp://chat.example.org", 403],
      ["null", 403],
      ["", 403],
      // Pages of names below a domain are not each other's.
      ["https://a.plaza.example", 403],
    ] as const) {
      const answer = await answerOf(server.port, upgradeOf("backend:9000", origin));
      assert.equal(answer.status, status, origin);
    }
    const twice = upgradeRequest(
      { Host: "backend", Origin: ["https://chat.example.org", "https://chat.example.org"] },
      LINE,
    );
    assert.equal((await answerOf(server.port, twice)).status, 403);
  });

  test(`${door}: pages that are refused leave an address its share`, async () => {
    await using server = await openDoor(door, { maxConnectionsPerAddress: 1, exemptAddresses: [] });
    const rebound = upgradeOf("evil.example", "http://evil.example");
    for (let count = 0; count < 3; count++) assert.equal((await answerOf(server.port, rebound)).status, 403);
    assert.equal((await answerOf(server.port, upgradeOf("localhost", "http://localhost"))).status, 101);
  });

  test(`${door}: * takes every name, but of a page only its own`, async () => {
    await using server = await openDoor(door, { allowedHosts: ["*"] });
    assert.equal((await answerOf(server.port, upgradeOf("a.example", "http://a.example"))).status, 101);
    assert.equal((await answerOf(server.port, upgradeOf("a.example", "http://b.example"))).status, 403);
  });

  test(`${door}: a checkOrigin decides alone`, async () => {
    await using old = await openDoor(door, { checkOrigin: isSameHost });
    assert.equal((await answerOf(old.port, upgradeOf("a.example", "http://a.example"))).status, 101);
    await using strict = await openDoor(door, { checkOrigin: () => false, allowedHosts: ["a.example"] });
    const { status, text } = await answerOf(strict.port, upgradeOf("a.example", "http://a.example"));
    assert.deepEqual([status, text.endsWith("\r\n\r\norigin not allowed\n")], [403, true]);
  });

  test(`${door}: the host of a target in absolute form wins over Host`, async () => {
    const seen: unknown[] = [];
    await using server = await openDoor(door, {
      authorize({ url, headers, headersDistinct, rawHeaders }) {
        const at = rawHeaders.findIndex((name) => /^host$/i.test(name));
        seen.push([url, headers.host, headersDistinct["host"], rawHeaders[at + 1]]);
      },
    });
    for (const [target, host, origin, status] of [
      ["http://localhost/ws", "evil.example", "http://localhost", 101],
      ["http://localhost:81/ws", "localhost", "http://localhost:81", 101],
      ["HTTPS://LOCALHOST/ws?a=/b", "proxy.example", null, 101],
      ["ws://[::1]:80/ws", "proxy.example", "http://[::1]", 101],
      ["wss://a.example:65535/ws", "proxy.example", null, 101],
      // A page that was rebound, and a proxy that says so; or one that was not.
      ["http://evil.example/ws", "localhost", "http://evil.example", 403],
      ["http://evil.example/ws", "localhost", "http://localhost", 403],
      ["http://localhost/ws", "evil.example", "http://evil.example", 403],
      // RFC 9110 §4.2.4: a user in it is a fault.
      ["http://user@localhost/ws", "localhost", null, 400],
      ["http:///ws", "localhost", null, 400],
      ["http://localhost:655350/ws", "localhost", null, 400],
      ["http://a,b[/ws", "localhost", null, 400],
      // RFC 9112 §3.2: Host has to be there, once, and valid, all the same.
      ["http://localhost/ws", "a/b", null, 400],
      ["http://localhost/ws", "", null, 400],
    ] as const) {
      const request = upgradeOf(host, origin, `GET ${target} HTTP/1.1`);
      const answer = await answerOf(server.port, request);
      assert.equal(answer.status, status, `${target}, Host: ${host}, Origin: ${origin}`);
    }
    for (const hosts of [null, ["localhost", "localhost"]]) {
      const request = upgradeRequest({ Host: hosts }, "GET http://localhost/ws HTTP/1.1");
      assert.equal((await answerOf(server.port, request)).status, 400);
    }
    assert.deepEqual(
      seen,
      [
        ["/ws", "localhost"],
        ["/ws", "localhost:81"],
        ["/ws?a=/b", "LOCALHOST"],
        ["/ws", "[::1]:80"],
        ["/ws", "a.example:65535"],
      ].map(([url, host]) => [url, host, [host], host]),
    );
  });
}

test("listen: what is no upgrade gets 426, and 400 if Host is repeated or malformed (RFC 9112 §3.2)", async () => {
  await using server = await openDoor("listen");
  for (const [hosts, status] of [
    ["localhost", 426],
    ["evil.example", 426],
    ["localhost\r\nHost: localhost", 400],
    ["a/b", 400],
    ["", 400],
  ] as const) {
    const { status: said } = await answerOf(
      server.port,
      `${LINE}\r\nHost: ${hosts}\r\nConnection: close\r\n\r\n`,
    );
    assert.equal(said, status, hosts);
  }
});

test("what can be no name in DNS is not offered to be told", async () => {
  await using server = await openDoor("listen");
  const longest = `${"a.".repeat(126)}a`;
  assert.equal(longest.length, 253);
  for (const [host, isOffered] of [
    [longest, true],
    [`${longest}b`, false],
    ["$(reboot)", false],
    ["a;b", false],
    ["a'b", false],
    ["-a.example", false],
    ["a..example", false],
    ["a.example..", false],
    ["192.0.2.1", true],
    ["[2001:db8::1]", true],
  ] as const) {
    const { status, text } = await answerOf(server.port, upgradeOf(host, `http://${host}`));
    assert.deepEqual([host, status, text.includes("allowedHosts")], [host, 403, isOffered]);
    const [, name = ""] = /\r\n\r\n(\S+) is no name/.exec(text) ?? [];
    assert.equal(HostNames.isAllowable(name), isOffered, name);
  }
});

test("a name that a server listens on is told; an address, nothing and a pattern are not", () => {
  const told = ["a.example"];
  assert.deepEqual(HostNames.ofListener("Square.example.", told), ["a.example", "square.example"]);
  for (const host of ["", "0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "*", "*.example.org", "a b"]) {
    assert.deepEqual(HostNames.ofListener(host, told), told, host);
  }
  assert.deepEqual(HostNames.ofListener("::"), []);
});

test("isSameHost: a target in absolute form says whom the request is for", () => {
  const request = { httpVersionMajor: 1, httpVersionMinor: 1, url: "http://localhost/ws" };
  for (const [origin, isSame] of [
    ["http://localhost", true],
    ["http://evil.example", false],
  ] as const) {
    assert.equal(isSameHost({ ...request, rawHeaders: ["Host", "evil.example", "Origin", origin] }), isSame);
  }
});

test("what is no host name is refused as an argument", () => {
  const wrong = [
    "",
    " ",
    "a b",
    "http://a",
    "a/b",
    "a:80",
    "[::1]:80",
    "user@a",
    "*.",
    "*a",
    "a.*",
    "*.192.0.2.1",
  ];
  for (const host of wrong) {
    assert.equal(HostNames.isAllowable(host), false, host);
    assert.throws(() => new Upgrader({ allowedHosts: ["a", host] }), {
      code: "invalid_argument",
      message: `allowedHosts has ${JSON.stringify(host)}, which is not a host name or an address without a port, "*.example.org" or "*"`,
    });
  }
  for (const host of ["a", "a.", "*", "*.a", "::1", "[::1]", "127.1", "ñ.example", "a_b"]) {
    assert.equal(HostNames.isAllowable(host), true, host);
  }
});

const program = fileURLToPath(new URL("./own-names-lan.ts", import.meta.url));

/** A network of its own, which needs no root where users may make some, with an address of each family that is not loopback (RFC 5737, RFC 3849). */
const inside = [
  "-rn",
  "sh",
  "-c",
  'ip link set lo up && ip addr add 192.0.2.2/32 dev lo && ip addr add 2001:db8::2/128 dev lo nodad && exec "$@"',
  "sh",
];
const hasNamespaces = process.platform === "linux" && spawnSync("unshare", [...inside, "true"]).status === 0;
const skip = hasNamespaces ? false : "no network namespace can be made here";

test("on an address of the network a page calls the server by that address, or by a name that it was told", {
  skip,
}, async () => {
  const node = [process.execPath, ...process.execArgv.filter((arg) => !arg.startsWith("--test")), program];
  const { stdout } = await promisify(execFile)("unshare", [...inside, ...node], {
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  });
  const outcomes = JSON.parse(stdout) as readonly (readonly [string, number])[];
  assert.equal(outcomes.length, 2 * (DOORS.length + 1) * 9);
  for (const [what, status] of outcomes) {
    const isOwn = /: (?:its address|told)$/.test(what);
    assert.equal(status, isOwn || what.endsWith("a program") ? 101 : 403, what);
  }
});

test("options that are of another kind are refused: a text in place of a list would be the list of its letters", () => {
  for (const options of [
    { allowedHosts: "localhost" },
    { allowedHosts: "*" },
    { checkOrigin: "https://example.org" },
    { authorize: true },
  ]) {
    assert.throws(() => new Upgrader(options as unknown as UpgraderOptions), { code: "invalid_argument" });
  }
});
