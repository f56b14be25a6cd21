/** Joined runs longer than this are written piece by piece instead. */
const MAX_JOINED_BYTES = 262_144;

/**
 * A sequence of frames that several connections have pending in one turn of the event loop.
 *
 * Connections to which the same frames were sent in the same order hold the very same object, so the bytes are joined once and the
 * same buffer is written to all of them. Each step remembers only the last way on: in a broadcast that is the one all others take.
 */
export class SharedRun {
  readonly #before: SharedRun | null;
  readonly #frame: Uint8Array;
  /** Bytes of all frames up to this one. */
  readonly byteLength: number;
  #nextFrame: Uint8Array | null = null;
  #next: SharedRun | null = null;
  #joined: Uint8Array | null = null;

  private constructor(before: SharedRun | null, frame: Uint8Array) {
    this.#before = before;
    this.#frame = frame;
    this.byteLength = (before === null ? 0 : before.byteLength) + frame.length;
  }

  /** The run of `frame` alone. */
  static of(frame: Uint8Array): SharedRun {
    if (firstFrame === frame && first !== null) return first;
    firstFrame = frame;
    first = new SharedRun(null, frame);
    return first;
  }

  /** Lets go of what is kept for sharing; call at the end of a turn. */
  static endTurn(): void {
    firstFrame = null;
    first = null;
  }

  /** This run and then `frame`. */
  with(frame: Uint8Array): SharedRun {
    if (this.#nextFrame === frame && this.#next !== null) return this.#next;
    this.#nextFrame = frame;
    this.#next = new SharedRun(this, frame);
    return this.#next;
  }

  /** True if another frame of `bytes` may join. */
  hasRoomFor(bytes: number): boolean {
    return this.byteLength + bytes <= MAX_JOINED_BYTES;
  }

  /** All bytes in one array; it is shared and must not be changed. */
  joined(): Uint8Array {
    if (this.#before === null) return this.#frame;
    if (this.#joined === null) {
      const joined = Buffer.allocUnsafeSlow(this.byteLength);
      let at = this.byteLength;
      at -= this.#frame.length;
      joined.set(this.#frame, at);
      for (let run: SharedRun | null = this.#before; run !== null; run = run.#before) {
        at -= run.#frame.length;
        joined.set(run.#frame, at);
      }
      this.#joined = joined;
    }
    return this.#joined;
  }
}

let firstFrame: Uint8Array | null = null;
let first: SharedRun | null = null;
