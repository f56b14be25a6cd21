import type { Readable, Writable } from "node:stream";
import type { Message } from "@zocalo/net";
import { EXIT, UserError } from "./exit-code.ts";

/** How standard input and output stand for what is sent and received. */
export interface Format {
  /** `bytes`: as they are. `lines`: a message is a line. `hex`: a portion or message is a line of hexadecimal digits. */
  readonly kind: "bytes" | "lines" | "hex";
  /** What a line becomes. */
  readonly isBinary: boolean;
  /** Longest line, in bytes. */
  readonly maxLineBytes: number;
}

/** Reads what is to be sent. @throws UserError for a line that is too long, or that should be hexadecimal and is not */
export async function* readInput(input: Readable, format: Format): AsyncGenerator<Message> {
  if (format.kind === "bytes") {
    for await (const bytes of input) yield bytes as Buffer;
    return;
  }
  for await (const line of readLines(input, format.maxLineBytes)) yield toMessage(line, format);
}

/** Writes what was received, and waits while the reader of the output is behind. */
export async function writeOutput(output: Writable, message: Message, { kind }: Format): Promise<void> {
  const bytes =
    typeof message === "string"
      ? Buffer.from(message)
      : Buffer.from(message.buffer, message.byteOffset, message.byteLength);
  // What ends its line by itself gets no second end.
  const hasEnd = bytes.at(-1) === 0x0a;
  const shown =
    kind === "hex"
      ? `${bytes.toString("hex")}\n`
      : kind === "bytes" || hasEnd
        ? bytes
        : Buffer.concat([bytes, NEWLINE]);
  if (!output.write(shown) && !output.destroyed) await roomIn(output);
}

/** Waits until there is room again, or nobody reads any more. */
function roomIn(output: Writable): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      output.off("drain", settle).off("close", settle);
      resolve();
    };
    output.on("drain", settle).on("close", settle);
  });
}

const NEWLINE = Buffer.from("\n");

async function* readLines(input: Readable, maxBytes: number): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of input as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, start)) {
      yield withoutReturn(Buffer.concat([...parts, chunk.subarray(start, end)]));
      parts = [];
      length = 0;
      start = end + 1;
    }
    const rest = chunk.subarray(start);
    if (rest.length > 0) parts.push(rest);
    length += rest.length;
    if (length > maxBytes) throw new UserError(`A line of the input is longer than ${maxBytes} bytes.`);
  }
  if (length > 0) yield withoutReturn(Buffer.concat(parts));
}

function withoutReturn(line: Buffer): Buffer {
  return line.at(-1) === 0x0d ? line.subarray(0, -1) : line;
}

function toMessage(line: Buffer, { kind, isBinary }: Format): Message {
  if (kind !== "hex") return isBinary ? line : line.toString();
  const digits = line.toString("latin1").replace(/\s/g, "");
  if (!/^(?:[\da-f]{2})*$/i.test(digits)) {
    throw new UserError(`${JSON.stringify(digits.slice(0, 40))} is not hexadecimal.`, EXIT.failed);
  }
  return Buffer.from(digits, "hex");
}
