import { createSocket, type Socket } from "node:dgram";
import { connect } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import {
  CALLER_POISON,
  type CaseBase,
  type CaseContext,
  codeOf,
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
  stamped,
} from "@zocalo/integrity";
import {
  type Deadline,
  dial,
  type IpAddr,
  ipAddr,
  listen,
  listenPacket,
  type Message,
  peers,
} from "@zocalo/net";
import { LostDatagrams } from "./lost-datagrams.ts";

const KINDS = ["packets", "dialed", "peers"] as const;
const SENDINGS = [
  "send",
  "send burst",
  "send canceled",
  "send timed out",
  "trySend",
  "trySend one buffer",
  "batch",
  "trySendBatch",
  // Of what a handler of a stream is lent.
  "lent send",
  "lent trySend",
  "lent batch",
  "lent trySendBatch",
] as const;
const RECEIVINGS = ["receive", "iterate", "serve"] as const;

/** Datagrams to and from sockets of Node's, each with a stream of its own either way. */
export interface DatagramCase extends CaseBase {
  readonly kind: (typeof KINDS)[number];
  /** How many of Node's sockets there are. */
  readonly fars: number;
  /** They are sent to by a host's name, which is looked up for each datagram. Only for `packets`. */
  readonly isNamed: boolean;
  readonly sending: (typeof SENDINGS)[number];
  readonly receiving: (typeof RECEIVINGS)[number];
  readonly keeping: Keeping;
  /** Bytes of each datagram, a multiple of 8. */
  readonly size: number;
  /** For each of the sockets. */
  readonly count: number;
}

/** Datagrams over loopback: what comes is what was sent, to whom and from whom, and where Linux counts what it throws away nothing else is lost. */
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
  if (drawn.fars > 1) yield { ...drawn, fars: 1 };
  if (drawn.isNamed) yield { ...drawn, isNamed: false };
  if (drawn.kind !== "packets") yield { ...drawn, kind: "packets" };
  if (drawn.count > 1) yield { ...drawn, count: Math.floor(drawn.count / 4) };
}

/** Datagrams over a link that takes about 5 MB/s: most of them have to wait in the process. */
export function drawSlowDatagram(decks: Decks): DatagramCase {
  const fars = decks.random.pick([1, 1, 2, 3]);
  return {
    scenario: "datagram",
    seed: decks.random.fork(),
    kind: decks.deal("slow datagram kind", KINDS),
    fars,
    isNamed: false,
    sending: decks.deal(
      "slow datagram sending",
      SENDINGS.filter((sending) => sending !== "send"),
    ),
    receiving: "serve",
    keeping: "keep",
    size: 1400,
    count: Math.floor(700 / fars),
  };
}

function drawDatagram(decks: Decks): DatagramCase {
  const { random } = decks;
  const sending = decks.deal("datagram sending", SENDINGS);
  // Here the system takes all at once, and only what is sent to a name has to wait longer than it is lent.
  const isLent = isOfLent(sending);
  const kind = isLent
    ? decks.deal("datagram kind of lent", [...KINDS, "packets", "packets"] as const)
    : decks.deal("datagram kind", KINDS);
  const isNamed = kind === "packets" && (isLent || decks.deal("datagram named", [true, false]));
  const fars = random.int(1, 4);
  return {
    scenario: "datagram",
    seed: random.fork(),
    kind,
    fars,
    isNamed,
    sending,
    receiving: decks.deal("datagram receiving", RECEIVINGS),
    keeping: decks.deal("datagram keeping", KEEPINGS),
    size: decks.deal("datagram size", [8, 64, 512, 1400, 9000, 65_504]),
    count: random.int(1, Math.floor(200 / fars)),
  };
}

/** What a call said of a datagram. After `unknown`, of a call that was cut short, it may still leave. */
type Outcome = "unsent" | "accepted" | "refused" | "unknown";

/** What our end sends to one far socket with. */
interface Port {
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
interface Arrival {
  readonly bytes: Uint8Array;
  readonly from: number;
}

/** What our end receives with. */
interface Receiver extends AsyncIterable<Arrival> {
  receive(): Promise<Arrival | null>;
  serve(take: (arrival: Arrival) => void): void;
}

/** A socket of Node's, and the books of what goes there and comes from there. */
interface Far {
  readonly socket: Socket;
  readonly port: number;
  readonly lost: LostDatagrams;
  readonly arrived: Buffer[];
  readonly outStream: number;
  readonly inStream: number;
  /** What the calls said, datagram by datagram. */
  readonly outcomes: Outcome[];
}

async function runDatagrams(drawn: DatagramCase, context: CaseContext): Promise<void> {
  const random = new Random(context.random.fork());
  const fars: Far[] = [];
  while (fars.length < drawn.fars) fars.push(await openFar(drawn, context));
  const { ports, receivers } = await open(drawn, fars, context);
  const kept = new Kept(drawn.keeping, random);
  const take = ({ bytes, from }: Arrival): void => {
    if (bytes.length === GREETING.length) return;
    must(bytes.length === drawn.size, () => `a datagram of ${drawn.size} bytes came as ${bytes.length}`);
    const found = identify(bytes);
    must(
      found !== undefined && found.stream === fars[from]?.inStream,
      () => `a datagram came that is not of its peer: ${JSON.stringify(found)}`,
    );
    kept.take(bytes, found.stream, found.position);
  };
  let isOver = false;
  for (const receiver of receivers) {
    receiveAll(receiver, drawn.receiving, (arrival) => {
      try {
        take(arrival);
      } catch (error) {
        context.fail(error);
      }
    }).catch((error: unknown) => {
      if (!isOver && codeOf(error) !== "closed") context.fail(error);
    });
  }

  await Promise.all(
    fars.flatMap((far, at) => {
      const port = ports[at];
      must(port !== undefined, () => "a far socket has no port");
      return [sendAll(port, far, drawn, random, context), answer(far, port, drawn)];
    }),
  );
  await Promise.all(ports.map((port) => port.flush()));
  for (const far of fars) await check(far, drawn.size);
  kept.verify();
  isOver = true;
}

async function openFar(drawn: DatagramCase, context: CaseContext): Promise<Far> {
  const socket = createSocket("udp4");
  socket.on("error", () => undefined); // ICMP of what came after our end had closed
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  try {
    socket.setRecvBufferSize(4_000_000);
  } catch {
    // Then some more are lost.
  }
  context.onEnd(() => new Promise<void>((resolve) => socket.close(() => resolve())));
  const arrived: Buffer[] = [];
  socket.on("message", (bytes) => arrived.push(bytes));
  const { port } = socket.address();
  const [outStream, inStream] = [context.stream(), context.stream()];
  const outcomes = Array.from({ length: drawn.count }, (): Outcome => "unsent");
  return { socket, port, lost: new LostDatagrams(port), arrived, outStream, inStream, outcomes };
}

/** How often, 2 ms apart, it is looked whether more comes before what is missing counts as lost, and before that is believed where it must not be. */
const QUIET_LOOKS = 3;
const MISSING_LOOKS = 1500;

/** Waits until all that was accepted has come, but for what the system has thrown away, and holds it against what was sent. */
async function check({ arrived, outcomes, outStream, lost }: Far, size: number): Promise<void> {
  const seen = new Set<number>();
  let looked = 0;
  const look = (): void => {
    for (const bytes of arrived.slice(looked)) {
      must(bytes.length === size, () => `a datagram of ${size} bytes arrived as ${bytes.length}`);
      const found = identify(bytes);
      const position = found?.stream === outStream ? found.position : 0;
      mustBe(bytes, outStream, position, "a datagram that arrived");
      const index = position / size;
      const outcome = outcomes[index];
      must(
        outcome === "accepted" || outcome === "unknown",
        () => `datagram ${index} arrived although it was ${outcome ?? "never made"}`,
      );
      must(!seen.has(index), () => `datagram ${index} arrived twice, so another one was sent as it`);
      seen.add(index);
    }
    looked = arrived.length;
  };
  const missing = (): number[] =>
    outcomes.flatMap((outcome, index) => (outcome === "accepted" && !seen.has(index) ? [index] : []));
  for (let still = 0, before = -1; ; ) {
    await nap(2);
    look();
    still = looked === before ? still + 1 : 0;
    before = looked;
    if (still < QUIET_LOOKS) continue;
    const few = missing();
    const most = lost.count;
    if (most === undefined || few.length <= most) return;
    must(
      still < MISSING_LOOKS,
      () =>
        `${few.length} accepted datagrams never came, first ${few[0]}; the system has lost ${most} at most`,
    );
  }
}

/** Makes a peer known to `peers()`; shorter than any datagram of a case. */
const GREETING = Buffer.from("hola");

async function open(
  drawn: DatagramCase,
  fars: readonly Far[],
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
  fars: readonly Far[],
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

/** Rejects, or not, when the socket is closed. */
async function receiveAll(
  receiver: Receiver,
  how: DatagramCase["receiving"],
  take: (arrival: Arrival) => void,
): Promise<void> {
  switch (how) {
    case "serve":
      return receiver.serve(take);
    case "iterate":
      for await (const arrival of receiver) take(arrival);
      return;
    case "receive":
      for (;;) {
        const arrival = await receiver.receive();
        if (arrival === null) return;
        take(arrival);
      }
  }
}

/** After these a datagram may still leave; after any other error it has not left, and shall not. */
const CUT: ReadonlySet<string> = new Set(["canceled", "timeout", "closed"]);

function outcomeOf(sending: Promise<unknown>): Promise<Outcome> {
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

type Sending = DatagramCase["sending"];
type LentSending = Extract<Sending, `lent ${string}`>;

function isOfLent(sending: Sending): sending is LentSending {
  return sending.startsWith("lent ");
}

async function sendAll(
  port: Port,
  far: Far,
  { sending, size, count }: DatagramCase,
  random: Random,
  context: CaseContext,
): Promise<void> {
  const { outStream: stream, outcomes } = far;
  if (isOfLent(sending)) return passOnLent(port, far, { sending, size, count }, context);
  const made = (index: number): Buffer => stamped(stream, index * size, size);
  const shared = Buffer.allocUnsafeSlow(size);
  const pending: Promise<unknown>[] = [];
  const send = async (index: number, signal?: AbortSignal): Promise<void> => {
    const bytes = made(index);
    outcomes[index] = await outcomeOf(signal === undefined ? port.send(bytes) : port.send(bytes, { signal }));
    bytes.fill(CALLER_POISON);
  };
  for (let index = 0; index < count; index += 1) {
    switch (sending) {
      case "send":
        await send(index);
        break;
      case "send burst":
        pending.push(send(index));
        break;
      case "send canceled":
      case "send timed out": {
        if (sending === "send timed out" && port.setWriteDeadline !== undefined) {
          // Before the call: only then is the datagram copied.
          port.setWriteDeadline(Date.now() + random.int(0, 3));
          await send(index);
          port.setWriteDeadline(null);
          break;
        }
        const controller = new AbortController();
        const sent = send(index, controller.signal);
        const when = random.int(0, 3);
        if (when === 0) controller.abort();
        else if (when === 1) queueMicrotask(() => controller.abort());
        else if (when === 2) void turn().then(() => controller.abort());
        await sent;
        break;
      }
      case "trySend":
      case "trySend one buffer": {
        const bytes = sending === "trySend" ? made(index) : shared;
        stamp(bytes, stream, index * size);
        outcomes[index] = port.trySend(bytes) === "refused" ? "refused" : "accepted";
        bytes.fill(CALLER_POISON);
        break;
      }
      case "batch":
      case "trySendBatch": {
        const list = Array.from({ length: Math.min(20, count - index) }, (_, i) => made(index + i));
        const said = sending === "batch" ? await port.sendBatch(list) : port.trySendBatch(list);
        outcomes.splice(index, list.length, ...said);
        index += list.length - 1;
        for (const bytes of list) bytes.fill(CALLER_POISON);
        break;
      }
    }
    // So that a receiver keeps up, mostly.
    if (random.chance(0.1)) await turn();
  }
  await Promise.all(pending);
}

/** Passes on what comes over a TCP connection, straight out of the memory that its handler is lent. */
async function passOnLent(
  port: Port,
  { outStream: stream, outcomes }: Far,
  { sending, size, count }: Pick<DatagramCase, "size" | "count"> & { sending: LentSending },
  context: CaseContext,
): Promise<void> {
  const listener = await listen("tcp", "127.0.0.1:0");
  context.onEnd(() => listener.abort());
  const { addr } = listener;
  const source = connect("port" in addr ? addr.port : 0, "127.0.0.1");
  context.onEnd(() => source.destroy());
  const conn = await listener.accept();
  const pending: Promise<void>[] = [];
  const pass = (index: number, list: readonly Uint8Array[]): void => {
    const book = (said: readonly Outcome[]): void => void outcomes.splice(index, said.length, ...said);
    const [only] = list;
    if (only === undefined) return;
    switch (sending) {
      case "lent trySend":
        return book([port.trySend(only) === "refused" ? "refused" : "accepted"]);
      case "lent trySendBatch":
        return book(port.trySendBatch(list));
      case "lent batch":
        return void pending.push(port.sendBatch(list).then(book));
      case "lent send":
        return void pending.push(outcomeOf(port.send(only)).then((outcome) => book([outcome])));
    }
  };
  const most = sending === "lent batch" || sending === "lent trySendBatch" ? 20 : 1;
  let position = 0;
  let rest: Buffer[] = [];
  await new Promise<void>((resolve, reject) => {
    conn.serve({
      data(bytes) {
        let list: Uint8Array[] = [];
        for (let at = 0; at < bytes.length; ) {
          const part = bytes.subarray(at, at + size - (position % size));
          const isWhole = part.length === size;
          at += part.length;
          position += part.length;
          // What is cut by the end of the buffer is put together, which makes it a datagram of our own.
          if (!isWhole) rest.push(Buffer.from(part));
          if (position % size === 0) {
            list.push(isWhole ? part : Buffer.concat(rest));
            rest = [];
          }
          if (list.length === most || at === bytes.length) {
            pass(Math.floor(position / size) - list.length, list);
            list = [];
          }
        }
      },
      end: () => conn.close(),
      close: (error) => (error === undefined ? resolve() : reject(error)),
    });
    source.end(stamped(stream, 0, size * count));
  });
  await Promise.all(pending);
}

/** The far end sends as many. */
async function answer({ socket, inStream }: Far, { address }: Port, drawn: DatagramCase): Promise<void> {
  for (let index = 0; index < Math.min(drawn.count, 60); index += 1) {
    const bytes = stamped(inStream, index * drawn.size, drawn.size);
    await new Promise<void>((resolve) => socket.send(bytes, address.port, "127.0.0.1", () => resolve()));
  }
}
