import { closeSync, existsSync, openSync } from "node:fs";
import { createRequire } from "node:module";
import { StoreError } from "./store-error.ts";

/** What SQLite takes and gives here. */
export type SqlValue = string | number | null;
export type SqlRow = Readonly<Record<string, SqlValue>>;

/** A prepared statement. */
export interface Statement {
  run(...values: (SqlValue | Uint8Array)[]): {
    readonly changes: number | bigint;
    readonly lastInsertRowid: number | bigint;
  };
  get(...values: SqlValue[]): SqlRow | undefined;
  all(...values: SqlValue[]): SqlRow[];
}

/** An open database: what `node:sqlite` and `better-sqlite3` have in common. */
export interface Database {
  exec(sql: string): unknown;
  prepare(sql: string): Statement;
  close(): unknown;
}

/** Opens a file; `better-sqlite3` and `node:sqlite` take it in the same way. */
export type OpenDatabase = (path: string) => Database;

interface NodeSqlite {
  readonly DatabaseSync: new (path: string) => Database;
}

/**
 * Node's own SQLite, or `better-sqlite3` where Node has none without a flag.
 *
 * @throws StoreError `no_sqlite` where there is neither
 */
export function findSqlite(): OpenDatabase {
  const builtin = builtinSqlite();
  if (builtin) return privately((path) => new builtin.DatabaseSync(path));
  try {
    // Loaded here and not above: it is optional, and native.
    const BetterSqlite = createRequire(import.meta.url)("better-sqlite3") as new (path: string) => Database;
    new BetterSqlite(":memory:").close(); // Only this loads what was compiled.
    return privately((path) => new BetterSqlite(path));
  } catch (cause) {
    throw new StoreError(
      "no_sqlite",
      `Node ${process.versions.node} has no SQLite of its own; update Node to 22.13 or later, ` +
        `or run "npm install better-sqlite3@12"`,
      { cause },
    );
  }
}

/** Nobody else may read what is made (0600). SQLite gives the other files of a database the same mode. */
function privately(open: OpenDatabase): OpenDatabase {
  return (path) => {
    if (!existsSync(path)) closeSync(openSync(path, "a", 0o600));
    return open(path);
  };
}

/** Without the warning of Node 22 that it is experimental: it is what was decided for. */
function builtinSqlite(): NodeSqlite | undefined {
  const warn = Object.getOwnPropertyDescriptor(process, "emitWarning");
  process.emitWarning = () => undefined;
  try {
    return process.getBuiltinModule("node:sqlite") as NodeSqlite | undefined;
  } finally {
    if (warn) Object.defineProperty(process, "emitWarning", warn);
  }
}

/**
 * - `full`: there is no room
 * - `corrupt`: the file is not what SQLite wrote
 * - `busy`: somebody else has the file
 * - `other`: anything else, such as a disk that cannot be read
 */
export type Failure = "full" | "corrupt" | "busy" | "other";

/** Primary result codes (https://www.sqlite.org/rescode.html). */
const FAILURES: readonly (readonly [name: string, code: number, Failure])[] = [
  ["SQLITE_FULL", 13, "full"],
  ["SQLITE_CORRUPT", 11, "corrupt"],
  ["SQLITE_NOTADB", 26, "corrupt"],
  ["SQLITE_BUSY", 5, "busy"],
];
/** SQLITE_IOERR_WRITE, _FSYNC, _TRUNCATE and _SHMSIZE: where a quota is used up, writing fails so. */
const WRITE_FAILURES: ReadonlySet<number | string> = new Set([
  778,
  1034,
  1546,
  4874,
  "SQLITE_IOERR_WRITE",
  "SQLITE_IOERR_FSYNC",
  "SQLITE_IOERR_TRUNCATE",
  "SQLITE_IOERR_SHMSIZE",
]);

/** Which of these an error of SQLite is, be it Node's or of `better-sqlite3`. */
export function failureOf(error: unknown): Failure {
  const { code, errcode } = error as { readonly code?: unknown; readonly errcode?: unknown };
  if (WRITE_FAILURES.has(errcode as number) || WRITE_FAILURES.has(code as string)) return "full";
  for (const [name, number, failure] of FAILURES) {
    if (typeof errcode === "number" && (errcode & 0xff) === number) return failure;
    if (typeof code === "string" && code.startsWith(name)) return failure;
  }
  return "other";
}
