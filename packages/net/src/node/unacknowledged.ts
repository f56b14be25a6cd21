import { type FileHandle, open } from "node:fs/promises";
import { isIPv4, isIPv6 } from "node:net";
import { endianness } from "node:os";
import { atEndOfTurn } from "../flow/end-of-turn.ts";

/**
 * The four properties of a connected socket that say which one it is; a `net.Socket` and a `tls.TLSSocket`
 * have them.
 */
export interface SocketEnds {
  readonly localAddress?: string | undefined;
  readonly localPort?: number | undefined;
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

/**
 * How many bytes of a TCP connection this system has taken, and the peer's system has not acknowledged.
 *
 * A write completes when this system has the bytes, possibly megabytes before the peer does, so a slow peer
 * looks like a dead one. This number shrinks for the slow one only.
 *
 * All who ask in one turn of the event loop share one look, and those who ask during it share the next. A
 * look reads `/proc/self/net/tcp` (proc(5)) piece by piece, so that ten thousand connections hold nobody up.
 *
 * @returns `undefined` where it cannot be known: on other systems than Linux, for other sockets than TCP, and
 *   once the connection has ended.
 */
export function unacknowledgedBytes(socket: SocketEnds): Promise<number | undefined> {
  const keys = process.platform === "linux" ? keysOf(socket) : undefined;
  if (keys === undefined) return UNKNOWN;
  return new Promise((resolve) => ask(keys, resolve));
}

const isLittleEndian = endianness() === "LE";
const UNKNOWN = Promise.resolve(undefined);

/**
 * Where the system lists its TCP sockets. Those of IPv4 may stand in both: a socket of both versions is one
 * of IPv6 to the system.
 */
const TABLES = ["/proc/self/net/tcp", "/proc/self/net/tcp6"];

/** The answer to a question, and the two names under which the connection may be listed. */
interface Question {
  readonly keys: readonly string[];
  readonly answer: (bytes: number | undefined) => void;
}

let asked: Question[] = [];
let isLooking = false;

function ask(keys: readonly string[], answer: Question["answer"]): void {
  if (asked.push({ keys, answer }) === 1 && !isLooking) atEndOfTurn({ flush: () => void look() });
}

/** Never rejects. */
async function look(): Promise<void> {
  if (isLooking) return;
  isLooking = true;
  while (asked.length > 0) {
    const questions = asked;
    asked = [];
    const found = new Map<string, number | undefined>();
    for (const { keys } of questions) for (const key of keys) found.set(key, undefined);
    for (const path of TABLES) await readTable(path, found);
    for (const { keys, answer } of questions) {
      answer(keys.map((key) => found.get(key)).find((bytes) => bytes !== undefined));
    }
  }
  isLooking = false;
}

/** Larger than what the system gives with one read, which is a page. */
const PIECE_BYTES = 16_384;

/**
 * Fills in what a table says of the connections that are keys of `found`. Never rejects: what cannot be read
 * is not known.
 */
async function readTable(path: string, found: Map<string, number | undefined>): Promise<void> {
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    const piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
    let rest = "";
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, PIECE_BYTES, null);
      if (bytesRead === 0) break;
      rest = readRows(rest + piece.toString("latin1", 0, bytesRead), found);
    }
  } catch {
    // No such table: no IPv6, or no /proc. Who asked is told that it is not known.
  } finally {
    await file?.close().catch(() => undefined); // It was only read: nothing is lost.
  }
}

/**
 * Reads the whole rows of `text`: ` 12: 0100007F:1F90 0200007F:C350 01 0000A2C0:00000000 …`, in which the
 * fifth number is what is not acknowledged (`tx_queue` of proc(5)). Exported for tests.
 *
 * @returns the row that is not complete.
 */
export function readRows(text: string, found: Map<string, number | undefined>): string {
  let start = 0;
  for (;;) {
    const end = text.indexOf("\n", start);
    if (end === -1) return text.slice(start);
    const local = text.indexOf(": ", start) + 2;
    const remote = text.indexOf(" ", local) + 1;
    const state = text.indexOf(" ", remote);
    // The heading has no colon.
    if (local > start + 1 && local < end && state !== -1 && state < end) {
      const key = text.slice(local, state);
      if (found.has(key)) found.set(key, Number.parseInt(text.slice(state + 4, state + 12), 16));
    }
    start = end + 1;
  }
}

/** How a connection is named in the tables. Exported for tests. */
export function keysOf(socket: SocketEnds): readonly string[] | undefined {
  const { localAddress, localPort, remoteAddress, remotePort } = socket;
  if (localAddress === undefined || localPort === undefined) return undefined;
  if (remoteAddress === undefined || remotePort === undefined) return undefined;
  const locals = wordsOf(localAddress);
  const remotes = wordsOf(remoteAddress);
  if (locals === undefined || remotes === undefined) return undefined;
  const key = (local: string, remote: string): string =>
    `${local}:${hex(localPort, 4)} ${remote}:${hex(remotePort, 4)}`;
  const keys = [key(locals.wide, remotes.wide)];
  if (locals.narrow !== undefined && remotes.narrow !== undefined) {
    keys.push(key(locals.narrow, remotes.narrow));
  }
  return keys;
}

/**
 * How an IPv4 address begins that is written as one of IPv6 (RFC 4291 section 2.5.5.2): zeros, and 16 bits
 * set.
 */
const MAPPED = wordOf(0) + wordOf(0) + wordOf(0xffff);

/** An address as the tables of IPv6 and of IPv4 have it; the latter only if it is one of IPv4. */
function wordsOf(address: string): { wide: string; narrow: string | undefined } | undefined {
  if (isIPv4(address)) {
    const narrow = wordOf(address.split(".").reduce((bits, part) => bits * 256 + Number(part), 0));
    return { wide: MAPPED + narrow, narrow };
  }
  const [ip = ""] = address.split("%");
  if (!isIPv6(ip)) return undefined;
  const groups = groupsOf(ip);
  let wide = "";
  for (let at = 0; at < 8; at += 2) wide += wordOf((groups[at] ?? 0) * 65_536 + (groups[at + 1] ?? 0));
  return { wide, narrow: wide.startsWith(MAPPED) ? wide.slice(MAPPED.length) : undefined };
}

/** The system prints the 32 bits as they lie in its memory, as one number. */
function wordOf(bits: number): string {
  if (!isLittleEndian) return hex(bits, 8);
  return hex(
    (bits % 256) * 16_777_216 + ((bits >>> 8) % 256) * 65_536 + ((bits >>> 16) % 256) * 256 + (bits >>> 24),
    8,
  );
}

function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, "0");
}

/**
 * The eight groups of 16 bits of an IPv6 address, which may end with an IPv4 address (RFC 4291 section 2.2).
 */
function groupsOf(ip: string): number[] {
  const [head = "", tail] = ip.split("::");
  const before = partsOf(head);
  if (tail === undefined) return before;
  const after = partsOf(tail);
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => 0);
  return [...before, ...zeros, ...after];
}

function partsOf(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((part) => {
    if (!part.includes(".")) return [Number.parseInt(part, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = part.split(".").map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}
