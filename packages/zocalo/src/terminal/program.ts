import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { type CloseInfo, type Conn, type Message, printable } from "@zocalo/net";
import { UserError } from "../exit-code.ts";
import { explained, sentence } from "./exit.ts";
import type { Flags } from "./flags.ts";
import { IdleTimer } from "./idle-timer.ts";
import { Input } from "./input.ts";
import { closeWords, type End, isErrorCode, type Link, type MessageLink } from "./link.ts";
import { Output } from "./output.ts";
import { Printer, type Shape } from "./shape.ts";

/** How long a program that was asked to end (SIGTERM) may take before it is killed, in milliseconds. */
const KILL_AFTER_MS = 2000;
/** Whether a program has a process group of its own. */
const isGrouped = process.platform !== "win32";
/** How often it is looked whether all that was asked to end has, in milliseconds. */
const LOOK_MS = 50;
/**
 * How long a program may go on writing once its WebSocket has closed, in milliseconds: it may still be busy
 * with what came last.
 */
const UNREAD_MS = 2000;
/** RFC 6455 §7.4.1: a condition that prevents the server from fulfilling the request. */
const INTERNAL_ERROR = 1011;

/**
 * `--exec`: joins a connection with the standard input and output of a program of its own, by the rules of
 * `shape`, until both have ended.
 *
 * The end of what a peer sends is the end of the program's input, and the end of its output ends what is
 * sent. A program whose connection has broken, was silent for too long, or is to stop, gets SIGTERM, and what
 * it has started does, too.
 *
 * @throws UserError if it fails itself; what broke the connection.
 */
export async function runProgram(link: Link, shape: Shape, flags: Flags, signal: AbortSignal): Promise<End> {
  const command = flags.exec ?? "";
  let child: Child;
  try {
    child = start(command, link.peer);
  } catch (error) {
    link.conn.abort();
    throw error;
  }
  const program = new Program(child, command, shape);
  const onStop = (): void => program.terminate();
  signal.addEventListener("abort", onStop, { once: true });
  let end: End = "ended";
  const idle = new IdleTimer(flags.timeout, () => {
    end = "timeout";
    link.conn.abort();
    program.terminate();
  });
  const touch = (): void => idle.touch();
  try {
    if (link.form === "bytes") await joinBytes(link.conn, program, touch);
    else await joinMessages(link, program, flags, touch);
  } catch (error) {
    program.terminate();
    link.conn.abort();
    await program.ended;
    if (end === "ended") throw error;
  } finally {
    idle.stop();
    signal.removeEventListener("abort", onStop);
  }
  return end;
}

async function joinBytes(conn: Conn, program: Program, touch: () => void): Promise<void> {
  const inward = async (): Promise<void> => {
    for await (const bytes of conn) {
      touch();
      await program.write(bytes);
    }
    await program.endInput();
  };
  const outward = async (): Promise<void> => {
    for (let message = await program.next(); message !== null; message = await program.next()) {
      await conn.write(message as Uint8Array);
      touch();
    }
    await conn.closeWrite();
  };
  // Nobody reads any more: the peer is not held back by it.
  const gone = program.exited.then(() => conn.closeRead());
  await Promise.all([inward(), outward(), gone]);
  await conn.close();
  program.check();
}

async function joinMessages(
  { conn, hasEnd }: MessageLink,
  program: Program,
  { close }: Flags,
  touch: () => void,
): Promise<void> {
  let info: CloseInfo | undefined;
  let closedAt = 0;
  const closed = new Promise<void>((resolve) => {
    conn.serve({
      message(message) {
        touch();
        return program.write(message);
      },
      close(how) {
        info = how;
        closedAt = performance.now();
        resolve();
      },
    });
  });
  const inward = closed.then(async () => {
    await program.endInput();
    if (info?.error !== undefined) throw info.error;
    if (info !== undefined && isErrorCode(info.code)) {
      throw new UserError(`The peer closed the connection: ${closeWords(info)}.`);
    }
  });
  const outward = async (): Promise<void> => {
    for (let message = await program.next(); message !== null; message = await program.next()) {
      // What a peer that has closed does not get is thrown away, so that the program comes to its end; one
      // that has none (`vmstat 1`) is ended.
      if (info !== undefined) {
        if (performance.now() - closedAt > UNREAD_MS) program.terminate();
        continue;
      }
      await conn.send(message).catch((error: unknown) => {
        if (info === undefined && hasEnd) throw error;
      });
      touch();
    }
    await program.ended;
    if (program.hasFailed) await conn.close(INTERNAL_ERROR);
    else await conn.close(close?.code, close?.reason);
  };
  await Promise.all([inward, outward()]);
  program.check();
}

type Child = ChildProcessByStdio<Writable, Readable, null>;

/** @throws UserError if it cannot be started: what a server meets at its limits must not end it. */
function start(command: string, peer: string): Child {
  let child: Child;
  try {
    child = spawn(command, {
      shell: true,
      // What the command starts is of its group, and is ended with it.
      detached: isGrouped,
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, PEER_ADDRESS: printable(peer) },
    });
  } catch (error) {
    throw cannotRun(command, sentence(error));
  }
  // Where no descriptor is left (EMFILE, ENFILE) Node makes no streams, whatever its types say, and tells a
  // turn later.
  if ((child.stdin as Writable | undefined) === undefined) {
    child.once("error", () => undefined); // Told here.
    throw cannotRun(command, "too many open files");
  }
  return child;
}

function cannotRun(command: string, reason: string): UserError {
  return new UserError(`Cannot run ${JSON.stringify(command)}: ${reason}.`);
}

/** Programs that run, or were asked to end and have left something behind. */
const running = new Set<Program>();

/** Resolves when all programs have ended, with what they have started if they were asked to. */
export async function programsEnded(): Promise<void> {
  await Promise.all(Array.from(running, ({ ended }) => ended));
}

/** Nothing outlives the command, however it ends. */
function killAll(): void {
  for (const program of running) program.kill();
}

/** A program in a shell, and in a process group of its own. */
class Program {
  /** Resolves when the shell has ended, or could not begin. */
  readonly exited: Promise<void>;
  /** Resolves when it has, and if it was asked to end, all that it had started, too. */
  readonly ended: Promise<void>;
  readonly #child: Child;
  readonly #input: Input;
  readonly #output: Output;
  readonly #printer: Printer;
  readonly #never = new AbortController().signal;
  #failure: UserError | undefined;
  #hasExited = false;
  #isTerminated = false;
  #groupGone: Promise<void> | undefined;

  constructor(child: Child, command: string, shape: Shape) {
    this.#child = child;
    this.#input = new Input(this.#child.stdout, shape);
    // A program may well not read to the end (`head -1`).
    this.#output = new Output(this.#child.stdin, () => undefined);
    this.#printer = new Printer(shape);
    this.exited = new Promise((resolve) => {
      this.#child.once("error", (error) => {
        this.#failure = cannotRun(command, error.message);
        this.#hasExited = true;
        resolve();
      });
      this.#child.once("exit", (code, killer) => {
        this.#hasExited = true;
        if (code !== 0 && !this.#isTerminated) {
          const how = code === null ? `was ended by ${killer}` : `ended with exit code ${code}`;
          this.#failure = new UserError(`The program of --exec ${how}.`);
        }
        resolve();
      });
    });
    if (running.size === 0) process.once("exit", killAll);
    running.add(this);
    this.ended = this.exited.then(() => this.#groupGone).then(() => this.#forget());
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** @throws UserError if it could not be run, or has ended with another exit code than 0. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** A promise only if it is behind. */
  write(message: Message): void | Promise<void> {
    return this.#output.write(this.#printer.print(message));
  }

  /** What it has been given is all. */
  async endInput(): Promise<void> {
    await this.#output.write(this.#printer.end());
    this.#child.stdin.end();
  }

  /**
   * The next message of its output; `null` at the end.
   *
   * @throws UserError for a line that is not what it should be.
   */
  async next(): Promise<Message | null> {
    try {
      return await this.#input.next(this.#never);
    } catch (error) {
      const known = explained(error);
      if (!(known instanceof UserError)) throw error;
      throw new UserError(known.message.replace("of the input", "of the output of --exec"));
    }
  }

  /** Asks it to end, with all it has started, even if the shell itself has ended; kills what does not. */
  terminate(): void {
    if (this.#isTerminated) return;
    this.#isTerminated = true;
    this.#groupGone = this.#endGroup();
  }

  /** Ends it at once, with all it has started. */
  kill(): void {
    this.#signal("SIGKILL");
  }

  async #endGroup(): Promise<void> {
    const killAt = performance.now() + KILL_AFTER_MS;
    // A group lives as long as one of its members, so its number is nobody else's while there is somebody to
    // signal.
    let isThere = this.#signal("SIGTERM");
    while (isThere && performance.now() < killAt) {
      await delay(LOOK_MS);
      isThere = this.#signal(0);
    }
    // Not looked at again: where nobody reaps orphans (a container's first process) the dead stay members.
    if (isThere) this.kill();
  }

  #forget(): void {
    running.delete(this);
    if (running.size === 0) process.off("exit", killAll);
  }

  /** @returns false if there is nobody left. */
  #signal(name: "SIGTERM" | "SIGKILL" | 0): boolean {
    const { pid } = this.#child;
    if (pid === undefined || (!isGrouped && this.#hasExited)) return false;
    try {
      return process.kill(isGrouped ? -pid : pid, name);
    } catch (error) {
      // EPERM: one that runs as somebody else (sudo) cannot be ended. Anything else: there is none.
      return error instanceof Error && "code" in error && error.code === "EPERM" && !this.#hasExited;
    }
  }
}
