import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { checkSteps, stepsIntoNode } from "../scripts/check-steps.ts";

const names = (source: string): string[] => stepsIntoNode(source).map(({ name }) => name);

test("a name of Node's insides is found, whatever the form", () => {
  for (const [source, name] of [
    ["socket._handle.readStart();", "_handle"],
    ["socket?._writev;", "_writev"],
    ['Reflect.get(socket, "_handle");', "_handle"],
    ["socket['_parent'];", "_parent"],
    ["const { _handle: handle } = socket;", "_handle"],
    ["const { fd, _handle: handle, pid } = socket;", "_handle"],
    ["const { _handle } = socket;", "_handle"],
    ["const { fd, _handle = null, pid } = socket;", "_handle"],
    ["interface Internals { readonly _handle?: object }", "_handle"],
    ["interface Internals {\n  fd: number;\n  _handle: Handle | null;\n}", "_handle"],
    ["class Own extends Duplex {\n  _write(chunk) {}\n}", "_write"],
    ['import http from "node:_http_server";', "node:_http_server"],
    ['require("_http_common");', "_http_common"],
    ['process.binding("tcp_wrap");', "process.binding"],
    ["Object.getOwnPropertySymbols(socket);", "getOwnPropertySymbols"],
    ["Reflect.ownKeys(socket);", "ownKeys"],
    ['import "node:internal/streams";', "node:internal/streams"],
    ["socket.prependOnceListener('secure', cut);", "secure"],
    ['symbols.find((each) => each.description === "kHandle");', "kHandle"],
  ] as const) {
    assert.deepEqual(names(source), [name], source);
  }
  assert.deepEqual(stepsIntoNode("let a;\n\na._handle;\nb._handle;"), [
    { line: 3, name: "_handle" },
    { line: 4, name: "_handle" },
  ]);
});

test("comments, texts and parameters that are not used are no steps", () => {
  for (const source of [
    "// socket._handle",
    "/** What `_write` throws. */",
    'const text = "socket._handle is gone";',
    "list.map((_each, index) => index);",
    "const sink = { write(chunk, _encoding, done) { done(); } };",
    "const { length: _length } = args; for (const [_, value] of entries) take(value);",
    'socket.on("secureConnect", secure);',
    "function taken(_count: number): void {}",
    "const MAX_BYTES = 1; a.MAX_BYTES; a.in_flight;",
    'code.endsWith("_HAS_EXPIRED");',
    "state.kind; state.key;",
  ]) {
    assert.deepEqual(names(source), [], source);
  }
});

test("only the folder `node` of a package may step, and tests", (t) => {
  const root = mkdtempSync(join(tmpdir(), "zocalo-steps-"));
  t.after(() => rmSync(root, { recursive: true }));
  for (const file of ["src/face.ts", "src/node/step.ts", "src/deep/node/part.ts", "src/deep/part.test.ts"]) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), "let a;\na._handle;\n");
  }
  assert.deepEqual(checkSteps(root, ["src"]), [
    "src/deep/node/part.ts:2 has _handle; steps into Node stand in src/node",
    "src/face.ts:2 has _handle; steps into Node stand in src/node",
  ]);
});

test("this repository has no step outside of those folders", () => {
  assert.deepEqual(checkSteps(dirname(dirname(fileURLToPath(import.meta.url)))), []);
});
