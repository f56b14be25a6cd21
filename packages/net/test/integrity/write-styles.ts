import { setImmediate as turn } from "node:timers/promises";
import {
  CALLER_POISON,
  codeOf,
  drawSize,
  must,
  nap,
  type Random,
  stamp,
  stamped,
  StreamLedger,
} from "@zocalo/integrity";
import { type Conn, NetError, toNodeStream, toWebStreams } from "@zocalo/net";

/** How our end writes. */
export const WRITE_STYLES = [
  "awaited",
  "one buffer",
  "burst",
  "writev",
  "writev burst",
  "signals",
  "burst with signals",
  "deadlines",
  "nobody waits",
  "node stream",
  "web streams",
] as const;
export type WriteStyle = (typeof WRITE_STYLES)[number];

/** Styles, of writing or reading, after which a connection belongs to a stream that closes it. */
export function isAdapter(style: string): boolean {
  return style === "node stream" || style === "web streams";
}

/** What a writer is told. */
export interface WriterOptions {
  readonly conn: Conn;
  readonly ledger: StreamLedger;
  readonly bytes: number;
  readonly style: WriteStyle;
  readonly random: Random;
  /**
   * False where the far end may look at bytes that were already said to be taken; then the writer leaves its
   * buffers alone.
   */
  readonly mayOverwrite: boolean;
}

/** Most bytes of one write of a long stream, so that there are several. */
const PORTION_BYTES = 300_000;

/**
 * Writes `bytes` of the ledger's stream, books each call, and overwrites its own memory as soon as the docs
 * allow.
 */
export class Writer {
  readonly #options: WriterOptions;
  readonly #pending: Promise<unknown>[] = [];
  /** Set when nothing more can be written. */
  failure: unknown;

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** Resolves when every call has settled. */
  async run(): Promise<void> {
    const { style, bytes, ledger } = this.#options;
    if (style === "node stream") return this.#throughNode();
    if (style === "web streams") return this.#throughWeb();
    while (ledger.position < bytes && this.failure === undefined) {
      switch (style) {
        case "awaited":
        case "writev":
          await this.#write(style === "writev");
          break;
        case "one buffer":
          await this.#fromOneBuffer();
          break;
        case "burst":
        case "writev burst":
          this.#pending.push(this.#write(style === "writev burst"));
          // So that some are issued from another turn than the first.
          if (this.#options.random.chance(0.05)) await turn();
          break;
        case "signals":
          await this.#write(false, this.#signal());
          break;
        case "burst with signals":
          await this.#cancelledBurst();
          break;
        case "deadlines":
          await this.#withDeadline();
          break;
        case "nobody waits":
          this.#ignored();
          if (this.#options.random.chance(0.05)) await turn();
          break;
      }
    }
    await Promise.all(this.#pending);
  }

  async #write(isVector: boolean, signal?: AbortSignal): Promise<void> {
    const { conn, ledger, random } = this.#options;
    const buffer = stamped(ledger.stream, ledger.position, this.#size());
    const handed = ledger.hand(buffer.length);
    try {
      await (isVector ? conn.writev(cut(buffer, random)) : conn.write(buffer, { signal }));
      ledger.taken(handed);
      this.#overwrite(buffer);
    } catch (error) {
      this.#settleRejected(handed, error);
    }
  }

  async #fromOneBuffer(): Promise<void> {
    const { conn, ledger, bytes, mayOverwrite } = this.#options;
    const buffer = Buffer.allocUnsafeSlow(Math.max(1, Math.min(this.#size(), PORTION_BYTES)));
    for (let i = 0; i < 20 && ledger.position < bytes && this.failure === undefined; i += 1) {
      const portion = buffer.subarray(0, Math.min(buffer.length, bytes - ledger.position));
      const own = mayOverwrite ? portion : Buffer.allocUnsafeSlow(portion.length);
      stamp(own, ledger.stream, ledger.position);
      const handed = ledger.hand(own.length);
      try {
        await conn.write(own);
        ledger.taken(handed);
      } catch (error) {
        // A write that was cut short still reads from the buffer, which is not used again.
        this.#settleRejected(handed, error);
      }
    }
  }

  async #cancelledBurst(): Promise<void> {
    const { ledger, bytes, random, conn } = this.#options;
    // Each is handed what follows the one before as if that were taken whole; the ledger knows what was not.
    const writes: Promise<void>[] = [];
    const count = random.int(2, 6);
    for (let i = 0; i < count && ledger.position < bytes; i += 1) {
      const buffer = stamped(ledger.stream, ledger.position, this.#size());
      const handed = ledger.hand(buffer.length);
      const signal = random.chance(0.5) ? this.#signal() : undefined;
      writes.push(
        conn.write(buffer, { signal }).then(
          () => {
            ledger.taken(handed);
            this.#overwrite(buffer);
          },
          (error: unknown) => {
            // What follows it was handed over already, so that nothing goes on where it was cut.
            ledger.rejected(handed, error);
            if (!isCut(error)) this.failure ??= error;
          },
        ),
      );
    }
    await Promise.all(writes);
  }

  async #withDeadline(): Promise<void> {
    const { conn, random } = this.#options;
    const isSoon = random.chance(0.5);
    if (isSoon) conn.setWriteDeadline(Date.now() + random.int(0, 4));
    await this.#write(false);
    if (isSoon) conn.setWriteDeadline(null);
  }

  #ignored(): void {
    const { conn, ledger } = this.#options;
    const handed = ledger.hand(Math.min(this.#size(), 100_000));
    ledger.unknown(handed);
    void conn.write(stamped(ledger.stream, handed.start, handed.length));
  }

  async #throughNode(): Promise<void> {
    const { conn, ledger, bytes, random } = this.#options;
    const stream = toNodeStream(conn);
    const gone = new Promise<void>((resolve) => stream.once("close", resolve));
    stream.on("error", (error) => (this.failure ??= error));
    while (ledger.position < bytes && this.failure === undefined) {
      const buffer = stamped(ledger.stream, ledger.position, this.#size());
      const handed = ledger.hand(buffer.length);
      const written = new Promise<void>((resolve) => {
        stream.write(buffer, (error) => {
          if (error) {
            ledger.unknown(handed);
            this.failure ??= error;
          } else {
            ledger.taken(handed);
            this.#overwrite(buffer);
          }
          resolve();
        });
      });
      this.#pending.push(written);
      if (random.chance(0.5)) await Promise.race([written, gone]);
    }
    await Promise.race([Promise.all(this.#pending), gone]);
    await turn();
    stream.end();
    await Promise.race([gone, new Promise<void>((resolve) => stream.once("finish", resolve))]);
  }

  async #throughWeb(): Promise<void> {
    const { conn, ledger, bytes } = this.#options;
    const { writable } = toWebStreams(conn);
    const writer = writable.getWriter();
    writer.closed.catch((error: unknown) => (this.failure ??= error));
    while (ledger.position < bytes && this.failure === undefined) {
      const buffer = stamped(ledger.stream, ledger.position, this.#size());
      const handed = ledger.hand(buffer.length);
      try {
        await writer.write(buffer);
        ledger.taken(handed);
        this.#overwrite(buffer);
      } catch (error) {
        // The stream knows no number of bytes.
        ledger.rejected(handed, error);
        ledger.unknown(handed);
        this.failure ??= error;
      }
    }
    try {
      await writer.close();
    } catch (error) {
      this.failure ??= error;
    }
  }

  /** Goes on where a call that was cut short says. */
  #settleRejected(handed: ReturnType<StreamLedger["hand"]>, error: unknown): void {
    const { ledger, style } = this.#options;
    const taken = ledger.rejected(handed, error);
    const isAlone = style === "signals" || style === "deadlines";
    if (isAlone && isCut(error) && codeOf(error) !== "closed") ledger.position = handed.start + taken;
    else this.failure ??= error;
  }

  #overwrite(buffer: Uint8Array): void {
    if (this.#options.mayOverwrite) buffer.fill(CALLER_POISON);
  }

  #size(): number {
    const { bytes, ledger, random } = this.#options;
    const left = bytes - ledger.position;
    // Of a long stream at least a twentieth at once, or it would take too many calls.
    const size = Math.max(drawSize(random, PORTION_BYTES), Math.floor(bytes / 40));
    return Math.min(left, size);
  }

  #signal(): AbortSignal {
    const { random } = this.#options;
    const controller = new AbortController();
    const when = random.int(0, 3);
    if (when === 0) void turn().then(() => controller.abort());
    else if (when === 1) void nap(random.int(1, 4)).then(() => controller.abort());
    else if (when === 2) queueMicrotask(() => controller.abort());
    return controller.signal;
  }
}

function isCut(error: unknown): boolean {
  must(error instanceof NetError, () => `a write rejects with what is no NetError: ${String(error)}`);
  return error.code === "canceled" || error.code === "timeout" || error.code === "closed";
}

/** The same bytes in one to six parts, some of them empty. */
function cut(bytes: Uint8Array, random: Random): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (let i = random.int(0, 5); i > 0; i -= 1) {
    const end = random.int(at, bytes.length);
    parts.push(bytes.subarray(at, end));
    at = end;
  }
  parts.push(bytes.subarray(at));
  return parts;
}
