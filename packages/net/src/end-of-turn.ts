let callbacks: (() => void)[] = [];

/**
 * Runs `callback` once the event loop has handed out everything that was ready in this turn.
 *
 * Connections flush here, so that all messages of a turn leave in one write. One `setImmediate` serves them
 * all: it costs more than the rest of a small send.
 */
export function atEndOfTurn(callback: () => void): void {
  if (callbacks.push(callback) === 1) setImmediate(runAll);
}

function runAll(): void {
  const due = callbacks;
  callbacks = [];
  let done = 0;
  try {
    for (const callback of due) {
      done += 1;
      callback();
    }
  } finally {
    // Only after a callback threw: the others must not suffer for it.
    if (done < due.length) {
      callbacks = [...due.slice(done), ...callbacks];
      setImmediate(runAll);
    }
  }
}
