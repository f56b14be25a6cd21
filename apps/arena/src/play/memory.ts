/** Where the page remembers things: `localStorage`, or anything with the same two methods. */
export type Memory = Pick<Storage, "getItem" | "setItem">;

/** Merely reading `localStorage` throws where the settings forbid it; then nothing is remembered. */
export function browserMemory(): Memory {
  try {
    return localStorage;
  } catch {
    return { getItem: () => null, setItem: () => {} };
  }
}

/** What was remembered under a name, as JSON; `undefined` if nothing was, or something else. */
export function recall(memory: Memory, name: string): unknown {
  try {
    return JSON.parse(memory.getItem(name) ?? "null") ?? undefined;
  } catch {
    return undefined;
  }
}

export function remember(memory: Memory, name: string, value: unknown): void {
  try {
    memory.setItem(name, JSON.stringify(value));
  } catch {
    // Refused, in a private window or for want of room: the game is played all the same.
  }
}
