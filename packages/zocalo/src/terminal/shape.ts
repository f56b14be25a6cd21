import { isUtf8 } from "node:buffer";
import { type Message, printableLines } from "@zocalo/net";
import { EXIT, UserError } from "../exit-code.ts";
import type { Flags } from "./flags.ts";
import { LineSplitter } from "./line-splitter.ts";
import type { Scheme } from "./target.ts";

/** How the terminal's bytes stand for what a connection carries. */
export interface Shape {
  /** What of the input is sent at a time: a portion as it comes, or a line. */
  readonly unit: "portion" | "line";
  /** Lines of hexadecimal digits stand for bytes, both ways. */
  readonly isHex: boolean;
  /** What comes is shown on a terminal, which must not obey it. */
  readonly isForPeople: boolean;
  /** Messages are sent as text. */
  readonly isText: boolean;
  /** The connection is a stream whose lines are what counts. */
  readonly isLineStream: boolean;
  /** Messages become lines of a stream, so none can hold a newline. */
  readonly isFramedByLine: boolean;
  /** Longest portion, in bytes. */
  readonly maxPortionBytes: number;
  /** Longest line, in bytes. */
  readonly maxLineBytes: number;
}

const NEWLINE = Buffer.from("\n");

/**
 * What is sent for one portion or line of the input.
 *
 * @param number which line it is, for the message.
 * @throws UserError (exit code 2) for a line that is not what it should be.
 */
export function toMessage(unit: Buffer, shape: Shape, number: number): Message {
  let bytes = shape.isHex ? fromHex(unit, number) : unit;
  if (shape.isLineStream) bytes = Buffer.concat([bytes, NEWLINE]);
  if (!shape.isText) return bytes;
  if (isUtf8(bytes)) return bytes.toString("utf8");
  throw new UserError(
    `Line ${number} of the input is not UTF-8, so it cannot be sent as text; use --binary or --hex.`,
    EXIT.usage,
  );
}

/**
 * A message as those that are sent: a newline in it (from `--hex`) ends a line and begins the next, as it
 * does on the stream itself.
 */
export function* linesOf(message: Message, shape: Shape): Generator<Message, void> {
  if (!shape.isFramedByLine || typeof message === "string") {
    yield message;
    return;
  }
  const bytes = viewOf(message);
  let start = 0;
  for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
    yield bytes.subarray(start, end);
    start = end + 1;
  }
  yield bytes.subarray(start);
}

/** Turns what comes from one connection into what is written to standard output. */
export class Printer {
  readonly #shape: Shape;
  readonly #lines: LineSplitter | undefined;
  readonly #text = new TerminalText();

  constructor(shape: Shape) {
    this.#shape = shape;
    this.#lines = shape.isLineStream
      ? new LineSplitter(
          shape.maxLineBytes,
          () =>
            new UserError(`The peer sent a line longer than ${shape.maxLineBytes} bytes (--max-message).`),
        )
      : undefined;
  }

  /** @throws UserError for a line of a stream that is too long. */
  print(message: Message): Buffer {
    const bytes = typeof message === "string" ? Buffer.from(message) : viewOf(message);
    if (this.#lines === undefined) return this.#printOne(bytes);
    return Buffer.concat(Array.from(this.#lines.write(bytes), (line) => this.#printOne(line)));
  }

  /** What is left when the connection has ended. */
  end(): Buffer {
    const rest = this.#lines?.end();
    return rest === undefined ? Buffer.from(this.#text.end()) : this.#printOne(rest);
  }

  #printOne(bytes: Buffer): Buffer {
    if (this.#shape.isHex)
      return Buffer.from(`${bytes.toString("hex").replace(/..(?!$)/g, "$& ")}\n`, "latin1");
    const isLine = this.#shape.unit === "line";
    if (this.#shape.isForPeople) {
      return Buffer.from(isLine ? `${printableLines(bytes.toString())}\n` : this.#text.write(bytes));
    }
    return isLine ? Buffer.concat([bytes, NEWLINE]) : bytes;
  }
}

/**
 * Portions of a text, wherever it is cut, as `printableLines` shows them. What is no UTF-8 becomes U+FFFD.
 */
class TerminalText {
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  /** A carriage return that is shown, unless it turns out to belong to the end of a line. */
  #held = "";

  write(bytes: Uint8Array): string {
    return this.#show(this.#decoder.decode(bytes, { stream: true }));
  }

  /** What was held back at the end of the last portion. */
  end(): string {
    return printableLines(this.#held + this.#decoder.decode());
  }

  #show(more: string): string {
    const text = this.#held + more;
    this.#held = text.endsWith("\r") ? "\r" : "";
    return printableLines(text.slice(0, text.length - this.#held.length));
  }
}

function fromHex(line: Buffer, number: number): Buffer {
  const digits = line.toString("latin1").replace(/\s/g, "");
  if (/^(?:[\da-f]{2})*$/i.test(digits)) return Buffer.from(digits, "hex");
  throw new UserError(
    `Line ${number} of the input, ${JSON.stringify(line.toString("latin1").slice(0, 40))}, is not hexadecimal (two digits for each byte).`,
    EXIT.usage,
  );
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Largest datagram that is made of a portion of the input, in bytes: every path takes it in one piece
 * (RFC 9000 §14).
 */
export const DATAGRAM_BYTES = 1200;

/** The shape that the options ask for. @param isTerminal whether standard output is one. */
export function shapeFor(scheme: Scheme, flags: Flags, isTerminal: boolean): Shape {
  const { lines, hex, binary, text, broadcast, maxMessage, raw } = flags;
  const isWebSocket = scheme === "ws" || scheme === "wss";
  const isStream = !isWebSocket && scheme !== "udp";
  const isByLine = lines === true || hex === true || (isWebSocket && binary !== true);
  return {
    unit: isByLine ? "line" : "portion",
    isHex: hex === true,
    isForPeople: isTerminal && raw !== true,
    isText: isWebSocket && (text === true || (binary !== true && hex !== true)),
    // In a broadcast the framing makes the lines.
    isLineStream: isStream && lines === true && broadcast !== true,
    isFramedByLine: isStream && lines === true && broadcast === true,
    maxPortionBytes: scheme === "udp" ? DATAGRAM_BYTES : maxMessage,
    // A byte is two digits and perhaps a space.
    maxLineBytes: hex === true ? maxMessage * 3 : maxMessage,
  };
}

/** Bytes in pieces of at most so many. They are views. */
export function portions(chunk: Buffer, maxBytes: number): Buffer[] {
  if (chunk.length <= maxBytes) return [chunk];
  const parts: Buffer[] = [];
  for (let start = 0; start < chunk.length; start += maxBytes)
    parts.push(chunk.subarray(start, start + maxBytes));
  return parts;
}
