/**
 * Strings from bytes and back, past the checks of `Buffer#toString` and `Buffer#write`, which cost a short message as much as the copy itself.
 *
 * The methods they end in are on `Buffer.prototype`, undocumented. Where they are missing, or do something else, the documented ones are used.
 */

type Slice = (bytes: Buffer, start: number, end: number) => string;
type Write = (bytes: Buffer, text: string, at: number, room: number) => number;

/** What is used of Node beyond its documentation. */
interface Internals {
  latin1Slice(start: number, end: number): string;
  utf8Slice(start: number, end: number): string;
  utf8Write(text: string, at: number, room: number): number;
}
const internals = (bytes: Buffer): Internals => bytes as unknown as Internals;

/** The documented way. */
export const plain: { latin1: Slice; utf8: Slice; write: Write } = {
  latin1: (bytes, start, end) => bytes.toString("latin1", start, end),
  utf8: (bytes, start, end) => bytes.toString("utf8", start, end),
  write: (bytes, text, at, room) => bytes.write(text, at, room, "utf8"),
};

const isDirect = works();

/** Text of bytes that are all below 128. */
export const asciiText: Slice = isDirect
  ? (bytes, start, end) => internals(bytes).latin1Slice(start, end)
  : plain.latin1;

/** Text of bytes that are UTF-8. */
export const utf8Text: Slice = isDirect
  ? (bytes, start, end) => internals(bytes).utf8Slice(start, end)
  : plain.utf8;

/** Writes as many whole characters as fit in `room` bytes; lone surrogates become U+FFFD. Gives the number of bytes written. */
export const writeUtf8: Write = isDirect
  ? (bytes, text, at, room) => internals(bytes).utf8Write(text, at, room)
  : plain.write;

/** Decided once, by a round trip. */
function works(): boolean {
  try {
    const bytes = internals(Buffer.alloc(8, "."));
    return (
      bytes.utf8Write("ñ€x", 1, 6) === 6 &&
      bytes.utf8Slice(1, 7) === "ñ€x" &&
      bytes.utf8Write("ab", 2, 2) === 2 &&
      bytes.latin1Slice(2, 4) === "ab"
    );
  } catch {
    return false;
  }
}
