import { setImmediate as turn } from "node:timers/promises";
import { codeOf, drawSize, type Kept, must, mustBe, nap, type Random } from "@zocalo/integrity";
import { type Conn, NetError, toNodeStream, toWebStreams } from "@zocalo/net";

/** How our end reads. */
export const READ_STYLES = [
  "read",
  "read fast",
  "read full",
  "iterate",
  "serve",
  "serve promise",
  "serve slow",
  "serve late",
  "signals",
  "deadlines",
  "several reads",
  "node stream",
  "web streams",
] as const;
export type ReadStyle = (typeof READ_STYLES)[number];

/** How reading came to its end: in order, or by an error. */
export type ReadEnding = "end" | { readonly error: unknown };

/** What a reader is told. */
export interface ReaderOptions {
  readonly conn: Conn;
  readonly stream: number;
  readonly style: ReadStyle;
  readonly random: Random;
  readonly kept: Kept;
}

/** Reads one stream to its end, and looks at each portion as it comes. */
export class Reader {
  readonly #options: ReaderOptions;
  /** Bytes that came. */
  bytes = 0;

  constructor(options: ReaderOptions) {
    this.#options = options;
  }

  /** Resolves with how it ended. @throws IntegrityFailure at the first byte that is not as it was sent. */
  async run(): Promise<ReadEnding> {
    const { conn, style } = this.#options;
    switch (style) {
      case "serve":
      case "serve promise":
      case "serve slow":
      case "serve late":
        return this.#serve();
      case "iterate":
        return this.#until(async () => {
          for await (const bytes of conn) this.#own(bytes);
        });
      case "node stream":
        return this.#until(async () => {
          // The end of reading must not close the connection: something may still be written.
          const portions = toNodeStream(conn).iterator({ destroyOnReturn: false });
          for await (const bytes of portions) this.#own(bytes as Uint8Array);
        });
      case "web streams":
        return this.#until(async () => {
          for await (const bytes of toWebStreams(conn).readable) this.#own(bytes);
        });
      case "several reads":
        return this.#several();
      default:
        return this.#until(() => this.#loop());
    }
  }

  async #until(work: () => Promise<void>): Promise<ReadEnding> {
    try {
      await work();
      return "end";
    } catch (error) {
      if (
        error instanceof NetError ||
        codeOf(error).startsWith("ERR_STREAM") ||
        codeOf(error) === "ECONNRESET"
      )
        return { error };
      throw error;
    }
  }

  async #loop(): Promise<void> {
    const { conn, style, random } = this.#options;
    for (;;) {
      let bytes: Uint8Array | null;
      try {
        if (style === "signals") bytes = await this.#withSignal();
        else if (style === "deadlines") bytes = await this.#withDeadline();
        else if (style === "read full") bytes = await this.#full();
        else bytes = await conn.read();
      } catch (error) {
        if (style === "signals" && codeOf(error) === "canceled") continue;
        if (style === "deadlines" && codeOf(error) === "timeout") {
          conn.setReadDeadline(null);
          continue;
        }
        throw error;
      }
      if (bytes === null) return;
      this.#own(bytes);
      if (style === "read" && random.chance(0.2)) await (random.chance(0.2) ? nap(1) : turn());
    }
  }

  async #several(): Promise<ReadEnding> {
    const { conn } = this.#options;
    return this.#until(async () => {
      for (;;) {
        const settled = await Promise.allSettled([conn.read(), conn.read(), conn.read()]);
        for (const result of settled) {
          if (result.status === "fulfilled" && result.value !== null) this.#own(result.value);
        }
        const rejected = settled.find((result) => result.status === "rejected");
        if (rejected !== undefined) throw rejected.reason;
        if (settled.some((result) => result.status === "fulfilled" && result.value === null)) return;
      }
    });
  }

  async #full(): Promise<Uint8Array | null> {
    const { conn, random } = this.#options;
    const length = drawSize(random, 200_000);
    try {
      const bytes = await conn.readFull(length);
      must(
        bytes === null || bytes.length === length,
        () => `readFull(${length}) resolved with ${bytes?.length} bytes`,
      );
      return bytes;
    } catch (error) {
      if (codeOf(error) === "end_of_stream") return conn.read();
      // What came before the failure is still there to be read.
      const rest = await conn.read();
      if (rest === null) throw error;
      return rest;
    }
  }

  #withSignal(): Promise<Uint8Array | null> {
    const { conn, random } = this.#options;
    const controller = new AbortController();
    if (random.chance(0.7)) {
      const when = random.int(0, 2);
      if (when === 0) queueMicrotask(() => controller.abort());
      else if (when === 1) setImmediate(() => controller.abort());
      else setTimeout(() => controller.abort(), random.int(1, 3));
    }
    const { signal } = controller;
    return random.chance(0.5) ? conn.read({ signal }) : this.#fullWith(signal);
  }

  async #fullWith(signal: AbortSignal): Promise<Uint8Array | null> {
    const { conn, random } = this.#options;
    try {
      return await conn.readFull(drawSize(random, 100_000), { signal });
    } catch (error) {
      if (codeOf(error) === "end_of_stream") return conn.read();
      if (codeOf(error) === "canceled") throw error;
      const rest = await conn.read();
      if (rest === null) throw error;
      return rest;
    }
  }

  #withDeadline(): Promise<Uint8Array | null> {
    const { conn, random } = this.#options;
    conn.setReadDeadline(random.chance(0.5) ? Date.now() + random.int(0, 3) : null);
    return conn.read();
  }

  async #serve(): Promise<ReadEnding> {
    const { conn, style, random } = this.#options;
    if (style === "serve late") await nap(random.int(1, 5));
    return new Promise((resolve, reject) => {
      let hasEnded = false;
      conn.serve({
        data: (bytes) => {
          try {
            this.#lent(bytes);
          } catch (error) {
            reject(error);
            throw error;
          }
          if (style === "serve promise" && random.chance(0.5)) return Promise.resolve();
          if (style === "serve promise") return turn();
          if (style === "serve slow" && random.chance(0.3)) return nap(random.int(1, 3));
        },
        // Ending is the case's business.
        end: () => {
          hasEnded = true;
          resolve("end");
        },
        close: (error) => {
          if (!hasEnded) resolve({ error: error ?? new Error("closed without an end") });
        },
      });
    });
  }

  #own(bytes: Uint8Array): void {
    const { kept, stream } = this.#options;
    const { length } = bytes;
    kept.take(bytes, stream, this.bytes);
    this.bytes += length;
  }

  #lent(bytes: Uint8Array): void {
    mustBe(bytes, this.#options.stream, this.bytes, "what a handler was lent");
    this.bytes += bytes.length;
  }
}
