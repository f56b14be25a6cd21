const LF = 0x0a;
const CR = 0x0d;

/**
 * Cuts a stream of bytes into lines, wherever the stream itself is cut. A line ends with `\n` or `\r\n`, and
 * the last one may have no end.
 */
export class LineSplitter {
  readonly #maxBytes: number;
  readonly #tooLong: () => Error;
  #begun: Buffer[] = [];
  #begunBytes = 0;

  /**
   * @param maxBytes longest line, without its end.
   * @param tooLong makes what is thrown for one that is longer.
   */
  constructor(maxBytes: number, tooLong: () => Error) {
    this.#maxBytes = maxBytes;
    this.#tooLong = tooLong;
  }

  /**
   * The lines that `chunk` ends, without their ends. They are views of it as far as they can be. To be
   * iterated to the end.
   */
  *write(chunk: Buffer): Generator<Buffer, void> {
    let start = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      yield this.#whole(chunk.subarray(start, end));
      start = end + 1;
    }
    if (start < chunk.length) {
      const rest = chunk.subarray(start);
      this.#begun.push(rest);
      this.#begunBytes += rest.length;
      // One byte more may be the "\r" that does not count.
      if (this.#begunBytes > this.#maxBytes + 1) throw this.#tooLong();
    }
  }

  /** The last line, if the stream did not end with a newline. */
  end(): Buffer | undefined {
    return this.#begunBytes === 0 ? undefined : this.#whole(Buffer.alloc(0));
  }

  #whole(rest: Buffer): Buffer {
    let line = rest;
    if (this.#begun.length > 0) {
      this.#begun.push(rest);
      line = Buffer.concat(this.#begun);
      this.#begun = [];
      this.#begunBytes = 0;
    }
    if (line.at(-1) === CR) line = line.subarray(0, -1);
    if (line.length > this.#maxBytes) throw this.#tooLong();
    return line;
  }
}
