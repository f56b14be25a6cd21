import type { Duplex } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import type { Random } from "./random.ts";
import { nap } from "./run.ts";
import { stamped } from "./stamp.ts";

/** How the far end reads. */
export const FAR_READINGS = ["fast", "slow", "stalled", "one byte"] as const;
export type FarReading = (typeof FAR_READINGS)[number] | "never" | "after end";

/** How the far end cuts what it writes into portions. */
export const FAR_WRITINGS = ["whole", "portions", "one byte"] as const;
export type FarWriting = (typeof FAR_WRITINGS)[number];

/** Bytes that are read, or written, one at a time before the rest goes on faster. */
const SINGLE_BYTES = 300;
/** A slow reader takes a rest after so many bytes. */
const SLOW_BYTES = 65_536;

/** What the far end saw as its end. */
export type FarEnding = "end" | "cut";

/** The other end of a connection under test: it keeps what it reads, and writes stamped bytes. */
export class FarEnd {
  readonly stream: Duplex;
  readonly received: Uint8Array[] = [];
  receivedBytes = 0;
  /** Resolves with how reading came to an end. */
  readonly ended: Promise<FarEnding>;
  /** Told of each portion, in order. */
  onBytes: ((bytes: Uint8Array) => void) | undefined;
  readonly #random: Random;
  #wake: (() => void) | undefined;
  #thresholds: { bytes: number; reached: () => void }[] = [];

  /** @param mayRead A stalled reader reads then. Default: after some milliseconds. */
  constructor(stream: Duplex, reading: FarReading, random: Random, mayRead?: Promise<void>) {
    this.stream = stream;
    this.#random = random;
    stream.on("readable", () => this.#wakeUp());
    stream.on("close", () => this.#wakeUp());
    stream.on("end", () => this.#wakeUp());
    this.ended = this.#read(reading, mayRead);
    this.ended.catch(() => undefined); // whoever needs it awaits it
  }

  /** Resolves once so many bytes were read, or nothing more comes. */
  hasRead(bytes: number): Promise<void> {
    if (this.receivedBytes >= bytes) return Promise.resolve();
    const reached = new Promise<void>((resolve) => this.#thresholds.push({ bytes, reached: resolve }));
    return Promise.race([reached, this.ended.then(() => undefined)]);
  }

  /**
   * Writes `length` bytes of `stream`; resolves when they are taken, or when nothing can be written any more.
   */
  async write(stream: number, length: number, writing: FarWriting): Promise<void> {
    for (let at = 0; at < length; ) {
      const size =
        writing === "whole"
          ? 262_144
          : writing === "portions"
            ? this.#random.int(1, 40_000)
            : at < SINGLE_BYTES
              ? 1
              : 20_000;
      const portion = stamped(stream, at, Math.min(size, length - at));
      if (!(await this.put(portion))) return;
      at += portion.length;
      if (writing === "one byte" && at < SINGLE_BYTES && at % 16 === 0) await turn();
    }
  }

  /** Writes `bytes`; `false` when they could not be. */
  put(bytes: Uint8Array): Promise<boolean> {
    const { stream } = this;
    if (stream.destroyed || stream.writableEnded) return Promise.resolve(false);
    return new Promise((resolve) => {
      const onClose = (): void => resolve(false);
      stream.once("close", onClose);
      stream.write(bytes, (error) => {
        stream.off("close", onClose);
        resolve(error === null || error === undefined);
      });
    });
  }

  end(): void {
    if (!this.stream.destroyed) this.stream.end();
  }

  async #read(reading: FarReading, mayRead: Promise<void> | undefined): Promise<FarEnding> {
    const { stream } = this;
    if (reading === "stalled") await Promise.race([mayRead ?? nap(this.#random.int(5, 40)), this.#closed()]);
    if (reading === "never") await this.#closed();
    if (reading === "after end") await Promise.race([this.#finished(), this.#closed()]);
    let rested = 0;
    for (;;) {
      if (stream.destroyed && !stream.readableEnded) return "cut";
      const isSingle = reading === "one byte" && this.receivedBytes < SINGLE_BYTES;
      const chunk = stream.read(isSingle ? 1 : undefined) as Uint8Array | null;
      if (chunk !== null) {
        this.#keep(chunk);
        if (reading === "slow" && this.receivedBytes - rested > SLOW_BYTES) {
          rested = this.receivedBytes;
          await nap(this.#random.int(1, 4));
        }
        continue;
      }
      if (stream.readableEnded) return "end";
      if (stream.destroyed) return "cut";
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #keep(chunk: Uint8Array): void {
    this.received.push(chunk);
    this.receivedBytes += chunk.length;
    this.onBytes?.(chunk);
    const reached = this.#thresholds.filter(({ bytes }) => bytes <= this.receivedBytes);
    this.#thresholds = this.#thresholds.filter(({ bytes }) => bytes > this.receivedBytes);
    for (const threshold of reached) threshold.reached();
  }

  #finished(): Promise<void> {
    const { stream } = this;
    if (stream.writableFinished) return Promise.resolve();
    return new Promise((resolve) => stream.once("finish", () => resolve()));
  }

  #closed(): Promise<void> {
    const { stream } = this;
    if (stream.destroyed) return Promise.resolve();
    return new Promise((resolve) => stream.once("close", () => resolve()));
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
