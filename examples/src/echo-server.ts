// Sends everybody their own bytes back: the smallest server that behaves.
//
//   npx tsx --conditions=zocalo-source examples/src/echo-server.ts [ADDRESS]
//   nc 127.0.0.1 7000
import { type Conn, listen } from "@zocalo/net";

/** How long connections may go on after Ctrl-C. */
const GRACE_MS = 2_000;

const listener = await listen("tcp", process.argv[2] ?? "127.0.0.1:7000", { maxConnections: 10_000 });
console.log(`listening on ${String(listener.addr)}`);

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  // Ends the loop below. Once: a second Ctrl-C does not wait.
  process.once(signal, () => void listener.drain(Date.now() + GRACE_MS));
}

for await (const conn of listener) {
  // Nobody awaits the handler, so that the next client need not wait for this one. A peer that resets makes
  // it reject.
  echo(conn).catch((error: Error) => console.error(error.message));
}

async function echo(conn: Conn): Promise<void> {
  await using _ = conn; // closes it at the end, however that comes
  // A client that does not read makes `write` wait, and so nothing more is read from it: memory stays
  // bounded.
  for await (const bytes of conn) await conn.write(bytes);
}
