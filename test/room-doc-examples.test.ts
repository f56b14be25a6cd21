// Every example in the doc comments of the schema of @zocalo/room is run as it stands, and ends by itself.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { docFences } from "./doc-examples.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(root, "packages/room/src/schema");
// Inside the repository, so that the package is found by its name.
mkdirSync(join(root, ".cache"), { recursive: true });
const work = mkdtempSync(join(root, ".cache", "room-examples-"));
after(() => rmSync(work, { recursive: true, force: true }));

const files = readdirSync(source, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
  .map((name) => join(source, name));
const examples = files.flatMap((file) =>
  docFences(readFileSync(file, "utf8")).map((example) => ({ ...example, file: relative(root, file) })),
);

test("there are examples", () => {
  assert.ok(examples.length >= 4);
});

for (const [index, { code, file, line }] of examples.entries()) {
  test(`${file}:${line}`, () => {
    const program = join(work, `example-${index}.ts`);
    writeFileSync(program, `${code}\nexport {};\n`);
    const args = ["--conditions=zocalo-source", "--import", import.meta.resolve("tsx"), program];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    assert.equal(status, 0, stderr);
  });
}
