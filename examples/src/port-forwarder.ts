// Passes each connection on to another address, both ways.
//
//   npx tsx --conditions=zocalo-source examples/src/port-forwarder.ts LISTEN TARGET
//   npx tsx --conditions=zocalo-source examples/src/port-forwarder.ts 127.0.0.1:7002 example.org:80
import { type Conn, dial, listen } from "@zocalo/net";

const GRACE_MS = 2_000;
const DIAL_TIMEOUT_MS = 10_000;

const [at = "127.0.0.1:7002", target] = process.argv.slice(2);
if (target === undefined) {
  console.error("usage: port-forwarder LISTEN TARGET, as in 127.0.0.1:7002 example.org:80");
  process.exit(2);
}
const listener = await listen("tcp", at, { maxConnections: 1_000 });
console.log(`listening on ${String(listener.addr)}`);

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void listener.drain(Date.now() + GRACE_MS));
}

for await (const near of listener) {
  forward(near, target).catch((error: Error) => {
    console.error(error.message); // dial tcp 127.0.0.1:9: connection refused
    near.abort(); // The client sees a reset: there is nobody behind this port.
  });
}

async function forward(near: Conn, target: string): Promise<void> {
  const far = await dial("tcp", target, { signal: AbortSignal.timeout(DIAL_TIMEOUT_MS) });
  pass(near, far);
  pass(far, near);
}

/** One direction: bytes, their end, and a break. */
function pass(from: Conn, to: Conn): void {
  from.serve({
    data: (bytes) => to.write(bytes), // The promise holds the sender back while the receiver is behind.
    end: () => to.closeWrite(), // Half a close: the other direction goes on.
    close(error) {
      if (error !== undefined) to.abort();
    },
  });
}
