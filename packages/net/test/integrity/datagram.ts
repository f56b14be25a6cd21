import { createSocket, type Socket } from "node:dgram";
import { setImmediate as turn } from "node:timers/promises";
import {
  CALLER_POISON,
  type CaseBase,
  type CaseContext,
  type Decks,
  identify,
  Kept,
  type Keeping,
  KEEPINGS,
  must,
  mustBe,
  nap,
  Random,
  type Scenario,
  stamp,
} from "@zocalo/integrity";
import {
  dial,
  type IpAddr,
  listenPacket,
  type MessageConn,
  type PacketConn,
  parseAddr,
  peers,
} from "@zocalo/net";

const KINDS = ["packets", "dialed", "peers"] as const;
const SENDINGS = ["send", "send burst", "trySend", "trySend one buffer", "batch", "trySendBatch"] as const;
const RECEIVINGS = ["receive", "iterate", "serve"] as const;

/** Datagrams to and from one socket of Node's. */
export interface DatagramCase extends CaseBase {
  readonly kind: (typeof KINDS)[number];
  readonly sending: (typeof SENDINGS)[number];
  readonly receiving: (typeof RECEIVINGS)[number];
  readonly keeping: Keeping;
  /** Bytes of each datagram, a multiple of 8. */
  readonly size: number;
  readonly count: number;
}

/** Datagrams over loopback: any may be lost, but what comes is what was sent. */
export function datagramScenario(): Scenario<DatagramCase> {
  return {
    name: "datagram",
    weight: 4,
    draw: drawDatagram,
    run: runDatagrams,
    simpler: simplerDatagrams,
  };
}

export function* simplerDatagrams(drawn: DatagramCase): Generator<DatagramCase> {
  if (drawn.keeping !== "keep") yield { ...drawn, keeping: "keep" };
  if (drawn.receiving !== "receive") yield { ...drawn, receiving: "receive" };
  if (drawn.kind !== "packets") yield { ...drawn, kind: "packets" };
  if (drawn.count > 1) yield { ...drawn, count: Math.floor(drawn.count / 4) };
}

/** Datagrams over a link that takes about 5 MB/s: most of them have to wait in the process. */
export function drawSlowDatagram(decks: Decks): DatagramCase {
  return {
    scenario: "datagram",
    seed: decks.random.fork(),
    kind: decks.deal("slow datagram kind", KINDS),
    sending: decks.deal(
      "slow datagram sending",
      SENDINGS.filter((sending) => sending !== "send"),
    ),
    receiving: "serve",
    keeping: "keep",
    size: 1400,
    count: 700,
  };
}

function drawDatagram(decks: Decks): DatagramCase {
  const { random } = decks;
  return {
    scenario: "datagram",
    seed: random.fork(),
    kind: decks.deal("datagram kind", KINDS),
    sending: decks.deal("datagram sending", SENDINGS),
    receiving: decks.deal("datagram receiving", RECEIVINGS),
    keeping: decks.deal("datagram keeping", KEEPINGS),
    size: decks.deal("datagram size", [8, 64, 512, 1400, 9000, 65_504]),
    count: random.int(1, 200),
  };
}

/** What our end does, whatever kind of socket it is. */
interface Port {
  send(bytes: Uint8Array): Promise<unknown>;
  trySend(bytes: Uint8Array): string;
  batch(list: readonly Uint8Array[]): Promise<unknown>;
  tryBatch(list: readonly Uint8Array[]): unknown;
  receive(): Promise<Uint8Array | null>;
  serve(take: (bytes: Uint8Array) => void): void;
}

async function runDatagrams(drawn: DatagramCase, context: CaseContext): Promise<void> {
  const random = new Random(context.random.fork());
  const outStream = context.stream();
  const inStream = context.stream();
  const far = createSocket("udp4");
  far.on("error", () => undefined); // ICMP of what came after our end had closed
  await new Promise<void>((resolve) => far.bind(0, "127.0.0.1", resolve));
  try {
    far.setRecvBufferSize(4_000_000);
  } catch {
    // Then some more are lost.
  }
  context.onEnd(() => new Promise<void>((resolve) => far.close(() => resolve())));

  const arrived: Buffer[] = [];
  far.on("message", (bytes) => arrived.push(bytes));
  const port = await open(drawn, far, context);
  const kept = new Kept(drawn.keeping, random);
  const take = (bytes: Uint8Array): void => {
    if (bytes.length === GREETING.length) return;
    must(bytes.length === drawn.size, () => `a datagram of ${drawn.size} bytes came as ${bytes.length}`);
    const found = identify(bytes);
    must(
      found?.stream === inStream,
      () => `a datagram came that is not of its peer: ${JSON.stringify(found)}`,
    );
    kept.take(bytes, inStream, found.position);
  };
  const receiving = receiveAll(port, drawn.receiving, (bytes) => {
    try {
      take(bytes);
    } catch (error) {
      context.fail(error);
    }
  });
  receiving.catch((error: unknown) => context.fail(error));

  await Promise.all([sendAll(port, drawn, outStream, random), answer(far, port, drawn, inStream)]);
  await quiet(() => arrived.length);
  const seen = new Set<number>();
  for (const bytes of arrived) {
    must(bytes.length === drawn.size, () => `a datagram of ${drawn.size} bytes arrived as ${bytes.length}`);
    const found = identify(bytes);
    const position = found?.stream === outStream ? found.position : 0;
    mustBe(bytes, outStream, position, "a datagram that arrived");
    must(
      !seen.has(position),
      () => `datagram ${position / drawn.size} arrived twice, so another one was sent as it`,
    );
    seen.add(position);
  }
  kept.verify();
}

/** Makes a peer known to `peers()`; shorter than any datagram of a case. */
const GREETING = Buffer.from("hola");

async function open(
  drawn: DatagramCase,
  far: Socket,
  context: CaseContext,
): Promise<Port & { address: IpAddr }> {
  const { port: farPort } = far.address();
  const to = parseAddr("udp", `127.0.0.1:${farPort}`);
  if (drawn.kind === "dialed") {
    const conn = await dial("udp", `127.0.0.1:${farPort}`);
    context.onEnd(() => conn.close());
    return {
      address: conn.localAddr,
      send: (bytes) => conn.send(bytes),
      trySend: (bytes) => conn.trySend(bytes),
      batch: (list) => conn.sendBatch(list),
      tryBatch: (list) => conn.trySendBatch(list),
      receive: () => conn.receive(),
      serve: (take) => conn.serve({ message: take }),
    };
  }
  const packets: PacketConn = await listenPacket("udp4", "127.0.0.1:0");
  context.onEnd(() => packets.close());
  if (drawn.kind === "packets") {
    return {
      address: packets.localAddr,
      send: (bytes) => packets.send(bytes, to),
      trySend: (bytes) => packets.trySend(bytes, to),
      batch: (list) => packets.sendBatch(list.map((bytes) => ({ bytes, addr: to }))),
      tryBatch: (list) => packets.trySendBatch(list.map((bytes) => ({ bytes, addr: to }))),
      receive: async () => (await packets.receive()).bytes,
      serve: (take) => packets.serve({ message: ({ bytes }) => take(bytes) }),
    };
  }
  const listener = peers(packets, {
    messages: "binary",
    receiveLimitBytes: 4_000_000,
    receiveLimitMessages: 1000,
  });
  context.onEnd(() => listener.abort());
  far.send(GREETING, packets.localAddr.port, "127.0.0.1");
  const conn: MessageConn = await listener.accept();
  const asBytes = (message: string | Uint8Array): Uint8Array =>
    typeof message === "string" ? Buffer.from(message) : message;
  return {
    address: packets.localAddr,
    send: (bytes) => conn.send(bytes),
    trySend: (bytes) => conn.trySend(bytes),
    // It has no batches.
    batch: (list) => Promise.allSettled(list.map((bytes) => conn.send(bytes))),
    tryBatch: (list) => list.map((bytes) => conn.trySend(bytes)),
    async receive() {
      const message = await conn.receive();
      return message === null ? null : asBytes(message);
    },
    serve: (take) => conn.serve({ message: (message) => take(asBytes(message)) }),
  };
}

async function receiveAll(
  port: Port,
  how: DatagramCase["receiving"],
  take: (bytes: Uint8Array) => void,
): Promise<void> {
  if (how === "serve") return port.serve(take);
  for (;;) {
    let bytes: Uint8Array | null;
    try {
      bytes = await port.receive();
    } catch {
      return; // The case is over and the socket is closed, which is how this loop ends.
    }
    if (bytes === null) return;
    take(bytes);
  }
}

async function sendAll(
  port: Port,
  { sending, size, count }: DatagramCase,
  stream: number,
  random: Random,
): Promise<void> {
  const made = (index: number): Buffer => {
    const bytes = Buffer.allocUnsafeSlow(size);
    stamp(bytes, stream, index * size);
    return bytes;
  };
  const shared = Buffer.allocUnsafeSlow(size);
  const pending: Promise<unknown>[] = [];
  for (let index = 0; index < count; index += 1) {
    switch (sending) {
      case "send":
      case "send burst": {
        const bytes = made(index);
        const sent = port.send(bytes).then(
          () => bytes.fill(CALLER_POISON),
          () => bytes.fill(CALLER_POISON), // no room: it has not left, and shall not
        );
        if (sending === "send") await sent;
        else pending.push(sent);
        break;
      }
      case "trySend":
      case "trySend one buffer": {
        const bytes = sending === "trySend" ? made(index) : shared;
        stamp(bytes, stream, index * size);
        port.trySend(bytes);
        bytes.fill(CALLER_POISON);
        break;
      }
      case "batch":
      case "trySendBatch": {
        const list = Array.from({ length: Math.min(20, count - index) }, (_, i) => made(index + i));
        index += list.length - 1;
        if (sending === "batch") {
          await port.batch(list).catch(() => undefined); // those that did not leave do not come
        } else port.tryBatch(list);
        for (const bytes of list) bytes.fill(CALLER_POISON);
        break;
      }
    }
    // So that a receiver keeps up, mostly.
    if (random.chance(0.1)) await turn();
  }
  await Promise.all(pending);
}

/** The far end sends as many. */
async function answer(
  far: Socket,
  { address }: { address: IpAddr } & Port,
  drawn: DatagramCase,
  stream: number,
): Promise<void> {
  for (let index = 0; index < Math.min(drawn.count, 60); index += 1) {
    const bytes = Buffer.allocUnsafeSlow(drawn.size);
    stamp(bytes, stream, index * drawn.size);
    await new Promise<void>((resolve) => far.send(bytes, address.port, "127.0.0.1", () => resolve()));
  }
}

/** Waits until nothing more comes: what is still on its way then is lost, which datagrams may be. */
async function quiet(count: () => number): Promise<void> {
  for (let still = 0, before = -1; still < 3; ) {
    await nap(2);
    still = count() === before ? still + 1 : 0;
    before = count();
  }
}
