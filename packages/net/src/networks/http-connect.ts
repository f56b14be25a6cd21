import { joinHostPort } from "../contracts/addr.ts";
import { printable } from "../contracts/printable.ts";
import type { ProxyUrl } from "../options/proxy-url.ts";
import type { ProxyHandshake, ProxyStep, ProxyTarget } from "./proxy-handshake.ts";

/** Most answers with a status of 1xx before the one that counts. */
export const MAX_INTERIM_ANSWERS = 16;
/** How much of the words behind a status a message shows, in characters. */
export const MAX_STATUS_TEXT = 100;

/** The client's side of an HTTP tunnel (CONNECT, RFC 9110 §9.3.6). */
export class HttpConnect implements ProxyHandshake {
  readonly protocol = "HTTP";
  readonly request: Uint8Array;
  readonly #login: ProxyUrl["login"];
  /** What came and has not been read. */
  #received: Buffer = Buffer.alloc(0);
  #interim = 0;

  constructor({ host, port }: ProxyTarget, login: ProxyUrl["login"]) {
    const authority = joinHostPort(host, port);
    this.#login = login;
    const field = login === undefined ? "" : `Proxy-Authorization: Basic ${basic(login)}\r\n`;
    this.request = Buffer.from(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${field}\r\n`);
  }

  receive(bytes: Buffer): ProxyStep {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    for (;;) {
      const head = readResponseHead(this.#received);
      if (head === undefined) return "wait";
      if ("fault" in head) return head;
      const rest = this.#received.subarray(head.byteLength);
      const { status, reason } = head;
      if (status >= 200 && status <= 299) return { rest };
      // Interim answers are skipped (RFC 9110 §15.2). 101 is none: nobody asked for another protocol.
      const isInterim = status >= 100 && status <= 199 && status !== 101;
      if (!isInterim) {
        const words = `${status} ${printable(this.#withoutSecrets(reason), MAX_STATUS_TEXT)}`.trim();
        return { refusal: words, code: "proxy_refused", status };
      }
      if (++this.#interim > MAX_INTERIM_ANSWERS) {
        return { fault: `there are more than ${MAX_INTERIM_ANSWERS} interim answers` };
      }
      this.#received = rest;
    }
  }

  /** A proxy may say what it was told. It is not repeated to a log. */
  #withoutSecrets(text: string): string {
    if (this.#login === undefined) return text;
    const secrets = [basic(this.#login), this.#login.password].filter((secret) => secret !== "");
    return secrets.some((secret) => text.includes(secret)) ? "…" : text;
  }
}

/** RFC 7617, in UTF-8. */
function basic({ user, password }: NonNullable<ProxyUrl["login"]>): string {
  return Buffer.from(`${user}:${password}`).toString("base64");
}

/** The head of an HTTP answer, and where it ends. */
interface ResponseHead {
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
 * Reads the head of the answer to a CONNECT, behind which there is no body: Content-Length and
 * Transfer-Encoding mean nothing there (RFC 9110 §9.3.6). Exported for tests.
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
