import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { ipAddr, joinHostPort, packed, pipeAddr, unixAddr, unpacked } from "./addr.ts";
import { NetError } from "./error.ts";
import { parseServices, servicePort } from "./services.ts";
import { parseAddr, splitHostPort } from "./parse-addr.ts";

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof NetError, String(error));
    return error.code;
  }
  return "no error";
}

test("addresses are read as Go writes them", () => {
  const cases: [Parameters<typeof parseAddr>[0], string, string, number][] = [
    ["tcp", ":8080", "", 8080],
    ["tcp", ":", "", 0],
    ["tcp", "127.0.0.1:0", "127.0.0.1", 0],
    ["tcp", "[::1]:53", "::1", 53],
    ["tcp", "[fe80::1%eth0]:53", "fe80::1%eth0", 53],
    ["tcp", "[::ffff:1.2.3.4]:65535", "::ffff:1.2.3.4", 65535],
    ["tcp", "example.org:https", "example.org", 443],
    ["tcp", "example.org.:HTTP", "example.org.", 80],
    ["tcp", "münchen.example:80", "münchen.example", 80],
    ["tcp", "under_score.example:80", "under_score.example", 80],
    ["tcp", "3com.example:80", "3com.example", 80],
    ["tcp4", "10.0.0.1:1", "10.0.0.1", 1],
    ["tcp6", "[::]:1", "::", 1],
    ["udp", "localhost:domain", "localhost", 53],
    ["udp", ":ntp", "", 123],
    ["tls", "example.org:443", "example.org", 443],
  ];
  for (const [network, text, host, port] of cases) {
    const addr = parseAddr(network, text);
    assert.ok(addr.network !== "unix");
    assert.deepEqual([addr.host, addr.port], [host, port], text);
    assert.equal(addr.network, network.replace(/[46]$/, ""), text);
  }
});

test("a bad address is refused with its text and what is wrong", () => {
  const cases: [string, RegExp][] = [
    ["", /"": missing port/],
    ["127.0.0.1", /"127\.0\.0\.1": missing port/],
    ["[::1]", /missing port/],
    ["[::1", /missing '\]'/],
    ["::1:53", /too many colons/],
    ["[::1]:80:90", /too many colons/],
    ["[::1]x:80", /no ':' after '\]'/],
    ["[[::1]:80", /unexpected '\['/],
    ["a]b:80", /unexpected '\]'/],
    ["[example.org]:80", /no IPv6 address in the brackets/],
    ["[127.0.0.1]:80", /no IPv6 address in the brackets/],
    ["[]:80", /no IPv6 address in the brackets/],
    ["[::1%]:80", /invalid zone/],
    ["[::1%a b]:80", /invalid zone/],
    ["host%eth0:80", /zone without/],
    ["[1::2::3]:80", /no IPv6 address/],
    ["256.0.0.1:80", /not a valid IPv4 address/],
    ["127.1:80", /not a valid IPv4 address/],
    ["0x7f.0.0.1:80", /not a valid IPv4 address/],
    ["0x7f000001:80", /not a valid IPv4 address/],
    ["2130706433:80", /not a valid IPv4 address/],
    ["0177.0.0.01:80", /not a valid IPv4 address/],
    ["a b:80", /invalid host name/],
    [" localhost:80", /invalid host name/],
    ["a\r\nb:80", /invalid host name/],
    ["a\0b:80", /invalid host name/],
    ["http//x:80", /invalid host name/],
    ["user@host:80", /invalid host name/],
    ["a..b:80", /invalid host name/],
    [`${"a".repeat(254)}:80`, /longer than 253/],
    ["host:65536", /0 to 65535/],
    ["host:99999999999", /0 to 65535/],
    ["host:-1", /0 to 65535/],
    ["host:+80", /0 to 65535/],
    ["host:8 0", /0 to 65535/],
    ["host:80x", /0 to 65535/],
    ["host: 80", /invalid port/],
    ["host:/80", /invalid port/],
    ["http://host:80", /too many colons/],
  ];
  for (const [text, message] of cases) {
    assert.throws(
      () => parseAddr("tcp", text),
      (error) => error instanceof NetError && error.code === "invalid_address" && message.test(error.message),
      text,
    );
  }
  assert.equal(parseAddr("tcp", `${"a".repeat(253)}:80`).port, 80);
});

test("a restricted network refuses the other IP version", () => {
  assert.equal(
    codeOf(() => parseAddr("tcp4", "[::1]:1")),
    "invalid_address",
  );
  assert.equal(
    codeOf(() => parseAddr("udp6", "127.0.0.1:1")),
    "invalid_address",
  );
  assert.equal(parseAddr("tcp6", "[::1]:1").port, 1);
  assert.equal(parseAddr("udp4", "127.0.0.1:1").port, 1);
});

test("an unknown service is name_not_found, and the error names its text, operation and network", () => {
  assert.throws(() => parseAddr("tcp", "host:nosuchservice", "dial"), {
    code: "name_not_found",
    op: "dial",
    message: 'dial tcp: address "host:nosuchservice": unknown service',
  });
  for (const name of ["constructor", "__proto__", "toString"]) {
    assert.equal(
      codeOf(() => parseAddr("tcp", `host:${name}`)),
      name === "__proto__" ? "invalid_address" : "name_not_found",
    );
  }
});

test("a very long bad address is shown shortened", () => {
  assert.throws(
    () => parseAddr("tcp", "x".repeat(1e6)),
    (error) => error instanceof NetError && error.message.length < 250,
  );
});

test("unix paths: limits of the system, abstract names, no NUL", () => {
  assert.equal(parseAddr("unix", "/tmp/x.sock").path, "/tmp/x.sock");
  assert.equal(
    codeOf(() => parseAddr("unix", "")),
    "invalid_address",
  );
  assert.equal(
    codeOf(() => parseAddr("unix", "/tmp/\0x")),
    "invalid_address",
  );
  const limit = process.platform === "linux" ? 107 : 103;
  assert.equal(parseAddr("unix", "/".padEnd(limit, "x")).path.length, limit);
  assert.equal(
    codeOf(() => parseAddr("unix", "/".padEnd(limit + 1, "x"))),
    "invalid_address",
  );
  assert.equal(
    codeOf(() => parseAddr("unix", "/".padEnd(limit, "é"))),
    "invalid_address",
  );
  if (process.platform === "linux") {
    assert.equal(String(parseAddr("unix", "@name")), "@name");
    assert.equal(
      codeOf(() => parseAddr("unix", "@")),
      "invalid_address",
    );
  } else {
    assert.equal(
      codeOf(() => parseAddr("unix", "@name")),
      "unsupported",
    );
  }
});

const port = fc.integer({ min: 0, max: 65535 });
const host = fc.oneof(
  fc.constant(""),
  fc.ipV4(),
  fc.ipV6(),
  fc.domain(),
  fc.tuple(fc.ipV6(), fc.stringMatching(/^[a-z0-9.]{1,8}$/)).map(([ip, zone]) => `${ip}%${zone}`),
);

test("what is printed parses to the same address", () => {
  fc.assert(
    fc.property(
      host,
      port,
      fc.constantFrom("tcp" as const, "udp" as const, "tls" as const),
      (h, p, network) => {
        const addr = ipAddr(network, h, p);
        assert.deepEqual(parseAddr(network, addr.toString()), addr);
      },
    ),
  );
  fc.assert(
    fc.property(fc.stringMatching(/^\/[^\0]{1,30}$/), (path) => {
      assert.deepEqual(parseAddr("unix", unixAddr(path).toString()), unixAddr(path));
    }),
  );
  assert.equal(pipeAddr.toString(), "pipe");
});

test("splitting what was joined gives both parts back", () => {
  fc.assert(
    fc.property(host, fc.oneof(port.map(String), fc.stringMatching(/^[a-z-]{0,10}$/)), (h, p) => {
      assert.deepEqual(splitHostPort(joinHostPort(h, p)), { host: h, port: p });
    }),
  );
  assert.equal(
    codeOf(() => splitHostPort("host")),
    "invalid_address",
  );
});

test("any text either parses or is refused with a NetError, quickly", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[[\]:%.0-9a-fx]{0,40}$/)), (text) => {
      const code = codeOf(() => {
        const addr = parseAddr("tcp", text);
        assert.deepEqual(parseAddr("tcp", String(addr)), addr);
      });
      assert.ok(["no error", "invalid_address", "name_not_found"].includes(code));
    }),
    { numRuns: 1000 },
  );
});

test("services(5) text gives names and aliases, and passes over what it cannot read", () => {
  const table = parseServices(
    "# c\nfoo 7/tcp bar BAZ # x\nfoo 8/udp\n bad\nbig 70000/tcp\nx 1/sctp\nfoo 9/tcp\n",
  );
  assert.deepEqual(Object.fromEntries(table), { "foo/tcp": 7, "bar/tcp": 7, "baz/tcp": 7, "foo/udp": 8 });
  assert.equal(servicePort("ssh", "tcp"), 22);
});

test("TCP addresses at IPv4 addresses are packed and unpacked without loss; others are not packed", () => {
  const byte = fc.nat(255);
  fc.assert(
    fc.property(fc.tuple(byte, byte, byte, byte), fc.nat(65_535), (bytes, port) => {
      const addr = ipAddr("tcp", bytes.join("."), port);
      const number = packed(addr);
      assert.ok(number !== undefined);
      assert.deepEqual(unpacked(number), addr);
    }),
  );
  assert.equal(packed(ipAddr("tcp", "", 80)), undefined);
  assert.equal(packed(ipAddr("tcp", "example.org", 80)), undefined);
  assert.equal(packed(ipAddr("tcp", "::ffff:1.2.3.4", 80)), undefined);
  assert.equal(packed(ipAddr("tls", "127.0.0.1", 80)), undefined);
  assert.equal(packed(unixAddr("/tmp/x")), undefined);
});
