import { Duplex } from "node:stream";

/**
 * Two streams of Node's that are joined in memory and know nothing of sockets.
 *
 * @param isHolding The first says at once that it is done with a chunk and looks at it later, as streams that
 *   batch, compress or encrypt do.
 */
export function duplexPair(isHolding: boolean): [Duplex, Duplex] {
  const a = new Half(isHolding);
  const b = new Half(false);
  a.other = b;
  b.other = a;
  return [a, b];
}

/** How many turns of the event loop a chunk is held. */
const HELD_TURNS = 3;

type Done = (error?: Error | null) => void;

class Half extends Duplex {
  other: Half | undefined;
  readonly #isHolding: boolean;
  #onRead: (() => void) | undefined;
  /** Held chunks, in order; moved by one chain of turns. */
  #held: { chunk: Uint8Array | null; turns: number; done?: Done }[] = [];

  constructor(isHolding: boolean) {
    super({ allowHalfOpen: true, highWaterMark: 65_536 });
    this.#isHolding = isHolding;
  }

  override _read(): void {
    const onRead = this.#onRead;
    this.#onRead = undefined;
    if (onRead !== undefined) setImmediate(onRead);
  }

  override _write(chunk: Uint8Array, _encoding: string, done: Done): void {
    if (this.#isHolding) {
      this.#hold({ chunk, turns: HELD_TURNS });
      // Some are taken while others are still held, as a stream with a buffer does it.
      if (this.#held.length < 8) done();
      else this.#hold({ chunk: new Uint8Array(0), turns: 0, done });
      return;
    }
    this.#give(Buffer.from(chunk), done);
  }

  override _final(done: Done): void {
    if (this.#isHolding) this.#hold({ chunk: null, turns: 0, done });
    else this.#give(null, done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const other = this.other;
    setImmediate(() => {
      if (other === undefined || other.destroyed) return;
      if (error !== null || !this.writableFinished) {
        other.destroy(Object.assign(new Error("the other end was cut"), { code: "ECONNRESET" }));
      }
    });
    done(error);
  }

  #hold(held: { chunk: Uint8Array | null; turns: number; done?: Done }): void {
    this.#held.push(held);
    if (this.#held.length === 1) setImmediate(() => this.#moveHeld());
  }

  #moveHeld(): void {
    const first = this.#held[0];
    if (first === undefined || this.destroyed) return;
    if (first.turns > 0) {
      first.turns -= 1;
      setImmediate(() => this.#moveHeld());
      return;
    }
    const next: Done = (error) => {
      if (error) {
        this.destroy(error);
        return;
      }
      this.#held.shift();
      if (this.#held.length > 0) setImmediate(() => this.#moveHeld());
      first.done?.();
    };
    if (first.chunk?.length === 0) next();
    else this.#give(first.chunk === null ? null : Buffer.from(first.chunk), next);
  }

  #give(chunk: Uint8Array | null, done: Done): void {
    const other = this.other;
    if (other === undefined || other.destroyed) {
      return done(Object.assign(new Error("the other end is gone"), { code: "EPIPE" }));
    }
    if (other.push(chunk) || chunk === null) done();
    else other.#onRead = done;
  }
}
