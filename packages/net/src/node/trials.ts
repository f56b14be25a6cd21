import { onLoopback } from "./loopback.ts";
import { tryReadBuffer } from "./read-buffer.ts";
import { shareSocketClasses } from "./socket-classes.ts";
import { tryWritePastQueue } from "./write-past-queue.ts";

/*
 * What is known of Node's stream sockets beyond its documentation lives in this folder, a file for each step.
 * Each says what holds without it.
 *
 * Two are tried before they are used, on real connections, since what looks like Node need not work like it
 * (Bun, Deno). All others are looked for at the place where they are used.
 */

let trials: Promise<void> | undefined;

/**
 * Tries, once for the process, on two connections of its own over the loopback, what is not documented.
 * `listen` and `dial` call it and do not wait: until there is an answer (some ten milliseconds later), and
 * where there is none, the fallbacks serve. A connection keeps what it began with.
 */
export function startTrials(): void {
  if (trials !== undefined) return;
  shareSocketClasses();
  trials = Promise.all([onLoopback(tryReadBuffer), onLoopback(tryWritePastQueue)]).then(() => undefined);
}

/** For tests and measurements: starts the trials and waits until they are over. */
export async function trialsOver(): Promise<void> {
  startTrials();
  const alive = setInterval(() => undefined, 1_000); // What is tried keeps no process alive.
  await trials;
  clearInterval(alive);
}
