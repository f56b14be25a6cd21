import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { ensureRuntime, RUNTIMES } from "../scripts/runtimes.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "zocalo-runtimes-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

test("a platform without a package is told", (t) => {
  const told = ensureRuntime(RUNTIMES.node26, { cache: folder(t), platform: "aix-ppc64" });
  assert.deepEqual(told, { reason: "there is no bin/node for aix-ppc64 here" });
});

test("what does not have its hash is not installed, and leaves nothing behind", (t) => {
  const cache = folder(t);
  const forged = {
    version: "8.18.0",
    program: "ws",
    packages: { here: ["ws", `sha512-${"A".repeat(86)}==`] },
  } as const;
  const told = ensureRuntime(forged, { cache, platform: "here" });
  assert.ok("reason" in told);
  assert.match(told.reason, /^npm cannot install ws@8\.18\.0: /);
  assert.deepEqual(readdirSync(cache), []);
});

test("npm run test:node asks for one of the Nodes", () => {
  const script = join(root, "scripts/test-node.ts");
  const command = ["--import", import.meta.resolve("tsx"), script, "27"];
  const { status, stderr } = spawnSync(process.execPath, command, { encoding: "utf8" });
  assert.equal(stderr, 'Which Node? "27" is none of 20, 22, 24, 26: npm run test:node -- 26\n');
  assert.equal(status, 1);
});

const wanted = process.env["TEST_NODE_VERSION"];
const unlessAsked = { skip: wanted === undefined && "only npm run test:node chooses a Node" };

test("what tests start runs on the Node that was asked for", unlessAsked, () => {
  const shell = process.platform === "win32";
  const versionBy = (command: string, ...args: string[]): string =>
    execFileSync(command, args, { encoding: "utf8", cwd: root, shell }).trim();
  assert.equal(process.versions.node, wanted);
  assert.equal(versionBy(process.execPath, "--version"), `v${wanted}`);
  assert.equal(versionBy("node", "--version"), `v${wanted}`);
  assert.equal(versionBy("npx", "tsx", "--eval", "console.log(process.version)"), `v${wanted}`);
  assert.equal(versionBy("npm", "exec", "--call", "node --version"), `v${wanted}`);
});

test("the workflow runs each Node that has a line here", () => {
  const workflow = readFileSync(join(root, ".github/workflows/ci.yml"), "utf8");
  const majors = Object.keys(RUNTIMES)
    .filter((name) => name.startsWith("node"))
    .map((name) => name.slice(4));
  assert.match(workflow, new RegExp(`node: \\[${majors.join(", ")}\\]`));
});
