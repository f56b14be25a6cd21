/*
 * To be run in a network namespace of its own (see `self-dial.test.ts`), whose system has one port left, at
 * which nobody listens: what dials it is given that very port. Prints how each dial ended, and how it ends
 * for who asks for the port.
 */
import { writeFileSync } from "node:fs";
import { dial, listen, type NetError } from "@zocalo/net";
import { trialsOver } from "@zocalo/net/transport";

const free = 50_000;
const none = `127.0.0.1:${free}`;

// What is tried at the first dial has ports of its own.
await listen("tcp", "127.0.0.1:0").then((listener) => listener.abort());
await trialsOver();
writeFileSync("/proc/sys/net/ipv4/ip_local_port_range", `${free} ${free}`);

/** The code of what is refused, or the bytes that come back. */
async function outcome(dialing: () => Promise<string>): Promise<string> {
  return dialing().catch(({ code, message }: NetError) => `${code}: ${message}`);
}

async function overTcp(address: string, localAddress?: string): Promise<string> {
  const conn = await dial("tcp", address, { localAddress });
  await conn.write(Buffer.from("hola"));
  const bytes = await conn.read();
  await conn.close();
  return Buffer.from(bytes ?? []).toString();
}

async function overUdp(localAddress?: string): Promise<string> {
  const conn = await dial("udp", none, { localAddress });
  await conn.send("hola");
  const message = await conn.receive();
  await conn.close();
  return Buffer.from(message).toString();
}

const outcomes = {
  tcp: await outcome(() => overTcp(none)),
  "tcp, IPv6": await outcome(() => overTcp(`[::1]:${free}`)),
  tls: await outcome(() => dial("tls", none).then(String)),
  proxy: await outcome(() => dial("tcp", "example.org:80", { proxy: `http://${none}` }).then(String)),
  udp: await outcome(() => overUdp()),
  // What was dialed has left the port to who listens there.
  "a listener": await outcome(() =>
    listen("tcp", none)
      .then((listener) => listener.abort())
      .then(String),
  ),
  "tcp, asked for": await outcome(() => overTcp(none, none)),
  "udp, asked for": await outcome(() => overUdp(none)),
};
process.stdout.write(JSON.stringify(outcomes));
