import { type Memory, recall, remember } from "../play/memory.ts";

export const ACTIONS = ["up", "left", "down", "right", "throw", "dash", "board", "net"] as const;
export type Action = (typeof ACTIONS)[number];

/** By action the keys that do it, as `KeyboardEvent.code`: where a key is, whatever is printed on it. */
export type Bindings = Readonly<Record<Action, readonly string[]>>;

export const FIRST_BINDINGS: Bindings = {
  up: ["KeyW", "ArrowUp"],
  left: ["KeyA", "ArrowLeft"],
  down: ["KeyS", "ArrowDown"],
  right: ["KeyD", "ArrowRight"],
  throw: ["KeyJ", "Enter"],
  dash: ["Space", "ShiftLeft"],
  board: ["Tab"],
  net: ["KeyN"],
};

const STORED = "arena.keys";
/** Leaves the match, or a dialog; it cannot be given away. */
const KEPT = "Escape";

/** The bindings that were kept, or those of the beginning where there are none. */
export function recallBindings(memory: Memory): Bindings {
  const stored = recall(memory, STORED);
  if (typeof stored !== "object" || stored === null) return FIRST_BINDINGS;
  const bindings: Record<string, readonly string[]> = {};
  for (const action of ACTIONS) {
    const codes: unknown = (stored as Record<string, unknown>)[action];
    const isFine = Array.isArray(codes) && codes.every((code) => typeof code === "string" && code !== KEPT);
    bindings[action] = isFine ? (codes as string[]) : FIRST_BINDINGS[action];
  }
  return bindings as Bindings;
}

export function rememberBindings(memory: Memory, bindings: Bindings): void {
  remember(memory, STORED, bindings);
}

/** Gives a key to an action; another action that had it has it no more. Escape is not given. */
export function rebind(bindings: Bindings, action: Action, code: string): Bindings {
  if (code === KEPT) return bindings;
  const changed: Record<Action, readonly string[]> = { ...bindings };
  for (const name of ACTIONS) changed[name] = bindings[name].filter((known) => known !== code);
  changed[action] = [code];
  return changed;
}

/** The action of a key. */
export function actionOf(bindings: Bindings, code: string): Action | undefined {
  return ACTIONS.find((action) => bindings[action].includes(code));
}

/** A key as people call it: `KeyW` is W. */
export function keyName(code: string): string {
  const arrows: Record<string, string> = { ArrowUp: "↑", ArrowLeft: "←", ArrowDown: "↓", ArrowRight: "→" };
  return arrows[code] ?? code.replace(/^(Key|Digit)/, "").replace(/(Left|Right)$/, "");
}
