import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { EXIT, UserError } from "./exit-code.ts";
import { readSettings, type SettingSources } from "./read-settings.ts";
import { flagOf, SETTING_NAMES, SETTINGS, variableOf } from "./settings.ts";

const root = mkdtempSync(join(tmpdir(), "zocalo-settings-"));
after(() => rmSync(root, { recursive: true }));

/** A directory of its own, with the file if one is given. */
function directory(file?: unknown): string {
  const path = mkdtempSync(join(root, "d-"));
  if (file !== undefined) {
    writeFileSync(join(path, "zocalo.config.json"), typeof file === "string" ? file : JSON.stringify(file));
  }
  return path;
}

function read(sources: Partial<SettingSources> = {}) {
  return readSettings({ flags: {}, environment: {}, directory: directory(), ...sources });
}

/** The sentences of the error that reading throws. */
function faults(sources: Partial<SettingSources>): string[] {
  try {
    read(sources);
  } catch (error) {
    assert.ok(error instanceof UserError);
    assert.equal(error.exitCode, EXIT.usage);
    return error.message.split("\n");
  }
  return assert.fail("no fault was found");
}

test("without any source every setting has its default, and the default is allowed", () => {
  const settings = read();
  for (const name of SETTING_NAMES) {
    assert.deepEqual(settings[name], SETTINGS[name].default);
    assert.ok(SETTINGS[name].schema.safeParse(settings[name]).success, name);
  }
});

test("a flag beats a variable, a variable beats the file, the file beats the default", () => {
  const sources = {
    directory: directory({ httpPort: 1, tcpPort: 1, udpPort: 1 }),
    environment: { ZOCALO_HTTP_PORT: "2", ZOCALO_TCP_PORT: "2" },
    flags: { httpPort: "3" },
  };
  const { httpPort, tcpPort, udpPort, host } = read(sources);
  assert.deepEqual([httpPort, tcpPort, udpPort, host], [3, 2, 1, "localhost"]);
});

test("names follow one rule", () => {
  assert.equal(flagOf("httpPort"), "--http-port");
  assert.equal(variableOf("httpPort"), "ZOCALO_HTTP_PORT");
  assert.equal(flagOf("host"), "--host");
});

test("a port is a number from 0 to 65535 or off, in every source", () => {
  assert.equal(read({ flags: { tcpPort: "off" } }).tcpPort, "off");
  assert.equal(read({ flags: { tcpPort: "0" } }).tcpPort, 0);
  assert.equal(read({ flags: { tcpPort: "65535" } }).tcpPort, 65_535);
  for (const text of ["65536", "-1", "", "1.5", "1e3", "0x50", "http", " 80", "9".repeat(400)]) {
    assert.match(
      faults({ flags: { tcpPort: text } }).join(),
      /^tcpPort from the flag --tcp-port is .*; allowed: a port from/,
    );
  }
  for (const value of ["80", null, true, 80.5, [], {}]) {
    assert.equal(faults({ directory: directory({ tcpPort: value }) }).length, 1, JSON.stringify(value));
  }
});

test("an error names the key, the source, the value and what is allowed", () => {
  assert.deepEqual(faults({ environment: { ZOCALO_HTTP_PORT: "80800" } }), [
    "httpPort from the environment variable ZOCALO_HTTP_PORT is 80800; allowed: a port from 0 to 65535 (0: any free one) or off.",
  ]);
  const where = directory({ logLevel: "loud" });
  assert.deepEqual(faults({ directory: where }), [
    `logLevel in ${join(where, "zocalo.config.json")} is "loud"; allowed: one of silent, error, warn, info, debug.`,
  ]);
});

test("a setting of several values is an array in the file, and an error says so", () => {
  const where = directory({ exemptAddresses: "10.0.0.1" });
  assert.deepEqual(faults({ directory: where }), [
    `exemptAddresses in ${join(where, "zocalo.config.json")} is "10.0.0.1"; allowed: an array of IP addresses, and networks such as 10.0.0.0/8.`,
  ]);
  assert.match(
    faults({ flags: { exemptAddresses: "ten" } }).join(),
    /is \["ten"\]; allowed: IP addresses, and networks/,
  );
});

test("all faults are told at once, also those of a source that is overridden", () => {
  const sources = {
    directory: directory({ httpPort: "x", colour: 1 }),
    environment: { ZOCALO_DRAIN_MS: "-5" },
    flags: { httpPort: "8080", host: "no host" },
  };
  const keys = faults(sources).map((fault) => fault.split(" ")[0]);
  assert.deepEqual(keys, ["httpPort", "colour", "drainMs", "host"]);
});

test("unknown keys and variables are errors that offer the nearest name", () => {
  const where = directory({ httpport: 80 });
  assert.deepEqual(faults({ directory: where }), [
    `httpport in ${join(where, "zocalo.config.json")} is not a setting. Did you mean httpPort?`,
  ]);
  assert.deepEqual(faults({ environment: { ZOCALO_HTPP_PORT: "1", HTTP_PORT: "x" } }), [
    "The environment variable ZOCALO_HTPP_PORT is not a setting. Did you mean ZOCALO_HTTP_PORT?",
  ]);
  assert.deepEqual(faults({ directory: directory('{"__proto__": {"host": "::"}}') }).length, 1);
});

/** The variables that the source of a package reads. */
function variablesOf(name: string): string[] {
  const source = new URL(`../../${name}/src/`, import.meta.url);
  const files = readdirSync(source, { recursive: true, encoding: "utf8" });
  return files
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
    .flatMap((file) => readFileSync(new URL(file, source), "utf8").match(/env(?:\.|\[")ZOCALO_\w+/g) ?? [])
    .map((found) => found.replace(/^.*?(?=ZOCALO_)/, ""));
}

test("variables of the packages below are not settings, and not mistakes", () => {
  const switches = ["net", "websocket", "protocol", "hub", "client"].flatMap(variablesOf);
  assert.ok(switches.includes("ZOCALO_NO_READ_BUFFER"), switches.join());
  const environment = Object.fromEntries(switches.map((name) => [name, "1"]));
  assert.deepEqual(read({ environment }), read({}));
});

test("a switch of the packages below that is misspelt is an error that offers the right one", () => {
  assert.deepEqual(faults({ environment: { ZOCALO_NO_READBUFFER: "1", ZOCALO_NO_SUCH_THING_AT_ALL: "1" } }), [
    "The environment variable ZOCALO_NO_READBUFFER is not a setting. Did you mean ZOCALO_NO_READ_BUFFER?",
    "The environment variable ZOCALO_NO_SUCH_THING_AT_ALL is not a setting.",
  ]);
});

test("a fault is one line, whatever stands in the file or in a variable", () => {
  const where = directory({ "a\nzocalo: all is well\x1b[2J": 1, host: "\x9b31m" });
  const lines = faults({ directory: where, flags: { host: "\u202evil" } });
  assert.equal(lines.length, 3, lines.join("\n"));
  // oxlint-disable-next-line no-control-regex
  for (const line of lines) assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f\u202e]/);
});

test("a long value is shown cut", () => {
  const [fault = ""] = faults({ flags: { host: "x".repeat(10_000) } });
  assert.ok(fault.length < 300, fault);
});

test("origins are separated by commas, and only origins", () => {
  const text = "https://example.org, http://localhost:5173";
  assert.deepEqual(read({ flags: { allowedOrigins: text } }).allowedOrigins, [
    "https://example.org",
    "http://localhost:5173",
  ]);
  assert.deepEqual(read({ environment: { ZOCALO_ALLOWED_ORIGINS: "" } }).allowedOrigins, []);
  assert.deepEqual(read({ directory: directory({ allowedOrigins: ["*"] }) }).allowedOrigins, ["*"]);
  for (const wrong of [
    "example.org",
    "https://example.org/path",
    "https://*.example.org",
    "https://example.org/",
  ]) {
    assert.equal(faults({ flags: { allowedOrigins: wrong } }).length, 1, wrong);
  }
});

test("host names are separated by commas, and only host names", () => {
  const text = "chat.example.org, *.example.org,192.0.2.1,::1";
  assert.deepEqual(read({ flags: { allowedHosts: text } }).allowedHosts, [
    "chat.example.org",
    "*.example.org",
    "192.0.2.1",
    "::1",
  ]);
  assert.deepEqual(read({ environment: { ZOCALO_ALLOWED_HOSTS: "" } }).allowedHosts, []);
  assert.deepEqual(read({ directory: directory({ allowedHosts: ["*"] }) }).allowedHosts, ["*"]);
  for (const wrong of [
    "https://example.org",
    "example.org:80",
    "example.org/",
    "a b",
    "*example.org",
    "a,,b",
  ]) {
    assert.equal(faults({ flags: { allowedHosts: wrong } }).length, 1, wrong);
  }
});

test("a file can be named by flag or variable, the flag first, and must then exist", () => {
  const where = directory();
  writeFileSync(join(where, "a.json"), '{"tcpPort": 1}');
  writeFileSync(join(where, "b.json"), '{"tcpPort": 2}');
  const environment = { ZOCALO_CONFIG: "b.json" };
  assert.equal(read({ directory: where, environment }).tcpPort, 2);
  assert.equal(read({ directory: where, environment, configPath: "a.json" }).tcpPort, 1);
  assert.deepEqual(faults({ directory: where, configPath: "c.json" }), [
    `The configuration file ${join(where, "c.json")} cannot be read: there is no such file.`,
  ]);
});

test("a file that cannot be used is one clear sentence", () => {
  const broken = directory('{\n  "host": "::"\n  "tcpPort": 7000\n}');
  assert.match(
    faults({ directory: broken }).join(),
    /^The configuration file \/.* is not JSON: .* in line 3, column 3\.$/,
  );
  const secret = "c0ffee".repeat(6);
  for (const quoted of [
    `{"tokenSecret":'${secret}'}`,
    `\n{"tokenSecret":${secret}}`,
    secret,
    `{"a":${secret}}`,
  ]) {
    const said = faults({ directory: directory(quoted) }).join();
    assert.match(said, /is not JSON: Unexpected token/);
    assert.doesNotMatch(said, /c0f/, "the file may have a secret");
  }
  assert.match(
    faults({ directory: directory(`{\n  "tokenSecret": ${secret}\n}`) }).join(),
    /is not JSON: Unexpected token 'c' in line 2, column 18\.$/,
  );
  assert.match(faults({ directory: directory("[]") }).join(), /must hold one JSON object/);
  assert.match(faults({ directory: directory("") }).join(), /is not JSON/);
  assert.match(faults({ directory: directory(" ".repeat(1_048_577)) }).join(), /larger than 1048576 bytes/);
  const where = directory();
  mkdirSync(join(where, "zocalo.config.json"));
  assert.match(faults({ directory: where }).join(), /it is a directory/);
});

test("namespaces stand in the file, and a fault in one is told with its path", () => {
  const namespaces = { sala: { publish: "nobody", subscribe: "anyone", history: { publications: 10 } } };
  assert.deepEqual(read({ directory: directory({ namespaces }) }).namespaces, namespaces);

  const where = directory({
    namespaces: { sala: { publish: "all", history: { bytes: -1 }, histori: {} }, "a b": {} },
  });
  const file = join(where, "zocalo.config.json");
  const [publish = "", bytes = "", extra = "", name = "", ...more] = faults({ directory: where }).sort();
  assert.deepEqual(more, []);
  const all = [publish, bytes, extra, name].join("\n");
  assert.ok(all.includes(`namespaces.sala.publish in ${file} is "all": `), all);
  const users = directory({ namespaces: { sala: { publish: "users" } } });
  assert.match(
    faults({ directory: users }).join(),
    /sala.publish is "users", and without tokens there are none/,
  );
  assert.ok(all.includes(`namespaces.sala.history.bytes in ${file} is -1: `), all);
  assert.match(all, /namespaces\.sala in .*: unknown: histori; allowed: history, presence, /);
  assert.match(all, /namespaces\.a b in .*: a name has letters, digits, _ and -/);

  assert.match(
    faults({ directory: directory({ namespaces: [] }) }).join(),
    /^namespaces in .* is \[\]; allowed: an object/,
  );
  assert.match(
    faults({ environment: { ZOCALO_NAMESPACES: "{}" } }).join(),
    /ZOCALO_NAMESPACES is not a setting/,
  );
});

test("with every door off there is nothing to serve", () => {
  const flags = { httpPort: "off", tcpPort: "off", udpPort: "off" };
  assert.throws(() => read({ flags }), {
    message: "httpPort, tcpPort, udpPort are all off; at least one door must be open.",
  });
  assert.equal(read({ flags: { ...flags, udpPort: "0" } }).udpPort, 0);
});

test("where lanes are said to be is a host with a port, or a port; the port over WebRTC is told beforehand", () => {
  for (const laneAddress of ["", ":7002", "play.example.org:1", "192.0.2.1:65535", "[2001:db8::1]:7002"]) {
    assert.equal(read({ flags: { laneAddress } }).laneAddress, laneAddress);
  }
  for (const laneAddress of ["play.example.org", ":0", ":65536", "2001:db8::1:7002", "a b:1", "http://a:1"]) {
    assert.match(
      faults({ flags: { laneAddress } })[0] ?? "",
      /^laneAddress from the flag --lane-address is /,
    );
  }
  assert.equal(read({ flags: { webrtcPort: "7003" } }).webrtcPort, 7_003);
  assert.match(
    faults({ flags: { webrtcPort: "0" } })[0] ?? "",
    /; allowed: a port from 1 to 65535 or off\.$/,
  );
});
