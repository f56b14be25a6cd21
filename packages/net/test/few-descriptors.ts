// A server that greets everybody, run with few file descriptors; "quit" ends it.
import { type Conn, listen } from "@zocalo/net";

let told = 0;
const listener = await listen("tcp", "127.0.0.1:0", { onRefuse: () => told++ });
process.stdout.write(`listening ${listener.addr.toString()}\n`);
const startedAt = process.cpuUsage();

async function greet(conn: Conn): Promise<void> {
  await conn.write(Buffer.from("hello"));
  for await (const bytes of conn) {
    if (String(bytes) === "quit") await quit();
  }
  await conn.close();
}

async function quit(): Promise<void> {
  const { user, system } = process.cpuUsage(startedAt);
  await listener.abort();
  // Far more than greeting some hundred connections takes, far less than spinning does.
  process.stdout.write(`told of ${told}\n`);
  process.stdout.write(user + system < 5e6 ? "cpu low\n" : `cpu ${user + system} µs\n`);
}

for await (const conn of listener) greet(conn).catch(() => conn.abort());
