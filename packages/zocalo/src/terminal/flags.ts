import { InvalidArgumentError } from "commander";

/** How this side closes a WebSocket. */
export interface Closing {
  readonly code: number;
  readonly reason: string;
}

/** The options of `listen` and `dial`, parsed. */
export interface Flags {
  readonly echo?: true;
  readonly broadcast?: true;
  readonly keep?: true;
  readonly lines?: true;
  readonly hex?: true;
  readonly raw?: true;
  /** Milliseconds. */
  readonly timeout?: number;
  /** Bytes. */
  readonly maxMessage: number;
  readonly verbose?: true;
  readonly proxyProtocol?: true;
  readonly trustedProxy?: readonly string[];
  readonly replaceStale?: true;
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
  readonly insecure?: true;
  readonly servername?: string;
  readonly acceptTruncation?: true;
  readonly binary?: true;
  readonly text?: true;
  readonly subprotocol?: readonly string[];
  readonly header?: readonly (readonly [name: string, value: string])[];
  readonly origin?: readonly string[];
  readonly allowedHost?: readonly string[];
  readonly compress?: true;
  readonly ping?: true;
  readonly close?: Closing;
}

/** What `--max-message` is where it is left out: 64 MiB. */
export const DEFAULT_MAX_MESSAGE_BYTES = 67_108_864;
/** The longest a buffer can be on every platform. */
const MAX_MESSAGE_BYTES = 2 ** 31 - 1;
/** The longest delay a timer takes, in milliseconds. */
const MAX_DURATION_MS = 2 ** 31 - 1;

const MS_PER_UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const BYTES_PER_UNIT: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };

/** `5`, `2.5s`, `300ms`, `2m`, `1h` in milliseconds; a bare number is seconds. */
export function parseDuration(text: string): number {
  const [, number = "", unit = "s"] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? [];
  const ms = Math.round(Number(number) * (MS_PER_UNIT[unit] ?? Number.NaN));
  if (number !== "" && ms >= 1 && ms <= MAX_DURATION_MS) return ms;
  throw new InvalidArgumentError("It should be a time such as 5 (seconds), 300ms, 2m or 1h.");
}

/** `4096`, `64k`, `16M`, `1MiB` in bytes. */
export function parseSize(text: string): number {
  const [, number = "", unit = ""] = /^(\d+)\s*(?:([kmg])(?:i?b)?)?$/i.exec(text) ?? [];
  const bytes = Number(number) * (BYTES_PER_UNIT[unit.toLowerCase()] ?? Number.NaN);
  if (number !== "" && bytes >= 1 && bytes <= MAX_MESSAGE_BYTES) return bytes;
  throw new InvalidArgumentError(
    `It should be a size from 1 to ${MAX_MESSAGE_BYTES} bytes, such as 4096, 64k or 16MiB.`,
  );
}

/** `CODE` or `CODE:REASON`. */
export function parseClosing(text: string): Closing {
  const [, digits, reason = ""] = /^(\d{4})(?::(.*))?$/s.exec(text) ?? [];
  const code = Number(digits);
  // RFC 6455 §7.4: what may stand in a Close frame.
  const isAllowed =
    (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999);
  if (isAllowed && Buffer.byteLength(reason) <= 123) return { code, reason };
  throw new InvalidArgumentError(
    "It should be a close code and perhaps a reason of at most 123 bytes, such as 1000, 1001:bye or 4000:done; codes are 1000 to 1003, 1007 to 1014 and 3000 to 4999.",
  );
}

/** `Name: value`, added to those before. What may stand in it is judged by the handshake. */
export function parseHeader(
  line: string,
  before: readonly (readonly [string, string])[] = [],
): readonly (readonly [string, string])[] {
  const [, name, value] = /^([^\s:]+):\s*(.*)$/s.exec(line) ?? [];
  if (name === undefined || value === undefined)
    throw new InvalidArgumentError("It should be a header such as 'Name: value'.");
  return [...before, [name, value]];
}

/** For options that may be repeated. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

/** Headers as a record; one that is given twice becomes a list (RFC 9110 §5.3), and cookies their own kind of list. */
export function headerRecord(headers: Flags["header"]): Record<string, string> {
  const record = new Map<string, { name: string; value: string }>();
  for (const [name, value] of headers ?? []) {
    const known = record.get(name.toLowerCase());
    if (known === undefined) record.set(name.toLowerCase(), { name, value });
    else known.value += `${name.toLowerCase() === "cookie" ? "; " : ", "}${value}`;
  }
  return Object.fromEntries(Array.from(record.values(), ({ name, value }) => [name, value]));
}
