/** Where the page remembers things: `localStorage`, or anything with the same methods. */
export type Memory = Pick<Storage, "getItem" | "setItem"> & Partial<Pick<Storage, "removeItem">>;

/**
 * Merely reading `localStorage` throws where the settings forbid it; then nothing is remembered.
 *
 * @param isOfTab for this tab alone, until it is closed. Default false.
 */
export function browserMemory(isOfTab = false): Memory {
  try {
    return isOfTab ? sessionStorage : localStorage;
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

export function forget(memory: Memory, name: string): void {
  try {
    memory.removeItem?.(name);
  } catch {
    // Nothing was remembered.
  }
}
