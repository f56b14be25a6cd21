import type { Socket } from "node:dgram";
import { type CaseContext, codeOf, must } from "@zocalo/integrity";
import { type Deadline, dial, type IpAddr, ipAddr, listenPacket, type Message, peers } from "@zocalo/net";

export const KINDS = ["packets", "dialed", "peers"] as const;

/** How our end is made. */
export interface EndsCase {
  readonly kind: (typeof KINDS)[number];
  /**
   * The far sockets are sent to by a host's name, which is looked up for each datagram. Only for `packets`.
   */
  readonly isNamed: boolean;
}

/** A socket of Node's on the other side. */
interface FarSocket {
  readonly socket: Socket;
  readonly port: number;
}

/** What a call said of a datagram. After `unknown`, of a call that was cut short, it may still leave. */
export type Outcome = "unsent" | "accepted" | "refused" | "unknown";

/** What our end sends to one far socket with. */
export interface Port {
  /** Where the far socket sends to. */
  readonly address: IpAddr;
  send(bytes: Uint8Array, options?: { signal: AbortSignal }): Promise<void>;
  trySend(bytes: Uint8Array): string;
  sendBatch(list: readonly Uint8Array[]): Promise<Outcome[]>;
  trySendBatch(list: readonly Uint8Array[]): Outcome[];
  /** A connection of `peers` has none. */
  setWriteDeadline?(at: Deadline): void;
  flush(): Promise<void>;
}

/** What came, and which far socket it came from as our end tells it. */
export interface Arrival {
  readonly bytes: Uint8Array;
  readonly from: number;
}

/** What our end receives with. */
export interface Receiver extends AsyncIterable<Arrival> {
  receive(): Promise<Arrival | null>;
  serve(take: (arrival: Arrival) => void): void;
}

/** Makes a peer known to `peers()`; shorter than any datagram of a case. */
export const GREETING = Buffer.from("hola");

/** Opens what our end sends to the far sockets with, and receives with. */
export async function open(
  drawn: EndsCase,
  fars: readonly FarSocket[],
  context: CaseContext,
): Promise<{ ports: Port[]; receivers: Receiver[] }> {
  if (drawn.kind === "dialed") return dialAll(fars, context);
  const packets = await listenPacket("udp4", "127.0.0.1:0");
  const address = packets.localAddr;
  if (drawn.kind === "packets") {
    context.onEnd(() => packets.close());
    const ports = fars.map(({ port }): Port => {
      const to = ipAddr("udp", drawn.isNamed ? "localhost" : "127.0.0.1", port);
      const packetsOf = (list: readonly Uint8Array[]) => list.map((bytes) => ({ bytes, addr: to }));
      return {
        address,
        send: (bytes, options) => packets.send(bytes, to, options),
        trySend: (bytes) => packets.trySend(bytes, to),
        sendBatch: (list) => batchOutcomes(list.length, packets.sendBatch(packetsOf(list))),
        trySendBatch: (list) => firstAccepted(list.length, packets.trySendBatch(packetsOf(list))),
        setWriteDeadline: (at) => packets.setWriteDeadline(at),
        flush: () => packets.flush(),
      };
    });
    const fromPort = (port: number): number => fars.findIndex((far) => far.port === port);
    return {
      ports,
      receivers: [receiverOf(packets, ({ bytes, addr }) => ({ bytes, from: fromPort(addr.port) }))],
    };
  }
  const listener = peers(packets, {
    messages: "binary",
    receiveLimitBytes: 4_000_000,
    receiveLimitMessages: 1000,
  });
  context.onEnd(() => listener.abort());
  const ports: Port[] = [];
  const receivers: Receiver[] = [];
  for (const [from, { socket }] of fars.entries()) {
    socket.send(GREETING, address.port, "127.0.0.1");
    const conn = await listener.accept();
    ports.push({
      address,
      send: (bytes, options) => conn.send(bytes, options),
      trySend: (bytes) => conn.trySend(bytes),
      // It has no batches.
      sendBatch: (list) => Promise.all(list.map((bytes) => outcomeOf(conn.send(bytes)))),
      trySendBatch: (list) =>
        list.map((bytes) => (conn.trySend(bytes) === "refused" ? "refused" : "accepted")),
      flush: () => conn.flush(),
    });
    receivers.push(receiverOf<Message>(conn, (message) => ({ bytes: Buffer.from(message), from })));
  }
  return { ports, receivers };
}

async function dialAll(
  fars: readonly FarSocket[],
  context: CaseContext,
): Promise<{ ports: Port[]; receivers: Receiver[] }> {
  const ports: Port[] = [];
  const receivers: Receiver[] = [];
  for (const [from, { port }] of fars.entries()) {
    const conn = await dial("udp", `127.0.0.1:${port}`);
    context.onEnd(() => conn.close());
    ports.push({
      address: conn.localAddr,
      send: (bytes, options) => conn.send(bytes, options),
      trySend: (bytes) => conn.trySend(bytes),
      sendBatch: (list) => batchOutcomes(list.length, conn.sendBatch(list)),
      trySendBatch: (list) => firstAccepted(list.length, conn.trySendBatch(list)),
      setWriteDeadline: (at) => conn.setWriteDeadline(at),
      flush: () => conn.flush(),
    });
    receivers.push(receiverOf(conn, (bytes) => ({ bytes, from })));
  }
  return { ports, receivers };
}

/** What all that receives datagrams has in common. */
interface Source<T> extends AsyncIterable<T> {
  receive(): Promise<T | null>;
  serve(handler: { message(datagram: T): void }): void;
}

function receiverOf<T>(source: Source<T>, arrivalOf: (datagram: T) => Arrival): Receiver {
  return {
    async receive() {
      const datagram = await source.receive();
      return datagram === null ? null : arrivalOf(datagram);
    },
    async *[Symbol.asyncIterator]() {
      for await (const datagram of source) yield arrivalOf(datagram);
    },
    serve: (take) => source.serve({ message: (datagram) => take(arrivalOf(datagram)) }),
  };
}

/** After these a datagram may still leave; after any other error it has not left, and shall not. */
const CUT: ReadonlySet<string> = new Set(["canceled", "timeout", "closed"]);

export function outcomeOf(sending: Promise<unknown>): Promise<Outcome> {
  return sending.then(() => "accepted", outcomeAfter);
}

function outcomeAfter(error: unknown): Outcome {
  return CUT.has(codeOf(error)) ? "unknown" : "refused";
}

async function batchOutcomes(length: number, sending: Promise<void>): Promise<Outcome[]> {
  try {
    await sending;
    return firstAccepted(length, length);
  } catch (error) {
    const sent: unknown = error instanceof Error ? Reflect.get(error, "datagramsSent") : undefined;
    must(typeof sent === "number", () => `a batch does not say how many had left: ${String(error)}`);
    const outcomes = firstAccepted(length, sent);
    outcomes[sent] = outcomeAfter(error);
    return outcomes;
  }
}

/** The others were not tried. */
function firstAccepted(length: number, accepted: number): Outcome[] {
  return Array.from({ length }, (_, at) => (at < accepted ? "accepted" : "refused"));
}
