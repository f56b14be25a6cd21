import { SharedRun } from "./core/shared-run.ts";

/** Something with frames to write. */
export interface Flushable {
  /** Writes what waits. Must not throw. */
  flush(): void;
}

let due: Flushable[] = [];
let spare: Flushable[] = [];

/**
 * Flushes `target` once the event loop has handed out everything that was ready in this turn.
 *
 * One `setImmediate` serves all connections. It runs after the sockets of the turn were read, so whatever they cause to be sent to one
 * connection leaves in one write; a microtask or `nextTick` would run after each of them. Guarded by bench/src/websocket.ts.
 */
export function flushAtEndOfTurn(target: Flushable): void {
  if (due.push(target) === 1) setImmediate(flushAll);
}

function flushAll(): void {
  const now = due;
  due = spare;
  for (const target of now) target.flush();
  SharedRun.endTurn();
  now.length = 0;
  spare = now;
}
