// Serves every socket that it was started with until its input ends, and tells of each on a line: what it was
// called, where it is.
import { type Conn, inheritedSockets, type Listener, listen } from "@zocalo/net";

const networks = (process.argv[2] ?? "").split(",");
const listeners: Listener<Conn>[] = [];
for (const [i, socket] of inheritedSockets().entries()) {
  const [certFile = "", keyFile = ""] = process.argv.slice(3);
  const listener = await (networks[i] === "unix"
    ? listen("unix", socket)
    : networks[i] === "tls"
      ? listen("tls", socket, { certFile, keyFile })
      : listen("tcp", socket));
  listeners.push(listener);
  console.log(`${socket.fd} ${socket.name} ${String(listener.addr)}`);
  void (async () => {
    for await (const conn of listener) conn.serve({ data: (bytes) => conn.write(bytes) });
  })();
}
console.log("ready");
for await (const _ of process.stdin);
for (const listener of listeners) await listener.abort();
