// The load of `tcp.ts` where there is no C compiler; arguments, input and output are those of `tcp-load.c`.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createInterface } from "node:readline";

const [port = 0, connections = 0, messageBytes = 0, inFlight = 0] = process.argv.slice(2).map(Number);
const scratch = Buffer.allocUnsafe(1 << 18);
const batch = Buffer.alloc(messageBytes * inFlight);

/** One connection, which counts the bytes that come back. */
class Client {
  readonly socket: Socket;
  #partial = 0;
  #unheard = 0;

  constructor() {
    const callback = (count: number): boolean => this.#hear(count);
    const onread = { buffer: scratch, callback };
    this.socket = connect({ port, host: "127.0.0.1", noDelay: true, onread });
  }

  send(count: number): void {
    this.#unheard += count * messageBytes;
    this.socket.write(count === inFlight ? batch : batch.subarray(0, count * messageBytes));
  }

  #hear(count: number): boolean {
    this.#unheard -= count;
    this.#partial += count;
    const complete = Math.floor(this.#partial / messageBytes);
    this.#partial -= complete * messageBytes;
    messages += complete;
    if (complete > 0 && performance.now() < endsAt) this.send(complete);
    else if (this.#unheard === 0 && --busy === 0) allHeard?.();
    return true;
  }
}

let messages = 0;
let busy = 0;
let endsAt = 0;
let allHeard: (() => void) | undefined;

const clients = Array.from({ length: connections }, () => new Client());
await Promise.all(clients.map(({ socket }) => once(socket, "connect")));
console.log(JSON.stringify({ ready: true }));
for await (const line of createInterface({ input: process.stdin })) {
  const startedAt = performance.now();
  const cpu = process.cpuUsage();
  messages = 0;
  busy = connections;
  endsAt = startedAt + Number(line);
  const heard = new Promise<void>((resolve) => {
    allHeard = resolve;
  });
  for (const client of clients) client.send(inFlight);
  await heard;
  const { user, system } = process.cpuUsage(cpu);
  const elapsedUs = Math.round((performance.now() - startedAt) * 1000);
  console.log(JSON.stringify({ messages, elapsedUs, ownCpuUs: user + system }));
}
process.exit(0);
