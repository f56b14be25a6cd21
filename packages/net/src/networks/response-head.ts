/** The head of an HTTP answer, and where it ends. */
export interface ResponseHead {
  readonly status: number;
  /** The words behind the status; mostly empty or what everybody says. */
  readonly reason: string;
  /** Up to and with the empty line, in bytes. */
  readonly byteLength: number;
}

/** Longest head that is taken, in bytes: as much as Node's own parser takes. */
export const MAX_ANSWER_HEAD_BYTES = 16_384;

const START = "HTTP/1.";
const END_OF_HEAD = "\r\n\r\n";

/** RFC 9112 §4 and §5: status line, fields. Takes linear time. */
const HEAD =
  /^HTTP\/1\.[01] (\d{3})(?: ([\t\u0020-\u007e\u0080-\u00ff]*))?\r\n(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\u0020-\u007e\u0080-\u00ff]*\r\n)*\r\n$/;

/**
 * Reads the head of the answer to a CONNECT, behind which there is no body: Content-Length and Transfer-Encoding mean nothing there (RFC 9110 §9.3.6).
 *
 * @returns what is wrong as soon as that is clear, and `undefined` while there is too little to say.
 */
export function readResponseHead(bytes: Buffer): ResponseHead | { readonly fault: string } | undefined {
  const text = bytes.toString("latin1", 0, Math.min(bytes.length, MAX_ANSWER_HEAD_BYTES));
  if (!text.startsWith(START.slice(0, text.length))) return { fault: "this is not HTTP/1" };
  const end = text.indexOf(END_OF_HEAD);
  const head = end === -1 ? text : text.slice(0, end + END_OF_HEAD.length);
  if (/(?:^|[^\r])\n/.test(head)) return { fault: "a line does not end with CR LF" };
  if (end === -1) {
    return bytes.length < MAX_ANSWER_HEAD_BYTES
      ? undefined
      : { fault: `its head is longer than ${MAX_ANSWER_HEAD_BYTES} bytes` };
  }
  const parts = HEAD.exec(head);
  if (parts === null) return { fault: "its status line or a field is malformed" };
  return { status: Number(parts[1]), reason: (parts[2] ?? "").trim(), byteLength: head.length };
}
