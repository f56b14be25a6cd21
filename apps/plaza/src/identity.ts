import { further, type ReadMark } from "./unread.ts";
import { isSlug } from "./slug.ts";
import { cleanName } from "./what-was-said.ts";

/** Where a page remembers things: `localStorage`, or anything with the same two methods. */
export type Memory = Pick<Storage, "getItem" | "setItem">;

const TOKEN = "plaza.token";
const NAME = "plaza.name";
const READ = "plaza.read";

/** At most this many rooms' read marks are remembered. */
export const MARKS_LIMIT = 100;

/**
 * The secret that makes this browser one user: 128 random bits, made on the first visit and kept.
 * Who has it is that user, so it is sent to the server only and never shown.
 */
export function secretToken(memory: Memory): string {
  const known = recall(memory, TOKEN);
  if (known !== undefined && /^[0-9a-f]{32}$/.test(known)) return known;
  const token = randomHex();
  remember(memory, TOKEN, token);
  return token;
}

/**
 * 128 random bits as hexadecimal digits. Works on plain http pages too, where `crypto.randomUUID` is missing.
 */
export function randomHex(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The name chosen last time, if there was one. */
export function recallName(memory: Memory): string | undefined {
  const name = cleanName(recall(memory, NAME) ?? "");
  return name === "" ? undefined : name;
}

export function rememberName(memory: Memory, name: string): void {
  remember(memory, NAME, name);
}

/** Up to where each room has been read, by slug. What somebody else wrote into the storage is ignored. */
export function recallMarks(memory: Memory): Map<string, ReadMark> {
  const marks = new Map<string, ReadMark>();
  try {
    const stored: unknown = JSON.parse(recall(memory, READ) ?? "[]");
    for (const item of Array.isArray(stored) ? stored : []) {
      const [slug, epoch, offset, followsLoss] = Array.isArray(item) ? (item as unknown[]) : [];
      if (typeof slug !== "string" || !isSlug(slug) || typeof epoch !== "string") continue;
      if (typeof offset !== "number" || !Number.isSafeInteger(offset)) continue;
      marks.set(slug, { epoch, offset, ...(followsLoss === true ? { followsLoss } : {}) });
    }
  } catch {
    // Not our JSON: begin again without marks.
  }
  return marks;
}

/** Remembers one mark more, unless another tab has remembered one that is further. */
export function rememberMark(memory: Memory, slug: string, mark: ReadMark): void {
  const marks = recallMarks(memory);
  const furthest = further(marks.get(slug), mark);
  marks.delete(slug); // so that the latest is last, and the oldest is forgotten first
  marks.set(slug, furthest);
  const items = [...marks]
    .slice(-MARKS_LIMIT)
    .map(([name, { epoch, offset, followsLoss }]) => [
      name,
      epoch,
      offset,
      ...(followsLoss === true ? [true] : []),
    ]);
  remember(memory, READ, JSON.stringify(items));
}

// A browser may refuse storage (private windows, quota): then nothing is remembered, and the chat works.
function recall(memory: Memory, key: string): string | undefined {
  try {
    return memory.getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

function remember(memory: Memory, key: string, value: string): void {
  try {
    memory.setItem(key, value);
  } catch {
    // See above.
  }
}
