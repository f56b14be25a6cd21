// `npm run dev`: compiler and bundler watch, and the server restarts when what it runs has changed.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, watch } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createInterface } from "node:readline";

/**
 * One change of a source file writes many files; the server restarts when this long nothing more was written.
 */
const QUIET_MS = 250;
/** A server that does not close by then is killed. */
const STOP_TIMEOUT_MS = 5000;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = (name: string) => join(root, "node_modules/.bin", name);
const serverFile = join(root, "packages/zocalo/dist/bin.js");
const colors = { tsc: 34, vite: 35, serve: 32 };

const children = new Set<ChildProcess>();
let server: ChildProcess | undefined;
let isRestarting = false;
let isEnding = false;

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => void end(0));

// The watchers start from what is built, so that the server does not start three times.
console.log("Building…");
spawnSync(bin("tsc"), ["-b", "packages/zocalo"], { cwd: root, stdio: "inherit" });

start("tsc", bin("tsc"), ["-b", "--watch", "--preserveWatchOutput", "packages/zocalo"], root);
for (const app of readdirSync(join(root, "apps"))) {
  const directory = join(root, "apps", app);
  if (existsSync(join(directory, "vite.config.ts"))) {
    start("vite", bin("vite"), ["build", "--watch", "--clearScreen=false"], directory);
  }
}

let timer: NodeJS.Timeout | undefined;
const built = readdirSync(join(root, "packages")).map((name) => join(root, "packages", name, "dist"));
// The server reads the pages and the games once, when it starts.
const apps = ["pages", "games"].map((name) => join(root, "packages/zocalo", name));
for (const directory of [...built, ...apps]) {
  mkdirSync(directory, { recursive: true });
  watch(directory, { recursive: true }, (_, file) => {
    if (file === null || !/\.(?:js|css|html|svg|png|webmanifest)$/.test(file)) return;
    clearTimeout(timer);
    timer = setTimeout(() => void restart(), QUIET_MS);
  });
}
await restart();

function start(
  name: keyof typeof colors,
  command: string,
  args: readonly string[],
  cwd: string,
): ChildProcess {
  // Its own process group: the terminal's Ctrl-C comes here only, and all end in order.
  const child = spawn(command, [...args], { cwd, stdio: ["ignore", "pipe", "pipe"], detached: true });
  children.add(child);
  const prefix = `\u001B[${colors[name]}m${name.padEnd(5)}\u001B[0m │ `;
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => console.log(prefix + line));
  }
  child.on("error", (error) => console.log(prefix + error.message));
  child.on("exit", (code, signal) => {
    children.delete(child);
    if (isEnding || (child === server && isRestarting)) return;
    console.log(`${prefix}ended with ${code ?? signal}`);
    if (child !== server) void end(1);
  });
  return child;
}

async function restart(): Promise<void> {
  if (isRestarting || isEnding) return;
  isRestarting = true;
  if (server !== undefined) await stop(server);
  server = undefined;
  isRestarting = false;
  if (isEnding) return;
  if (existsSync(serverFile))
    server = start("serve", process.execPath, [serverFile, "serve", ...process.argv.slice(2)], root);
  else console.log("The server starts when it compiles.");
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = once(child, "exit");
  // The whole group: the compiler's command is a script around the compiler.
  const group = -child.pid;
  const kill = setTimeout(() => process.kill(group, "SIGKILL"), STOP_TIMEOUT_MS);
  process.kill(group, "SIGTERM");
  await gone;
  clearTimeout(kill);
}

async function end(code: number): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  await Promise.all([...children].map(stop));
  process.exit(code);
}
