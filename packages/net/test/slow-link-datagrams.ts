/*
 * To be run in a network namespace whose loopback is slow (see `slow-link.test.ts`). Sends stamped datagrams
 * in every way there is, each out of one buffer that is filled anew as soon as the way allows it, and prints
 * for each way how many had to wait in the process, how many were accepted, and how many different whole ones
 * came.
 */
import { dial, listenPacket, type MessageConn, type PeerListener, peers } from "@zocalo/net";

const BYTES = 1000;
const COUNT = 150;

const memory = new Uint8Array(BYTES);
const stamped = (number: number): Uint8Array =>
  memory.fill(number % 251).fill(Math.floor(number / 251), 0, 1);

const receiver = await listenPacket("udp4", "127.0.0.1:0", {
  receiveLimitDatagrams: 10_000,
  receiveLimitBytes: 100_000_000,
});
const to = receiver.localAddr;

async function greetedPeer(): Promise<{ conn: MessageConn; listener: PeerListener }> {
  const socket = await listenPacket("udp4", "127.0.0.1:0", { writeBufferBytes: 4608 });
  const listener = peers(socket, { messages: "binary" });
  await receiver.send(new Uint8Array(0), socket.localAddr);
  return { conn: await listener.accept(), listener };
}

interface Way {
  readonly send: (number: number) => unknown;
  /** Waits until all has left. */
  readonly flush: () => Promise<void>;
}

const ways: Record<string, () => Promise<Way>> = {
  async trySend() {
    const socket = await listenPacket("udp4", "127.0.0.1:0", { writeBufferBytes: 4608 });
    return {
      send: (number) => socket.trySend(stamped(number), to) === "sent",
      flush: () => socket.flush(),
    };
  },
  async trySendBatch() {
    const socket = await listenPacket("udp4", "127.0.0.1:0", { writeBufferBytes: 4608 });
    return {
      send: (number) => socket.trySendBatch([{ bytes: stamped(number), addr: to }]) === 1,
      flush: () => socket.flush(),
    };
  },
  async "dial, trySend"() {
    const conn = await dial("udp", String(to), { writeBufferBytes: 4608 });
    return { send: (number) => conn.trySend(stamped(number)) === "sent", flush: () => conn.flush() };
  },
  async "send, awaited"() {
    const socket = await listenPacket("udp4", "127.0.0.1:0", { writeBufferBytes: 4608 });
    return {
      send: (number) => socket.send(stamped(number), to).then(() => true),
      flush: () => socket.flush(),
    };
  },
  async "send, canceled"() {
    const socket = await listenPacket("udp4", "127.0.0.1:0", { writeBufferBytes: 4608 });
    return {
      send(number) {
        const controller = new AbortController();
        void socket.send(stamped(number), to, { signal: controller.signal });
        controller.abort();
        return true;
      },
      flush: () => socket.flush(),
    };
  },
  async "send, before a deadline"() {
    const socket = await listenPacket("udp4", "127.0.0.1:0", { writeBufferBytes: 4608 });
    return {
      send(number) {
        socket.setWriteDeadline(Date.now() + 60_000);
        void socket.send(stamped(number), to);
        socket.setWriteDeadline(1);
        return true;
      },
      flush: () => socket.flush(),
    };
  },
  async "peers, trySend"() {
    const { conn } = await greetedPeer();
    return { send: (number) => conn.trySend(stamped(number)) === "sent", flush: () => conn.flush() };
  },
  async "peers, send"() {
    const { conn } = await greetedPeer();
    return { send: (number) => conn.send(stamped(number)).then(() => true), flush: () => conn.flush() };
  },
  async "peers, closed with their listener"() {
    const { conn, listener } = await greetedPeer();
    const flush = async (): Promise<void> => {
      const closing = conn.close();
      await listener.close();
      await closing;
    };
    return { send: (number) => conn.trySend(stamped(number)) === "sent", flush };
  },
};

const results: Record<string, unknown> = {};
for (const [name, open] of Object.entries(ways)) {
  const { send, flush } = await open();
  let accepted = 0;
  let flushed = false;
  for (let number = 0; number < COUNT; number++) if ((await send(number)) === true) accepted++;
  memory.fill(0xdb);
  const flushing = flush().then(() => (flushed = true));
  await Promise.resolve();
  await Promise.resolve();
  const hadToWait = !flushed;
  await flushing;
  const seen = new Set<number>();
  while (seen.size < accepted) {
    const { bytes } = await receiver
      .receive({ signal: AbortSignal.timeout(3000) })
      .catch(() => ({ bytes: undefined }));
    if (bytes === undefined) break;
    const isWhole = bytes.length === BYTES && bytes.subarray(2).every((byte) => byte === bytes[1]);
    if (isWhole) seen.add((bytes[0] ?? 0) * 251 + (bytes[1] ?? 0));
  }
  results[name] = { accepted, hadToWait, came: seen.size };
}
console.log(JSON.stringify(results));
process.exit(0);
