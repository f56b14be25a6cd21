import { isUtf8 } from "node:buffer";
import { writeSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import {
  type CloseInfo,
  type Conn,
  type ConnHandler,
  type Deadline,
  type Message,
  type MessageHandler,
  PreparedMessage,
  printableJson,
  type SendOutcome,
  type WaitOptions,
} from "@zocalo/net";
import { UserError } from "../exit-code.ts";
import { withoutSecrets } from "../secrets.ts";
import { sentence } from "./exit.ts";
import type { Link, Messages } from "./link.ts";

/** Its user alone may read it: it holds all that was said, passwords included. */
const MODE = 0o600;
/** Any permission of others. */
const OF_OTHERS = 0o077;

/**
 * `--record FILE`: what came and went, as lines of JSON. `docs/command-line.md` has the format.
 *
 * Each line is written before the connection goes on, so a slow disk holds the peers back, and what a process
 * that is killed has recorded is there. What is recorded as `out` was handed to the connection, which may
 * break before the peer has it.
 */
export class Recorder {
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #onFailed: (failure: UserError) => void;
  #lastNumber = 0;
  #isOver = false;

  private constructor(file: FileHandle, path: string, onFailed: (failure: UserError) => void) {
    this.#file = file;
    this.#path = path;
    this.#onFailed = onFailed;
  }

  /**
   * Opens the file, or makes it with mode 0600. One that is there already is added to, if only this user can
   * read it.
   *
   * @param onFailed called once, when something could not be written: a record with a gap is none.
   * @throws UserError if it cannot be opened, or others could read it.
   */
  static async open(path: string, onFailed: (failure: UserError) => void): Promise<Recorder> {
    let file: FileHandle;
    try {
      file = await open(path, "a", MODE);
    } catch (error) {
      throw failed(path, error);
    }
    const stats = await file.stat();
    const isOwn = process.getuid === undefined || stats.uid === process.getuid();
    const isPrivate = process.platform === "win32" || (stats.mode & OF_OTHERS) === 0;
    if (stats.isFile() && !(isOwn && isPrivate)) {
      await file.close();
      const whose = isOwn ? `others have access to it (mode ${modeOf(stats.mode)})` : "it is another user's";
      throw new UserError(`cannot record to ${path}: ${whose}, and a record holds all that is said`);
    }
    return new Recorder(file, path, onFailed);
  }

  /** The link, with all that comes and goes written down. */
  recorded(link: Link): Link {
    this.#lastNumber += 1;
    const tape = new Tape(this, this.#lastNumber);
    tape.write({ event: "open", peer: withoutSecrets(link.peer) });
    if (link.form === "bytes") return { ...link, conn: new RecordedConn(link.conn, tape) };
    return { ...link, conn: recordedMessages(link.conn, tape) };
  }

  /** Nothing is written after. */
  async close(): Promise<void> {
    this.#isOver = true;
    await this.#file.close();
  }

  write(entry: object): void {
    if (this.#isOver) return;
    const line = printableJson(JSON.stringify({ time: new Date().toISOString(), ...entry }));
    const bytes = Buffer.from(`${line}\n`);
    try {
      for (let start = 0; start < bytes.length; ) start += writeSync(this.#file.fd, bytes, start);
    } catch (error) {
      this.#isOver = true;
      this.#onFailed(failed(this.#path, error));
    }
  }
}

/** What the system says, without the name of its call. */
function failed(path: string, error: unknown): UserError {
  const reason = sentence(error).replace(/^E\w+: (.+?), \w+(?: '.*')?$/, "$1");
  return new UserError(`cannot record to ${path}: ${reason}`);
}

function modeOf(mode: number): string {
  return (mode & 0o777).toString(8).padStart(4, "0");
}

type Direction = "in" | "out";

/** The part of a record that is about one connection. */
class Tape {
  readonly #recorder: Recorder;
  readonly #connection: number;

  constructor(recorder: Recorder, connection: number) {
    this.#recorder = recorder;
    this.#connection = connection;
  }

  write(entry: object): void {
    this.#recorder.write({ connection: this.#connection, ...entry });
  }

  /** Text where it stands for exactly these bytes: that can be read and searched. */
  bytes(direction: Direction, bytes: Uint8Array, kind: "bytes" | "binary" = "bytes"): void {
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const data = isUtf8(view) ? { text: view.toString() } : { base64: view.toString("base64") };
    this.write({ event: "data", direction, kind, ...data });
  }

  message(direction: Direction, message: Message | PreparedMessage): void {
    const plain = message instanceof PreparedMessage ? message.message : message;
    if (typeof plain === "string") this.write({ event: "data", direction, kind: "text", text: plain });
    else this.bytes(direction, plain, "binary");
  }

  /** This direction of a stream is over; the other one may go on. */
  end(direction: Direction): void {
    this.write({ event: "end", direction });
  }
}

function recordedMessages(conn: Messages, tape: Tape): Messages {
  let isServed = false;
  let hasClosed = false;
  /** Told once. A connection that nobody serves tells nobody: whoever closes it does. */
  const closed = (details: object): void => {
    if (hasClosed) return;
    hasClosed = true;
    tape.write({ event: "close", ...details });
  };
  return {
    serve(handler: MessageHandler) {
      isServed = true;
      conn.serve({
        ...(handler.drain === undefined ? {} : { drain: () => handler.drain?.() }),
        message: (message) => {
          tape.message("in", message);
          return handler.message(message);
        },
        close: (info: CloseInfo) => {
          const { code, reason, wasClean, error } = info;
          closed({ code, reason, wasClean, error: error?.message });
          handler.close?.(info);
        },
      });
    },
    send(message, options) {
      tape.message("out", message);
      return conn.send(message, options);
    },
    trySend(message): SendOutcome {
      const outcome = conn.trySend(message);
      if (outcome !== "refused") tape.message("out", message);
      return outcome;
    },
    close: (code, reason) => {
      if (!isServed) closed({ code, reason });
      return conn.close(code, reason);
    },
    abort: () => {
      if (!isServed) closed({});
      conn.abort();
    },
  };
}

/** A connection that tells its tape what comes and goes, and does what the one below does. */
class RecordedConn implements Conn {
  readonly localAddr: Conn["localAddr"];
  readonly remoteAddr: Conn["remoteAddr"];
  readonly #conn: Conn;
  readonly #tape: Tape;
  #hasClosed = false;
  /** By this side, so that a direction may not have come to its end. */
  #isClosing = false;

  constructor(conn: Conn, tape: Tape) {
    this.#conn = conn;
    this.#tape = tape;
    this.localAddr = conn.localAddr;
    this.remoteAddr = conn.remoteAddr;
  }

  get tls(): Conn["tls"] {
    return this.#conn.tls;
  }

  get bytesRead(): number {
    return this.#conn.bytesRead;
  }

  get bytesWritten(): number {
    return this.#conn.bytesWritten;
  }

  ref(): void {
    this.#conn.ref();
  }

  unref(): void {
    this.#conn.unref();
  }

  setNoDelay(isOn: boolean): void {
    this.#conn.setNoDelay(isOn);
  }

  setKeepAlive(isOn: boolean, idleMs?: number): void {
    this.#conn.setKeepAlive(isOn, idleMs);
  }

  async read(options?: WaitOptions): Promise<Uint8Array | null> {
    return this.#received(await this.#conn.read(options));
  }

  async readFull(length: number, options?: WaitOptions): Promise<Uint8Array | null> {
    return this.#received(await this.#conn.readFull(length, options));
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    try {
      for await (const bytes of this.#conn) {
        this.#tape.bytes("in", bytes);
        yield bytes;
      }
    } catch (error) {
      this.#closed(error);
      throw error;
    }
    this.#tape.end("in");
  }

  serve(handler: ConnHandler): void {
    const end = (): void | Promise<void> => {
      this.#tape.end("in");
      return handler.end?.();
    };
    this.#conn.serve({
      data: (bytes) => {
        this.#tape.bytes("in", bytes);
        return handler.data(bytes);
      },
      // Without one the connection closes by itself once all has been sent, and nobody is told before.
      ...(handler.end === undefined ? {} : { end }),
      close: (error) => {
        if (handler.end === undefined && error === undefined && !this.#isClosing) {
          this.#tape.end("in");
          this.#tape.end("out");
        }
        this.#closed(error);
        handler.close?.(error);
      },
    });
  }

  write(bytes: Uint8Array, options?: WaitOptions): Promise<void> {
    this.#tape.bytes("out", bytes);
    return this.#conn.write(bytes, options);
  }

  writev(parts: readonly Uint8Array[], options?: WaitOptions): Promise<void> {
    this.#tape.bytes("out", Buffer.concat(parts));
    return this.#conn.writev(parts, options);
  }

  closeWrite(options?: WaitOptions): Promise<void> {
    this.#tape.end("out");
    return this.#conn.closeWrite(options);
  }

  closeRead(): void {
    this.#conn.closeRead();
  }

  async close(options?: WaitOptions): Promise<void> {
    this.#isClosing = true;
    try {
      await this.#conn.close(options);
      this.#closed(undefined);
    } catch (error) {
      this.#closed(error);
      throw error;
    }
  }

  abort(): void {
    this.#isClosing = true;
    this.#closed(undefined);
    this.#conn.abort();
  }

  setDeadline(at: Deadline): void {
    this.#conn.setDeadline(at);
  }

  setReadDeadline(at: Deadline): void {
    this.#conn.setReadDeadline(at);
  }

  setWriteDeadline(at: Deadline): void {
    this.#conn.setWriteDeadline(at);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#conn[Symbol.asyncDispose]();
    this.#closed(undefined);
  }

  #received(bytes: Uint8Array | null): Uint8Array | null {
    if (bytes === null) this.#tape.end("in");
    else this.#tape.bytes("in", bytes);
    return bytes;
  }

  /** Told once, by whichever call notices first. */
  #closed(error: unknown): void {
    if (this.#hasClosed) return;
    this.#hasClosed = true;
    this.#tape.write({ event: "close", error: error === undefined ? undefined : sentence(error) });
  }
}
