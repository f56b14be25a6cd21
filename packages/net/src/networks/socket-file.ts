import { randomBytes } from "node:crypto";
import {
  type BigIntStats,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  linkSync,
  lstatSync,
  mkdtempSync,
  openSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  unlinkSync,
} from "node:fs";
import { connect } from "node:net";
import { basename, dirname, join } from "node:path";
import { NetError, type NetErrorCode } from "../contracts/error.ts";
import { argumentError, type FailureSite } from "../contracts/failures.ts";
import type { UnixListenOptions } from "../options/listen-options.ts";
import { shown } from "../options/check-values.ts";
import { MAX_UNIX_PATH_BYTES } from "../contracts/parse-addr.ts";

/** How often a place is tried that others take and give up meanwhile. */
const MAX_ATTEMPTS = 8;
/** All bits that a mode may have here: who may read, write and execute. */
const MAX_MODE = 0o777;
/** What nobody but the owner may do in a private directory, and what the owner may. */
const [OTHERS, OWNER] = [0o077, 0o700];
/**
 * Where Linux shows a process what it has open: `/proc/self/fd/7/name` is in the directory that is open as 7.
 */
const OPEN_FILES = "/proc/self/fd";
/**
 * Linux's `O_PATH`, which Node does not name: opens a directory as a place, for which one need not read it.
 */
const O_PATH = 0o10000000;
/** What `link` says where the file system cannot link a socket. */
const CANNOT_LINK = new Set(["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EINVAL", "EMLINK"]);

/**
 * The file of a listening Unix socket, from its making to its removal.
 *
 * The socket is bound in a new directory that only this user may enter (0700), gets its mode there, and is
 * then linked to its place. So nobody sees it before it has its mode and listens, and a file that is in its
 * place is not replaced: `link` fails where there is one, as `bind` does.
 *
 * A umask around `bind` would do for the mode, but it is one of the whole process: files that other threads
 * make meanwhile would get it too. And libuv, when it closes a socket, unlinks the name that it bound,
 * whatever is there by then. That name is gone here, and nobody else has one like it, so that `remove`
 * decides.
 *
 * Who may write to the directory may also exchange the private one for another with a link in it, and `chmod`
 * follows links. So Linux holds the private directory itself, open, and all that happens in it after `bind`
 * goes by that and not by its name. Elsewhere there is only the name.
 */
export class SocketFile {
  readonly #asGiven: string;
  readonly #site: FailureSite;
  readonly #options: UnixListenOptions;
  /**
   * Where it is going to be, resolved once: neither `chdir` nor another symbolic link on the way changes it.
   */
  #path = "";
  #privateDirectory: string | undefined;
  /** The private directory, open. Not held where that is of no use. */
  #held: number | undefined;
  /** The socket's name in the private directory. */
  #name = "";
  /** What was put in place. */
  #made: BigIntStats | undefined;

  readonly #openFiles: string;

  /**
   * @param openFiles For the test of a system that does not show them.
   * @throws NetError `invalid_argument`.
   */
  constructor(path: string, options: UnixListenOptions, site: FailureSite, openFiles = OPEN_FILES) {
    checkMode(options.mode);
    this.#openFiles = openFiles;
    this.#asGiven = path;
    this.#options = options;
    this.#site = site;
  }

  /**
   * Makes the private directory.
   *
   * @returns the name to bind in it, before the next `chdir`: it may be relative.
   */
  prepare(): string {
    const given = dirname(this.#asGiven);
    if (this.#asGiven.endsWith("/")) throw this.#failure("invalid_address", "the path of a directory");
    const directory = this.#realDirectory(given);
    const base = basename(this.#asGiven);
    this.#path = join(directory, base);
    // libuv unlinks this name later. It is random, so that no file has it: who may write to `directory` could
    // by then have put a link to another one in the place of the private directory.
    const name = randomBytes(6).toString("base64url");
    const places = [
      [directory, `.${base}-`], // Tells whoever lists the system's sockets whose it is.
      [directory, "."],
      [given, "."],
    ] as const;
    const fitting = places.find(([parent, prefix]) => fits(join(parent, `${prefix}XXXXXX`, name)));
    const isHeld = process.platform === "linux" && mayUse(this.#openFiles);
    if (fitting === undefined && !isHeld) {
      const room = MAX_UNIX_PATH_BYTES - Buffer.byteLength(`/.XXXXXX/${name}`);
      throw this.#failure("invalid_address", `directory longer than ${room} bytes: ${given}`);
    }
    const [parent, prefix] = fitting ?? places[0];
    const made = mkdtempSync(`${parent}/${prefix}`); // `join` would take a single dot away.
    this.#name = name;
    this.#privateDirectory = join(directory, basename(made));
    if (isHeld) {
      const { O_DIRECTORY, O_NOFOLLOW } = constants;
      this.#held = openSync(this.#privateDirectory, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    }
    this.#makePrivate();
    return fitting === undefined ? this.#inside(name) : join(made, name);
  }

  /**
   * Puts the socket, which listens by now, in its place. @throws NetError `address_in_use`, and what the
   * system says.
   */
  async publish(): Promise<void> {
    const { mode } = this.#options;
    const bound = this.#inside(this.#name);
    if (mode !== undefined) chmodSync(bound, mode);
    const made = statOf(bound);
    for (let attempt = 1; !place(bound, this.#path); attempt++) {
      const hasRoom = await this.#makeRoom();
      if (!hasRoom || attempt === MAX_ATTEMPTS) throw this.#inUse();
    }
    this.#made = made;
    this.#removePrivateDirectory();
  }

  /**
   * Removes the socket that was made, and nothing else: what stands there has to be the same inode of the
   * same device. As long as the socket is open the system gives its inode to no other file, so this is called
   * before it is closed.
   */
  remove(): void {
    const made = this.#made;
    this.#made = undefined;
    try {
      const isToGo = made !== undefined && this.#options.unlinkOnClose !== false;
      if (isToGo && isSame(statOf(this.#path), made)) unlinkSync(this.#path);
      this.#removePrivateDirectory();
    } catch {
      // Gone already, or the directory is no longer ours to write. Nobody learns of it, as with libuv: the
      // socket is closed all the same, and what is left is a stale file.
    }
  }

  /** Takes a stale socket away. @returns false if what is in the place stays there. */
  async #makeRoom(): Promise<boolean> {
    if (this.#options.replaceStale !== true) return false;
    const seen = statOf(this.#path);
    if (seen === undefined) return true;
    if (!seen.isSocket() || !(await refuses(fits(this.#path) ? this.#path : this.#asGiven))) return false;
    // Another process may have replaced it since: then that one's is looked at in the next attempt.
    if (!isUnchanged(statOf(this.#path), seen)) return true;
    const aside = this.#inside(`${this.#name}-stale`);
    if (!renamed(this.#path, aside)) return true;
    const isStale = isUnchanged(statOf(aside), seen);
    // It was put in place between the last two calls: whose it is gets it back.
    if (!isStale) place(aside, this.#path);
    rmSync(aside, { force: true });
    return isStale;
  }

  /**
   * As the system walks a path: `..` behind a symbolic link is where that leads, which `resolve` does not
   * know.
   */
  #realDirectory(directory: string): string {
    try {
      return realpathSync.native(directory);
    } catch (error) {
      if (codeOf(error) !== "ENOENT") throw error;
      throw this.#failure("not_found", `no such directory: ${directory}`, error);
    }
  }

  /** Where `name` is in the private directory. */
  #inside(name: string): string {
    return join(this.#root(), name);
  }

  /** A way to the private directory; where it is held, a link that leads to it and nowhere else. */
  #root(): string {
    return this.#held === undefined ? (this.#privateDirectory ?? "") : join(this.#openFiles, `${this.#held}`);
  }

  /** Sees that the directory is nobody else's, and lets its owner in, whom a umask may keep out. */
  #makePrivate(): void {
    const { uid, mode } = statSync(this.#root());
    if (uid !== process.geteuid?.() || (mode & OTHERS) !== 0) throw this.#exchanged();
    if ((mode & OWNER) !== OWNER) chmodSync(this.#root(), OWNER);
  }

  #removePrivateDirectory(): void {
    if (this.#privateDirectory === undefined) return;
    const [directory, held] = [this.#privateDirectory, this.#held];
    try {
      rmSync(this.#inside(this.#name), { force: true });
      if (!isSame(statOf(directory), statSync(this.#root(), { bigint: true }))) throw this.#exchanged();
      rmdirSync(directory);
    } finally {
      this.#privateDirectory = undefined;
      this.#held = undefined;
      if (held !== undefined) closeSync(held);
    }
  }

  #exchanged(): NetError {
    return this.#failure("permission", `somebody else replaces files in ${dirname(this.#path)}`);
  }

  #inUse(): NetError {
    const there = statOf(this.#path);
    const isOther = there !== undefined && !there.isSocket();
    return this.#failure(
      "address_in_use",
      isOther ? "there is a file that is no socket" : "address already in use",
    );
  }

  #failure(code: NetErrorCode, reason: string, cause?: unknown): NetError {
    return new NetError({ ...this.#site, code, reason, cause });
  }
}

function checkMode(mode: number | undefined): void {
  if (mode === undefined || (Number.isInteger(mode) && mode >= 0 && mode <= MAX_MODE)) return;
  const given = Number.isInteger(mode) && mode >= 0 ? octal(mode) : shown(mode);
  throw argumentError("listen", `mode ${given} is not a whole number from 0 to ${octal(MAX_MODE)}`);
}

function octal(mode: number): string {
  return `0o${mode.toString(8)}`;
}

/**
 * Gives `from` the name `to`, unless there is something. Where a socket cannot be linked it is moved: what
 * another process puts there in the moment between looking and moving is then replaced.
 *
 * @param link For the test of a file system that cannot.
 * @returns false if there is something.
 */
export function place(from: string, to: string, link: typeof linkSync = linkSync): boolean {
  try {
    link(from, to);
    return true;
  } catch (error) {
    const code = codeOf(error) ?? "";
    if (code === "EEXIST") return false;
    if (!CANNOT_LINK.has(code)) throw error;
    if (statOf(to)) return false;
    renameSync(from, to);
    return true;
  }
}

/**
 * Whether the system says that nobody listens there. Any other answer, a full queue's among them, may be that
 * of a server that lives.
 */
function refuses(path: string): Promise<boolean> {
  return new Promise((answer) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      answer(false);
    });
    socket.on("error", (error) => answer(codeOf(error) === "ECONNREFUSED"));
  });
}

function renamed(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw error;
  }
}

/** What is there, a symbolic link itself; with inodes in full, which may be past 2^53. */
function statOf(path: string): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false });
}

function isSame(a: BigIntStats | undefined, b: BigIntStats): boolean {
  return a?.dev === b.dev && a?.ino === b.ino;
}

/**
 * The same, and not a new file that was given the inode of a removed one. To be linked, moved or given a mode
 * does not change this time.
 */
function isUnchanged(a: BigIntStats | undefined, b: BigIntStats): boolean {
  return isSame(a, b) && a?.mtimeNs === b.mtimeNs;
}

/** Whether it is there, and Node's permission model, if that is on, lets this process write by it. */
function mayUse(openFiles: string): boolean {
  const { permission }: { permission?: typeof process.permission } = process;
  return existsSync(openFiles) && (permission?.has("fs.write", openFiles) ?? true);
}

function fits(path: string): boolean {
  return Buffer.byteLength(path) <= MAX_UNIX_PATH_BYTES;
}

function codeOf(error: unknown): string | undefined {
  const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
  return typeof code === "string" ? code : undefined;
}
