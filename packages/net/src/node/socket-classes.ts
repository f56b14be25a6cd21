import { Socket } from "node:net";

/**
 * Leads from a socket to who receives what it reads. One function then serves all sockets, where each would
 * need closures of its own. Sockets of the trials have it, too: where Node's functions have seen more than
 * four hidden classes of sockets they look up each property anew (bench: websocket).
 */
export const readerOf: unique symbol = Symbol("reader");

/*
 * What V8 of Node 20 gets wrong. Node's `Socket` copies its options and adds three to the copy. As long as
 * the copying site has seen few kinds of options, V8 11 gives each copy of those that a server passes a
 * hidden class of its own, so that each of the thirty places that read them looks everything up anew. That
 * took 12 of the 13 µs that an accepted socket costs to make, and a third of an upgrade's time. A site that
 * has seen options of every kind goes another way, by which all copies have one class.
 *
 * Without: accepting takes longer. Later Nodes do not need it, and making a socket would take longer there.
 */

/** The first V8 without it: that of Node 22. */
const REPAIRED_IN_V8 = 12;

/**
 * V8 notes what a function has seen from its 8th call or so on; at the first odd options after that the site
 * counts as one that sees every kind.
 */
const SOCKETS = 32;

/** Makes sockets cheap to accept from now on, where they are not. Nothing but documented calls. */
export function shareSocketClasses(v8 = process.versions.v8): void {
  if (!(Number.parseInt(v8, 10) < REPAIRED_IN_V8)) return;
  for (let made = 0; made < SOCKETS; made++) new Socket(oddOptions()).destroy();
}

/** An object whose properties V8 keeps in a dictionary, as one was taken out. */
function oddOptions(): { allowHalfOpen?: boolean } {
  const options: { allowHalfOpen?: boolean; readable?: boolean } = { allowHalfOpen: true, readable: true };
  delete options.allowHalfOpen;
  return options;
}
