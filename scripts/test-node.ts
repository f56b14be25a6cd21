// `npm run test:node -- 22|24|26 [what npm test takes …]`: all tests, or these, on that Node. Programs that
// tests start run on it, too.
import { spawn } from "node:child_process";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureRuntime, RUNTIMES, type Runtime } from "./runtimes.ts";

const nodes: Readonly<Record<string, Runtime>> = {
  "20": RUNTIMES.node20,
  "22": RUNTIMES.node22,
  "24": RUNTIMES.node24,
  "26": RUNTIMES.node26,
};

const [major = "", ...args] = process.argv.slice(2);
const runtime = nodes[major];
if (runtime === undefined) {
  fail(
    `Which Node? ${JSON.stringify(major)} is none of ${Object.keys(nodes).join(", ")}: npm run test:node -- 26`,
  );
}
const node = ensureRuntime(runtime);
if ("reason" in node) fail(`Node ${runtime.version}: ${node.reason}.`);
console.log(`On Node ${runtime.version} (${node.path}).`);

const script = join(dirname(fileURLToPath(import.meta.url)), "test.ts");
// First in the path of these processes only: so npm, npx and built commands find it, and nobody else.
const PATH = [dirname(node.path), process.env["PATH"]].join(delimiter);
const child = spawn(node.path, ["--import", import.meta.resolve("tsx"), script, ...args], {
  stdio: "inherit",
  env: { ...process.env, PATH, TEST_NODE_VERSION: runtime.version },
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
child.on("exit", (code) => process.exit(code ?? 1));

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
