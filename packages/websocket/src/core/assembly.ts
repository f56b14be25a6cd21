import { poison } from "@zocalo/net/transport";

/** Room that is taken at once when a message's length is known; longer ones grow as their bytes come. */
const TRUSTED_BYTES = 1_048_576;
/** The first room of a message of unknown length. */
const FIRST_BYTES = 1024;
/** Room from this size on is kept for the next text, one of at most `TRUSTED_BYTES` for the whole process. */
const WORTH_KEEPING_BYTES = 65_536;

const NOTHING = Buffer.alloc(0);
let spare: Buffer | undefined;

/**
 * Where a message that comes in several portions is put together, in one buffer that grows. So 131,072 fragments of one byte
 * cost no more than one of 131,072 bytes.
 */
export class Assembly {
  #bytes: Buffer = NOTHING;
  readonly #isScratch: boolean;
  /** Bytes assembled so far. */
  length = 0;

  /** @param isScratch the bytes are not handed out, so that their memory may come from a message before, and go to one after: see `recycle`. */
  constructor(isScratch = false) {
    this.#isScratch = isScratch;
  }

  /** The buffer, valid up to `length`, until the next `append`. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /**
   * Copies `source[start..end)` to the end.
   *
   * @param due how many bytes are known to come in all, from `start` on. Memory that is announced is taken only up to 1 MiB, or three times what has come.
   */
  append(source: Uint8Array, start: number, end: number, due: number): void {
    const { length } = this;
    const need = length + (end - start);
    if (need > this.#bytes.length) {
      this.#grow(need, length + Math.min(due, Math.max(TRUSTED_BYTES, 3 * length)));
    }
    this.#bytes.set(start === 0 && end === source.length ? source : source.subarray(start, end), length);
    this.length = need;
  }

  /** For a scratch, when its bytes are not needed any more. */
  recycle(): void {
    const { length } = this.#bytes;
    if (length >= WORTH_KEEPING_BYTES && length <= TRUSTED_BYTES && length >= (spare?.length ?? 0)) {
      spare = this.#bytes;
      poison(spare);
    }
  }

  #grow(need: number, known: number): void {
    const isFirst = this.length === 0;
    const size = Math.max(
      need,
      known,
      isFirst ? 0 : this.#bytes.length * 2,
      isFirst && known === need ? 0 : FIRST_BYTES,
    );
    let grown: Buffer;
    if (this.#isScratch && spare !== undefined && size >= WORTH_KEEPING_BYTES && size <= spare.length) {
      grown = spare;
      spare = undefined;
    } else {
      grown = Buffer.allocUnsafeSlow(size);
    }
    grown.set(this.#bytes.subarray(0, this.length));
    this.#bytes = grown;
  }
}
