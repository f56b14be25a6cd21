import { isIP } from "node:net";
import { InvalidArgumentError } from "commander";
import { isSendable } from "./link.ts";

/** How this side closes a WebSocket. */
export interface Closing {
  readonly code: number;
  readonly reason: string;
}

/** The options of `listen` and `dial`, parsed. */
export interface Flags {
  readonly echo?: true | undefined;
  readonly broadcast?: true | undefined;
  readonly keep?: true | undefined;
  readonly reconnect?: true | undefined;
  /** For a shell. */
  readonly exec?: string | undefined;
  /** Connect and report alone (`-z`). */
  readonly scan?: true | undefined;
  /** Set by `zocalo relay`: any number of peers is answered, not one that a person has chosen. */
  readonly relay?: true | undefined;
  /** Where what was said is written down. */
  readonly record?: string | undefined;
  readonly maxConnections?: number | undefined;
  readonly lines?: true | undefined;
  readonly hex?: true | undefined;
  readonly raw?: true | undefined;
  /** Milliseconds. */
  readonly timeout?: number | undefined;
  /** Bytes. */
  readonly maxMessage: number;
  readonly verbose?: true | undefined;
  readonly proxyProtocol?: true | undefined;
  readonly trustedProxy?: readonly string[] | undefined;
  readonly replaceStale?: true | undefined;
  readonly trustSources?: true | undefined;
  /** The address to dial from, with a port. */
  readonly source?: string | undefined;
  /** URL of a SOCKS 5 or HTTP proxy. */
  readonly proxy?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly ca?: string | undefined;
  readonly insecure?: true | undefined;
  readonly servername?: string | undefined;
  readonly acceptTruncation?: true | undefined;
  /** `relay`: the authorities of clients, and the certificate that is shown where it dials. */
  readonly clientCa?: string | undefined;
  readonly clientCert?: string | undefined;
  readonly clientKey?: string | undefined;
  readonly binary?: true | undefined;
  readonly text?: true | undefined;
  readonly subprotocol?: readonly string[] | undefined;
  readonly header?: readonly (readonly [name: string, value: string])[] | undefined;
  readonly origin?: readonly string[] | undefined;
  readonly allowedHost?: readonly string[] | undefined;
  readonly compress?: true | undefined;
  readonly ping?: true | undefined;
  readonly close?: Closing | undefined;
}

/** What `--max-message` is where it is left out: 64 MiB. */
export const DEFAULT_MAX_MESSAGE_BYTES = 67_108_864;
/** The longest a buffer can be on every platform. */
const MAX_MESSAGE_BYTES = 2 ** 31 - 1;
/** The most `--max-connections` can be. */
const MAX_COUNT = 1_000_000;
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

/** A whole number from 1 to a million. */
export function parseCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= MAX_COUNT) return count;
  throw new InvalidArgumentError(`It should be a whole number from 1 to ${MAX_COUNT}.`);
}

/** `10.0.0.5`, `10.0.0.5:4000`, `::1` or `[::1]:4000`, with its port; port 0 lets the system choose. */
export function parseSource(text: string): string {
  const bare = text.replace(/^\[([^\]]*)\]$/, "$1");
  const host = isIP(bare) === 0 ? (/^\[([^\]]+)\]:\d{1,5}$|^([^:]+):\d{1,5}$/.exec(text) ?? []) : [bare];
  const given = host.slice(1).find((part) => part !== undefined) ?? host[0] ?? "";
  if (isIP(given) === 0) {
    throw new InvalidArgumentError(
      "It should be an address of this machine, such as 10.0.0.5, 10.0.0.5:4000 or [::1]:4000.",
    );
  }
  if (given !== bare) return text;
  return isIP(given) === 6 ? `[${given}]:0` : `${given}:0`;
}

/** `CODE` or `CODE:REASON`. */
export function parseClosing(text: string): Closing {
  const [, digits, reason = ""] = /^(\d{4})(?::(.*))?$/s.exec(text) ?? [];
  const code = Number(digits);
  if (isSendable(code) && Buffer.byteLength(reason) <= 123) return { code, reason };
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

/**
 * Headers as a record; one that is given twice becomes a list (RFC 9110 §5.3), and cookies their own kind of
 * list.
 */
export function headerRecord(headers: Flags["header"]): Record<string, string> {
  const record = new Map<string, { name: string; value: string }>();
  for (const [name, value] of headers ?? []) {
    const known = record.get(name.toLowerCase());
    if (known === undefined) record.set(name.toLowerCase(), { name, value });
    else known.value += `${name.toLowerCase() === "cookie" ? "; " : ", "}${value}`;
  }
  return Object.fromEntries(Array.from(record.values(), ({ name, value }) => [name, value]));
}
