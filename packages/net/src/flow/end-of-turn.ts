/** Something with bytes to write, or else to be done once for all that happens in a turn. */
export interface Flushable {
  /** Writes what was put together in this turn of the event loop. */
  flush(): void;
}

let due: Flushable[] = [];
let spare: Flushable[] = [];

/**
 * Flushes `target` once the event loop has handed out everything that was ready in this turn.
 *
 * Connections flush here, so that all messages of a turn leave in one write. One `setImmediate` serves them
 * all: it costs more than the rest of a small send. It runs after the sockets of the turn were read; a
 * microtask or `nextTick` would run after each of them. Guarded by `npm run bench -- websocket`.
 */
export function atEndOfTurn(target: Flushable): void {
  if (due.push(target) === 1) setImmediate(flushAll);
}

function flushAll(): void {
  const now = due;
  due = spare;
  let done = 0;
  try {
    for (const target of now) {
      done += 1;
      target.flush();
    }
  } finally {
    // Only after one threw: the others must not suffer for it.
    if (done < now.length) {
      due = [...now.slice(done), ...due];
      setImmediate(flushAll);
    }
    now.length = 0;
    spare = now;
  }
}
