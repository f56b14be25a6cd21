// The API page names every export and every option.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { compressionSettings } from "../src/handshake/deflate.ts";
import { connSettings, DEFAULT_HANDSHAKE_TIMEOUT_MS } from "../src/session/options.ts";

const source = fileURLToPath(new URL("../src", import.meta.url));
const page = readFileSync(fileURLToPath(new URL("../../../docs/api-websocket.md", import.meta.url)), "utf8");

/** The options of each interface, by the file that has it. */
const optionFiles = {
  ConnOptions: "session/options.ts",
  UpgraderOptions: "server/upgrader-options.ts",
  AttachOptions: "server/listen-options.ts",
  ListenOptions: "server/listen-options.ts",
  DialOptions: "client/dial-options.ts",
  CompressionOptions: "handshake/deflate.ts",
  GroupOptions: "server/group.ts",
} as const;

test("every export is on the page", () => {
  const index = readFileSync(join(source, "index.ts"), "utf8");
  const names = [...index.matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap(([, list = ""]) =>
    list
      .split(",")
      .map((name) => name.replace(/\btype\b/, "").trim())
      .filter((name) => name !== ""),
  );
  assert.ok(names.length > 20);
  assert.deepEqual(
    names.filter((name) => !new RegExp(`\`(?:new )?${name}\\b`).test(page)),
    [],
  );
});

for (const [name, file] of Object.entries(optionFiles)) {
  test(`every option of ${name} has a row below its heading`, () => {
    const code = readFileSync(join(source, file), "utf8");
    const start = code.indexOf(`export interface ${name} `);
    const body = code.slice(start, code.indexOf("\n}", start));
    const options = [...body.matchAll(/^ {2}readonly (\w+)\?:/gm)].map(([, option]) => option);
    assert.ok(options.length > 0);
    const [, section = ""] = page.split(new RegExp(`^### \`${name}\``, "m"));
    const [rows = ""] = section.split(/^##/m);
    assert.deepEqual(
      options.filter((option) => !rows.includes(`| \`${option}\` |`)),
      [],
    );
  });
}

/** The row of an option below the heading of its interface, cell by cell. */
function rowOf(name: string, option: string): string[] {
  const [, section = ""] = page.split(new RegExp(`^### \`${name}\``, "m"));
  const row = section.split("\n").find((line) => line.startsWith(`| \`${option}\` |`)) ?? "";
  return row.split("|").map((cell) => cell.trim());
}

test("each default on the page is that of the code, and each option has a unit and a risk or an effect", () => {
  const { receive, inbox, isStreaming, ...rest } = connSettings({});
  const { maxFrameBytes, ...limits } = receive;
  assert.deepEqual([maxFrameBytes, isStreaming], [Number.POSITIVE_INFINITY, false]);
  const defaults = {
    ConnOptions: { ...rest, ...limits, ...inbox },
    CompressionOptions: { ...compressionSettings(true) },
    UpgraderOptions: { handshakeTimeoutMs: DEFAULT_HANDSHAKE_TIMEOUT_MS },
    DialOptions: { handshakeTimeoutMs: DEFAULT_HANDSHAKE_TIMEOUT_MS },
  };
  for (const [name, options] of Object.entries(defaults)) {
    for (const [option, value] of Object.entries(options)) {
      const said = rowOf(name, option)[2]?.replaceAll(/[`,]/g, "");
      assert.equal(said, String(value), `${name}.${option}`);
    }
  }
  const rows = page.split("\n").filter((line) => /^\| `\w+` \|.*\|.*\|.*\|$/.test(line));
  assert.ok(rows.length > 30);
  for (const row of rows) {
    const [, , byDefault = "", unit = "", effect = ""] = row.split("|").map((cell) => cell.trim());
    assert.ok(byDefault !== "" && unit !== "" && effect.length > 20, row);
  }
});

test("every error code is on the page", () => {
  const files = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".ts"),
  );
  const texts = files.map((name) => readFileSync(join(source, name), "utf8")).join("\n");
  const codes = [...texts.matchAll(/(?:WebSocketNetError|broken|#make)\(\s*"(\w+)"/g)].map(
    ([, code]) => code,
  );
  assert.ok(new Set(codes).size >= 10);
  assert.deepEqual(
    codes.filter((code) => !page.includes(`| \`${code}\` |`)),
    [],
  );
});
