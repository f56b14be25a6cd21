import { readdirSync, readFileSync, statSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { sourceImports } from "./source-imports.ts";

/** What the check knows of one workspace. */
export interface Room {
  readonly directory: string;
  readonly name: string;
  /** Workspaces it may import, by name. */
  readonly mayImport: readonly string[];
  /** Workspaces that its tests may import, too. They are listed under `devDependencies` and never shipped. */
  readonly testsMayImport?: readonly string[];
  /** True where nothing may be installed along with it except other rooms. */
  readonly hasNoDependencies?: boolean;
  /** Files that must run in a browser, with everything they import from the same room. */
  readonly browserEntries?: readonly string[];
  /**
   * The folders of `src`, from top to bottom. What is shipped imports only its own folder and those below;
   * the files beside the folders are the face: above all of them.
   */
  readonly folders?: readonly string[];
  /**
   * Most lines of a file, be it a test: past them there is a second idea in it, which belongs elsewhere.
   */
  readonly maxLines?: number;
}

/** What can be read in one sitting. */
const ONE_SITTING_LINES = 400;

/** Nobody gets these, so what they import need not be among `dependencies`. */
const NOT_SHIPPED: readonly string[] = ["bench", "examples", "tools/publishing"];

const everyPackage = ["protocol", "net", "websocket", "hub", "client"].map((name) => `@zocalo/${name}`);

/** The arrows between the rooms. This is the only place that states them; ARCHITECTURE.md explains them. */
export const ROOMS: readonly Room[] = [
  { directory: "packages/integrity", name: "@zocalo/integrity", mayImport: [], hasNoDependencies: true },
  {
    directory: "packages/protocol",
    name: "@zocalo/protocol",
    mayImport: [],
    hasNoDependencies: true,
    browserEntries: ["src/index.ts"],
  },
  {
    directory: "packages/net",
    name: "@zocalo/net",
    mayImport: [],
    testsMayImport: ["@zocalo/integrity"],
    hasNoDependencies: true,
    folders: [
      "udp",
      "framing",
      "networks",
      "tls",
      "stream",
      "node",
      "flow",
      "memory",
      "options",
      "contracts",
    ],
    maxLines: ONE_SITTING_LINES,
  },
  {
    directory: "packages/websocket",
    name: "@zocalo/websocket",
    mayImport: ["@zocalo/net"],
    testsMayImport: ["@zocalo/integrity"],
    hasNoDependencies: true,
    folders: ["whatwg", "client", "server", "handshake", "session", "core", "node"],
    maxLines: ONE_SITTING_LINES,
  },
  {
    directory: "packages/hub",
    name: "@zocalo/hub",
    mayImport: ["@zocalo/protocol", "@zocalo/net"],
    testsMayImport: ["@zocalo/integrity"],
    folders: ["tokens", "session", "channel", "durable", "memory", "policy", "engine", "primitives"],
    maxLines: ONE_SITTING_LINES,
  },
  {
    directory: "packages/client",
    name: "@zocalo/client",
    mayImport: ["@zocalo/protocol"],
    testsMayImport: ["@zocalo/integrity"],
    hasNoDependencies: true,
    browserEntries: ["src/index.ts", "src/binary.ts"],
    folders: ["node", "store", "session", "channel", "outbox", "connection", "primitives"],
    maxLines: ONE_SITTING_LINES,
  },
  {
    directory: "packages/room",
    name: "@zocalo/room",
    mayImport: everyPackage.filter((name) => name !== "@zocalo/websocket"),
    testsMayImport: ["@zocalo/integrity", "@zocalo/websocket"],
    browserEntries: ["src/client.ts"],
    folders: [
      "host",
      "join",
      "match",
      "play",
      "lanes",
      "snapshot",
      "input",
      "timing",
      "schema",
      "bits",
      "contracts",
    ],
    maxLines: ONE_SITTING_LINES,
  },
  { directory: "packages/zocalo", name: "zocalo", mayImport: [...everyPackage, "@zocalo/room"] },
  { directory: "apps/plaza", name: "@zocalo/plaza", mayImport: ["@zocalo/client", "@zocalo/hub"] },
  {
    directory: "apps/arena",
    name: "@zocalo/arena",
    mayImport: ["@zocalo/client", "@zocalo/room"],
    folders: ["view", "hands", "play", "game"],
    maxLines: ONE_SITTING_LINES,
  },
  { directory: "bench", name: "@zocalo/bench", mayImport: [...everyPackage, "@zocalo/room", "zocalo"] },
  {
    directory: "examples",
    name: "@zocalo/examples",
    mayImport: [...everyPackage, "@zocalo/room", "@zocalo/arena", "zocalo"],
  },
  { directory: "tools/publishing", name: "@zocalo/publishing", mayImport: [] },
];

/** An import, or an entry of package.json, that the house does not allow. */
export interface Violation {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/**
 * Reads every import of every room and holds it against the table.
 *
 * - A room imports another by its name, never by a path, and only those the table names. Tests too, which may
 *   have some rooms of their own there: a suite that needs more than these lives in the root's `test/`.
 * - What is shipped imports only what its package.json lists under `dependencies`; four rooms list only other
 *   rooms.
 * - What a browser entry reaches imports nothing of Node's.
 * - No files of a room's `src` import each other in a circle, by value or by type, and its folders have an
 *   order where the table says so.
 * - No file of a room, shipped or a test, has more lines than the table says.
 *
 * @param root The repository.
 * @param rooms The table; the fixtures of the test bring their own.
 */
export function checkArrows(root: string, rooms: readonly Room[] = ROOMS): Violation[] {
  const violations: Violation[] = [];
  for (const room of rooms) {
    const directory = join(root, room.directory);
    if (!statSync(directory, { throwIfNoEntry: false })) continue;
    const manifest = JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as Manifest;
    violations.push(...checkManifest(root, room, rooms));
    for (const file of sourceFiles(directory)) {
      violations.push(...checkFile(root, room, rooms, manifest, file));
    }
    for (const entry of room.browserEntries ?? []) {
      violations.push(...checkBrowserEntry(root, join(directory, entry)));
    }
    const src = join(directory, "src");
    const arrows = arrowsWithin(src);
    if (room.folders) violations.push(...checkFolders(root, src, arrows, room.folders));
    violations.push(...circles(root, arrows));
    if (room.maxLines) violations.push(...tooLong(root, sourceFiles(directory), room.maxLines));
  }
  violations.push(...checkOutside(root));
  for (const name of unlisted(root, rooms)) {
    violations.push({
      file: name,
      line: 1,
      message: "is a room the table of scripts/check-arrows.ts does not know",
    });
  }
  return violations;
}

function checkFile(
  root: string,
  room: Room,
  rooms: readonly Room[],
  manifest: Manifest,
  file: string,
): Violation[] {
  const found: Violation[] = [];
  const directory = join(root, room.directory);
  const isTestFile = isTest(directory, file);
  const isShipped = !isTestFile && !NOT_SHIPPED.includes(room.directory);
  const report = (line: number, message: string) => found.push({ file: relative(root, file), line, message });
  for (const { specifier, line, isTypeOnly } of sourceImports(readFileSync(file, "utf8"))) {
    if (specifier.startsWith(".") || specifier.startsWith("/")) {
      const target = resolve(dirname(file), specifier);
      if (!isInside(directory, target)) {
        report(line, `imports ${specifier} by path; another room is imported by its name`);
      }
      continue;
    }
    if (specifier.startsWith("#") || /^[a-z]+:/.test(specifier)) continue;
    if (builtinModules.includes(specifier)) {
      report(line, `imports ${specifier}; a module of Node's is written node:${specifier}`);
      continue;
    }
    const name = packageName(specifier);
    if (name === room.name) continue;
    if (rooms.some((other) => other.name === name)) {
      const isAllowed =
        room.mayImport.includes(name) || (isTestFile && room.testsMayImport?.includes(name) === true);
      if (!isAllowed) report(line, `imports ${name}; ${allowed(room)}`);
      else if (isShipped && !isTypeOnly && manifest.dependencies?.[name] === undefined) {
        report(line, `imports ${name}, which is not in the dependencies of its package.json`);
      }
      continue;
    }
    if (!isShipped) continue;
    if (room.hasNoDependencies) report(line, `imports ${name}; ${room.name} has no runtime dependencies`);
    else if (!isTypeOnly && manifest.dependencies?.[name] === undefined) {
      report(line, `imports ${name}, which is not in the dependencies of its package.json`);
    }
  }
  return found;
}

function checkManifest(root: string, room: Room, rooms: readonly Room[]): Violation[] {
  const file = join(room.directory, "package.json");
  const text = readFileSync(join(root, file), "utf8");
  const manifest = JSON.parse(text) as Manifest;
  const found: Violation[] = [];
  const lists = ["dependencies", "peerDependencies", "optionalDependencies", "devDependencies"] as const;
  for (const list of lists) {
    for (const name of Object.keys(manifest[list] ?? {})) {
      const line = text.slice(0, text.indexOf(`"${name}"`, text.indexOf(`"${list}"`))).split("\n").length;
      const isRoom = rooms.some((other) => other.name === name);
      const isForTests = list === "devDependencies" && room.testsMayImport?.includes(name) === true;
      if (isRoom && !isForTests && !room.mayImport.includes(name)) {
        found.push({ file, line, message: `lists ${name}; ${allowed(room)}` });
      } else if (!isRoom && room.hasNoDependencies && list !== "devDependencies") {
        found.push({ file, line, message: `lists ${name}; ${room.name} has no runtime dependencies` });
      }
    }
  }
  return found;
}

/** An import of one file of a room by another. */
interface Arrow {
  readonly line: number;
  readonly target: string;
}

/** The arrows between the files of `src`, tests left out. */
function arrowsWithin(src: string): Map<string, readonly Arrow[]> {
  const shipped = filesBelow(src).filter((file) => !/\.test\.tsx?$/.test(file));
  return new Map(
    shipped.map((file) => [
      file,
      sourceImports(readFileSync(file, "utf8"))
        .filter(({ specifier }) => specifier.startsWith("."))
        .map(({ specifier, line }) => ({ line, target: resolve(dirname(file), specifier) })),
    ]),
  );
}

function checkFolders(
  root: string,
  src: string,
  arrows: ReadonlyMap<string, readonly Arrow[]>,
  folders: readonly string[],
): Violation[] {
  const found: Violation[] = [];
  /** 0 is the face. */
  const heightOf = (file: string): number => {
    const [folder = "", ...inside] = relative(src, file).split(sep);
    return inside.length === 0 ? 0 : folders.indexOf(folder) + 1;
  };
  for (const [file, targets] of arrows) {
    const height = heightOf(file);
    if (height === 0 && dirname(file) !== src) {
      const message = "is in a folder the table of scripts/check-arrows.ts does not know";
      found.push({ file: relative(root, file), line: 1, message });
      continue;
    }
    for (const { line, target } of targets) {
      if (heightOf(target) >= height) continue;
      const message = `imports ${relative(src, target)}, which stands above; arrows point down: ${folders.join(", ")}`;
      found.push({ file: relative(root, file), line, message });
    }
  }
  return found;
}

/** One violation for each file that is too long, at its first line too many. */
function tooLong(root: string, files: readonly string[], maxLines: number): Violation[] {
  return files
    .map((file) => ({ file, lines: readFileSync(file, "utf8").trimEnd().split("\n").length }))
    .filter(({ lines }) => lines > maxLines)
    .map(({ file, lines }) => ({
      file: relative(root, file),
      line: maxLines + 1,
      message: `is past the end of what is read in one sitting: the file has ${lines} lines, and may have ${maxLines}`,
    }));
}

/** One violation for each circle, at the arrow that closes it. */
function circles(root: string, arrows: ReadonlyMap<string, readonly Arrow[]>): Violation[] {
  const found: Violation[] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    path.push(file);
    for (const { line, target } of arrows.get(file) ?? []) {
      const start = path.indexOf(target);
      if (start >= 0) {
        const circle = [...path.slice(start), target].map((part) => relative(root, part)).join(" -> ");
        found.push({ file: relative(root, file), line, message: `closes a circle: ${circle}` });
      } else if (!done.has(target)) visit(target);
    }
    path.pop();
    done.add(file);
  };
  for (const file of arrows.keys()) if (!done.has(file)) visit(file);
  return found;
}

function checkBrowserEntry(root: string, entry: string): Violation[] {
  const found: Violation[] = [];
  const queue = [entry];
  const seen = new Set(queue);
  for (const file of queue) {
    if (!statSync(file, { throwIfNoEntry: false })) continue;
    for (const { specifier, line, isTypeOnly } of sourceImports(readFileSync(file, "utf8"))) {
      if (isTypeOnly) continue;
      if (specifier.startsWith("node:") || builtinModules.includes(specifier)) {
        const message = `imports ${specifier}; ${relative(root, entry)} runs in a browser`;
        found.push({ file: relative(root, file), line, message });
      }
      const target = resolve(dirname(file), specifier);
      if (!specifier.startsWith(".") || seen.has(target)) continue;
      seen.add(target);
      queue.push(target);
    }
  }
  return found;
}

/** What a room's tests have for other suites. */
const TEST_FILES = /^packages\/[^/]+\/test\//;

/** The root's own suites and scripts see every room, but by name too; what its tests have has none. */
function checkOutside(root: string): Violation[] {
  return ["test", "scripts"].flatMap((top) =>
    filesBelow(join(root, top)).flatMap((file) =>
      sourceImports(readFileSync(file, "utf8"))
        .filter(({ specifier }) => specifier.startsWith("."))
        .filter(({ specifier }) =>
          ["packages", "apps", "tools"].some((house) =>
            isInside(join(root, house), resolve(dirname(file), specifier)),
          ),
        )
        .filter(({ specifier }) => {
          const path = relative(root, resolve(dirname(file), specifier))
            .split(sep)
            .join("/");
          return top !== "test" || !TEST_FILES.test(path);
        })
        .map(({ specifier, line }) => ({
          file: relative(root, file),
          line,
          message: `imports ${specifier} by path; another room is imported by its name`,
        })),
    ),
  );
}

/** Packages and apps on disk that the table leaves out. */
function unlisted(root: string, rooms: readonly Room[]): string[] {
  return ["packages", "apps", "tools"]
    .flatMap((top) => {
      const directory = join(root, top);
      return statSync(directory, { throwIfNoEntry: false })
        ? readdirSync(directory).map((name) => `${top}/${name}`)
        : [];
    })
    .filter((name) => statSync(join(root, name, "package.json"), { throwIfNoEntry: false }))
    .filter((name) => !rooms.some((room) => room.directory === name));
}

function sourceFiles(directory: string): string[] {
  return ["src", "test"].flatMap((top) => filesBelow(join(directory, top)));
}

function filesBelow(directory: string): string[] {
  if (!statSync(directory, { throwIfNoEntry: false })) return [];
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.tsx?$/.test(name))
    .sort()
    .map((name) => join(directory, name));
}

function isTest(directory: string, file: string): boolean {
  return /\.test\.tsx?$/.test(file) || relative(directory, file).startsWith(`test${sep}`);
}

function isInside(directory: string, path: string): boolean {
  return path === directory || path.startsWith(directory + sep);
}

function packageName(specifier: string): string {
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

function allowed({ name, mayImport, testsMayImport = [] }: Room): string {
  const rooms = mayImport.length === 0 ? "no other room" : mayImport.join(" and ");
  const forTests = testsMayImport.length === 0 ? "" : `, and its tests ${testsMayImport.join(" and ")}`;
  return `${name} may import ${rooms}${forTests}`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  const violations = checkArrows(root);
  for (const { file, line, message } of violations) console.error(`${file}:${line} ${message}`);
  if (violations.length > 0) process.exitCode = 1;
}
