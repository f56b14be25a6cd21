import { isUtf8 } from "node:buffer";
import type { Message } from "@zocalo/net";
import { UserError } from "../exit-code.ts";
import type { Flags } from "./flags.ts";
import { LineSplitter } from "./line-splitter.ts";
import { DATAGRAM_BYTES, portions } from "./shape.ts";

/**
 * Cuts a stream into messages for `zocalo relay`: portions as they come, which are binary, or lines, which
 * are text.
 */
export class StreamMessages {
  readonly #isByLine: boolean;
  readonly #isText: boolean;
  readonly #maxPortionBytes: number;
  readonly #lines: LineSplitter;
  #number = 0;

  /** @param isForDatagrams what becomes of them: datagrams, or messages of a WebSocket. */
  constructor(isForDatagrams: boolean, { lines, binary, maxMessage }: Flags) {
    this.#isByLine = lines === true;
    this.#isText = this.#isByLine && binary !== true && !isForDatagrams;
    this.#maxPortionBytes = isForDatagrams ? DATAGRAM_BYTES : maxMessage;
    this.#lines = new LineSplitter(
      maxMessage,
      () =>
        new UserError(`${this.#name()} of the stream is longer than ${maxMessage} bytes (--max-message).`),
    );
  }

  /**
   * @param bytes are lent: what is yielded is a copy.
   * @throws UserError for a line that is too long, or no UTF-8.
   */
  *of(bytes: Uint8Array): Generator<Message, void> {
    const copy = Buffer.from(bytes);
    const units = this.#isByLine ? this.#lines.write(copy) : portions(copy, this.#maxPortionBytes);
    for (const unit of units) yield this.#message(unit);
  }

  /** What is left when the stream has ended. */
  *end(): Generator<Message, void> {
    const rest = this.#lines.end();
    if (rest !== undefined) yield this.#message(rest);
  }

  #message(unit: Buffer): Message {
    const message = this.#isText ? textOf(unit, `${this.#name()} of the stream`, "use --binary") : unit;
    this.#number += 1;
    return message;
  }

  #name(): string {
    return `Line ${this.#number + 1}`;
  }
}

/** @throws UserError if the bytes are no UTF-8. */
export function textOf(bytes: Uint8Array, name: string, advice: string): string {
  if (isUtf8(bytes)) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
  throw new UserError(`${name} is not UTF-8, so it cannot be sent as text; ${advice}.`);
}
