// An echo server of one kind, for `tcp.ts` and `idle-memory.ts`. Prints its port as JSON. SIGUSR2 collects
// garbage.
import { createServer } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Conn, listen } from "@zocalo/net";

const BACKLOG = 4096;

const kinds: Record<string, () => Promise<number>> = {
  "node:net": () =>
    new Promise((resolve) => {
      const server = createServer({ noDelay: true }, (socket) => {
        socket.on("data", (bytes) => socket.write(bytes));
        socket.on("error", () => socket.destroy());
      });
      server.listen(0, "127.0.0.1", BACKLOG, () => {
        const address = server.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    }),
  "conn, iterated": () => serve((conn) => void iterate(conn)),
  // What `write` returns is returned: a client that does not read is not read from either, which raw
  // `node:net` here does not offer.
  "conn, handler": () => serve((conn) => conn.serve({ data: (bytes) => conn.write(bytes) })),
};

async function serve(handle: (conn: Conn) => void): Promise<number> {
  const listener = await listen("tcp", "127.0.0.1:0", { backlog: BACKLOG, maxPending: BACKLOG });
  void (async () => {
    for await (const conn of listener) handle(conn);
  })();
  return Number(String(listener.addr).split(":")[1]);
}

async function iterate(conn: Conn): Promise<void> {
  try {
    for await (const bytes of conn) await conn.write(bytes);
    await conn.close();
  } catch {
    conn.abort();
  }
}

const kind = process.argv[2] ?? "";
const start = kinds[kind];
if (!start) throw new Error(`no kind ${kind}, there are ${Object.keys(kinds).join("; ")}`);
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
process.on("SIGUSR2", () => collect());
// `--cpu-prof` writes its file only at an orderly end.
process.on("SIGTERM", () => process.exit(0));
console.log(JSON.stringify({ port: await start() }));
