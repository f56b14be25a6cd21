// The examples of the documentation and of the doc comments, each run in a process of its own for the
// hostile-examples tests.
//
// What an example needs is found in its text, so a new one is covered as it is written.
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { build, type BuildOptions, transformSync } from "esbuild";
import { docExamples, docFences } from "../doc-examples.ts";
import { withPause } from "./pause.ts";
import { fencedBlocks } from "../fenced-blocks.ts";

/**
 * An example that has not ended by then hangs. Beside eight busy processes on two processors some take 20 s.
 */
const RUN_TIMEOUT_MS = 600_000;
/**
 * An example that has used up so much processor time spins, or pays too much for what a peer sends: none
 * takes more than two. The system ends it, also when this process is gone and it answers nobody.
 */
const RUN_CPU_S = 6;

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const cache = join(root, ".cache");
mkdirSync(cache, { recursive: true });
const directory = mkdtempSync(join(cache, "hostile-examples-"));
const children = new Set<ChildProcess>();
after(() => {
  // What a test left behind that failed, or was given up.
  for (const child of children) child.kill("SIGKILL");
  rmSync(directory, { recursive: true, force: true });
});
// As the modules of a package stand: `zocalo` looks for its version above itself.
const work = join(directory, "src");
mkdirSync(work);
writeFileSync(join(directory, "package.json"), '{ "version": "0.0.0" }');

export interface Example {
  /** `packages/net/README.md:12`, where its code begins. */
  readonly place: string;
  /** The package a fragment takes its names from. */
  readonly home: string;
  /** It does not end by itself, and leaves names to the reader. */
  readonly isFragment: boolean;
  /** JavaScript. */
  readonly code: string;
  /** The module to run. */
  readonly file: string;
}

const examples = [...documented(), ...commented()].map((example, index): Example => {
  const { code } = transformSync(example.code, { loader: "ts", format: "esm" });
  return { ...example, code, file: join(work, `${index}-${example.place.replace(/\W+/g, "-")}.mjs`) };
});

const accepts = /\.accept\(/;
const listens = /\blisten|\bServer\b/;
/** Those that serve whoever comes. */
export const serving = examples.filter(
  ({ code, isFragment }) =>
    (isFragment || listens.test(code)) &&
    /for await \(.* of (?:listener|packets|server)\b|\bserve\(|"upgrade"|\bpeers\(|\bServer\.open\(|\.join\(/.test(
      code,
    ) &&
    !/\b(?:client|room|session)\.serve|\bpackets\.join\(/.test(code) &&
    (isFragment ? !/\bdial\(/.test(code) : !accepts.test(code)),
);
/**
 * Those that accept one connection by name, or receive from one peer: a stranger that comes first is taken
 * for it.
 */
export const accepting = examples.filter(
  (example) => !example.isFragment && listens.test(example.code) && !serving.includes(example),
);
export const dialing = examples.filter(
  ({ code }) =>
    /\b(?:dial|connect)\(|\bnew WebSocket|\bconn\b|\broom\b/.test(code) &&
    !serving.some((one) => one.isFragment && one.code === code),
);
/** Those that meet nobody: where they stand, and how they begin. */
export const alone = examples
  .filter((example) => ![serving, accepting, dialing].some((list) => list.includes(example)))
  .map(({ place, code }) => `${place.replace(/:\d+$/, "")}: ${/^(?!import )\S.*/m.exec(code)?.[0] ?? ""}`);

/**
 * Runs an example, `served`, `dialing` or `accepting` (see run-example.ts). The process ends with the tests
 * at the latest.
 */
export function start({ file, home, isFragment }: Example, mode: string, ports: string): ChildProcess {
  const run = [process.execPath, "--enable-source-maps", join(work, "run-example.mjs")];
  const argv = [file, home, mode, ports, isFragment ? "fragment" : ""];
  const [command = "", ...args] =
    process.platform === "win32"
      ? run
      : ["/bin/sh", "-c", `ulimit -S -t ${RUN_CPU_S} && exec "$@"`, "sh", ...run];
  const child = spawn(command, [...args, ...argv], {
    cwd: work,
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    timeout: RUN_TIMEOUT_MS,
    killSignal: "SIGABRT",
  });
  children.add(child);
  child.once("exit", () => children.delete(child));
  child.on("message", (message: { ping?: true }) => {
    if (message.ping === true && child.connected) child.send("pong", () => undefined);
  });
  return child;
}

/** Resolves when it has ended well, or was killed by its test. */
export async function ended(child: ChildProcess, { place }: Example): Promise<void> {
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (text: Buffer) => (output += text.toString()));
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  assert.ok(code === 0 || signal === "SIGKILL", `${place} ended with ${code ?? signal}\n${output}`);
}

/**
 * Writes the files of `list`, complete examples with the packages in them, and the program that runs them.
 */
export async function bundle(list: readonly Example[]): Promise<void> {
  for (const { file, code, isFragment } of list)
    writeFileSync(file, isFragment ? code : (withPause(code) ?? code));
  const shared: BuildOptions = {
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    conditions: ["zocalo-source"],
    sourcemap: "inline",
    logLevel: "silent",
    banner: {
      // Under a name that nothing bundled has.
      js: 'import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);',
    },
    outExtension: { ".js": ".mjs" },
    allowOverwrite: true,
    outdir: work,
  };
  const whole = list.filter(({ isFragment }) => !isFragment).map(({ file }) => file);
  await Promise.all([
    build({ ...shared, entryPoints: whole }),
    build({ ...shared, entryPoints: [join(root, "test/examples/run-example.ts")] }),
  ]);
}

/**
 * What stands in README files and in docs/. What is marked as not to be run, or as a browser's, is taken for
 * a fragment.
 */
function documented(): Omit<Example, "file">[] {
  const readmes = readdirSync(join(root, "packages"))
    .map((name) => join("packages", name, "README.md"))
    .filter((path) => existsSync(join(root, path)));
  const pages = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    // Of a game in several files, which `guide-game.test.ts` puts together and plays.
    .filter((name) => name.endsWith(".md") && name !== "guide-game.md")
    .map((name) => join("docs", name));
  return ["README.md", ...readmes, ...pages.sort()].flatMap((document) =>
    fencedBlocks(readFileSync(join(root, document), "utf8"))
      .filter(({ language, code }) => language === "ts" && !isForeign(code))
      .map(({ code, line, info }) => {
        const place = `${document}:${line}`;
        if (info === "") return { place, home: "", isFragment: false, code };
        const home = /@zocalo\/(\w+)/.exec(code)?.[1] ?? /packages\/(\w+)|(websocket)/.exec(document)?.at(-1);
        const own = completed(code.replace(/^import .*\n/gm, ""));
        return { place, home: home ?? "net", isFragment: true, code: own };
      }),
  );
}

/** The one of `ws`, which is there to be compared with. */
function isForeign(code: string): boolean {
  return code.includes('from "ws"');
}

/**
 * With what the text around a fragment leaves to the reader: the loop that it stands in, or the one that
 * follows it.
 */
function completed(code: string): string {
  if (code.startsWith("conn.serve(")) {
    const socket = 'peers(await listenPacket("udp4", "127.0.0.1:0"), { verifyLoopback: true })';
    return `for await (const conn of ${socket}) {\n${code}\n}`;
  }
  if (!/^const listener = .*;.*$/.test(code.trim())) return code;
  return `${code}\nfor await (const conn of listener) handle(conn).catch(report);`;
}

/** What stands behind `@example` in the packages' sources, and what stands in fences there. */
function commented(): Omit<Example, "file">[] {
  return ["client", "hub", "net", "protocol", "websocket", "zocalo"].flatMap((home) => {
    const source = join("packages", home, "src");
    return readdirSync(join(root, source), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
      .sort()
      .flatMap((name) => {
        const text = readFileSync(join(root, source, name), "utf8");
        return [...docExamples(text), ...docFences(text)].map(({ code, line }) => ({
          place: `${join(source, name)}:${line}`,
          home,
          isFragment: true,
          code,
        }));
      });
  });
}
