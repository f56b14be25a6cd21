// An echo server of one kind, for `udp.ts`. Prints its port as JSON.
import { createSocket } from "node:dgram";
import { listenPacket, type Packet, type PacketConn, peers } from "@zocalo/net";

const kinds: Record<string, () => Promise<number>> = {
  dgram: () =>
    new Promise((resolve) => {
      const socket = createSocket("udp4");
      socket.on("message", (bytes, { address, port }) => socket.send(bytes, port, address));
      socket.bind(0, "127.0.0.1", () => resolve(socket.address().port));
    }),
  "zocalo, iterated": () => zocalo((packets) => void iterate(packets)),
  "zocalo, handler": () =>
    zocalo((packets) => {
      packets.serve({ message: ({ bytes, addr }) => void packets.trySend(bytes, addr) });
    }),
  "zocalo, batched": () => zocalo(serveInBatches),
  "zocalo, peers": () => zocalo((packets) => void servePeers(packets)),
};

async function zocalo(echo: (packets: PacketConn) => void): Promise<number> {
  const packets = await listenPacket("udp4", "127.0.0.1:0");
  echo(packets);
  return packets.localAddr.port;
}

async function iterate(packets: PacketConn): Promise<void> {
  for await (const { bytes, addr } of packets) await packets.send(bytes, addr);
}

/** Answers all datagrams of a turn of the event loop together. */
function serveInBatches(packets: PacketConn): void {
  let batch: Packet[] = [];
  const answer = (): void => {
    packets.trySendBatch(batch);
    batch = [];
  };
  packets.serve({
    message(packet) {
      if (batch.push(packet) === 1) setImmediate(answer);
    },
  });
}

async function servePeers(packets: PacketConn): Promise<void> {
  for await (const conn of peers(packets, { messages: "binary" })) {
    conn.serve({ message: (message) => void conn.trySend(message) });
  }
}

const start = kinds[process.argv[2] ?? ""];
if (!start) throw new Error(`no kind ${process.argv[2]}, there are ${Object.keys(kinds).join("; ")}`);
console.log(JSON.stringify({ port: await start() }));
