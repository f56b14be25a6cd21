import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { type CloseInfo, type Conn, type Message, printable } from "@zocalo/net";
import { UserError } from "../exit-code.ts";
import { explained } from "./exit.ts";
import type { Flags } from "./flags.ts";
import { IdleTimer } from "./idle-timer.ts";
import { Input } from "./input.ts";
import { closeWords, type End, isErrorCode, type Link, type MessageLink } from "./link.ts";
import { Output } from "./output.ts";
import { Printer, type Shape } from "./shape.ts";

/** How long a program that was asked to end (SIGTERM) may take before it is killed, in milliseconds. */
const KILL_AFTER_MS = 2000;
/** RFC 6455 §7.4.1: a condition that prevents the server from fulfilling the request. */
const INTERNAL_ERROR = 1011;

/**
 * `--exec`: joins a connection with the standard input and output of a program of its own, by the rules of `shape`, until both have ended.
 *
 * The end of what a peer sends is the end of the program's input, and the end of its output ends what is sent. A program whose connection has
 * broken, was silent for too long, or is to stop, gets SIGTERM, and what it has started does, too.
 *
 * @throws UserError if it fails itself; what broke the connection.
 */
export async function runProgram(link: Link, shape: Shape, flags: Flags, signal: AbortSignal): Promise<End> {
  const program = new Program(flags.exec ?? "", link.peer, shape);
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
    await program.exited;
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
  const closed = new Promise<void>((resolve) => {
    conn.serve({
      message(message) {
        touch();
        return program.write(message);
      },
      close(how) {
        info = how;
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
      // What a peer that has closed does not get is thrown away, so that the program comes to its end.
      if (info !== undefined) continue;
      await conn.send(message).catch((error: unknown) => {
        if (info === undefined && hasEnd) throw error;
      });
      touch();
    }
    await program.exited;
    if (program.hasFailed) await conn.close(INTERNAL_ERROR);
    else await conn.close(close?.code, close?.reason);
  };
  await Promise.all([inward, outward()]);
  program.check();
}

/** A program in a shell, and in a process group of its own. */
class Program {
  /** Resolves when it has ended, or could not begin. */
  readonly exited: Promise<void>;
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #input: Input;
  readonly #output: Output;
  readonly #printer: Printer;
  readonly #never = new AbortController().signal;
  #failure: UserError | undefined;
  #hasExited = false;
  #isTerminated = false;

  constructor(command: string, peer: string, shape: Shape) {
    const isGrouped = process.platform !== "win32";
    this.#child = spawn(command, {
      shell: true,
      // What the command starts is of its group, and is ended with it.
      detached: isGrouped,
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, PEER_ADDRESS: printable(peer) },
    });
    this.#input = new Input(this.#child.stdout, shape);
    // A program may well not read to the end (`head -1`).
    this.#output = new Output(this.#child.stdin, () => undefined);
    this.#printer = new Printer(shape);
    this.exited = new Promise((resolve) => {
      this.#child.once("error", (error) => {
        this.#failure = new UserError(`Cannot run ${JSON.stringify(command)}: ${error.message}.`);
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

  /** The next message of its output; `null` at the end. @throws UserError for a line that is not what it should be. */
  async next(): Promise<Message | null> {
    try {
      return await this.#input.next(this.#never);
    } catch (error) {
      const known = explained(error);
      if (!(known instanceof UserError)) throw error;
      throw new UserError(known.message.replace("of the input", "of the output of --exec"));
    }
  }

  /** Asks it to end, with all it has started; kills it if it does not. */
  terminate(): void {
    if (this.#hasExited || this.#isTerminated) return;
    this.#isTerminated = true;
    this.#signal("SIGTERM");
    const timer = setTimeout(() => this.#signal("SIGKILL"), KILL_AFTER_MS);
    void this.exited.then(() => clearTimeout(timer));
  }

  #signal(name: "SIGTERM" | "SIGKILL"): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(process.platform === "win32" ? pid : -pid, name);
    } catch {
      // It has just ended: `exited` tells.
    }
  }
}
