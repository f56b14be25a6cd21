import { createSocket, type Socket } from "node:dgram";
import {
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
  stamped,
} from "@zocalo/integrity";
import {
  type Arrival,
  type EndsCase,
  GREETING,
  KINDS,
  open,
  type Outcome,
  type Port,
  type Receiver,
} from "./datagram-ends.ts";
import { isOfLent, sendAll, type Sending, SENDINGS } from "./datagram-sending.ts";
import { LostDatagrams } from "./lost-datagrams.ts";

const RECEIVINGS = ["receive", "iterate", "serve"] as const;

/** Datagrams to and from sockets of Node's, each with a stream of its own either way. */
export interface DatagramCase extends CaseBase, EndsCase {
  /** How many of Node's sockets there are. */
  readonly fars: number;
  readonly sending: Sending;
  readonly receiving: (typeof RECEIVINGS)[number];
  readonly keeping: Keeping;
  /** Bytes of each datagram, a multiple of 8. */
  readonly size: number;
  /** For each of the sockets. */
  readonly count: number;
}

/**
 * Datagrams over loopback: what comes is what was sent, to whom and from whom, and where Linux counts what it
 * throws away nothing else is lost.
 */
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

/**
 * How often, 2 ms apart, it is looked whether more comes before what is missing counts as lost, and before
 * that is believed where it must not be.
 */
const QUIET_LOOKS = 3;
const MISSING_LOOKS = 1500;

/**
 * Waits until all that was accepted has come, but for what the system has thrown away, and holds it against
 * what was sent.
 */
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

/** The far end sends as many. */
async function answer({ socket, inStream }: Far, { address }: Port, drawn: DatagramCase): Promise<void> {
  for (let index = 0; index < Math.min(drawn.count, 60); index += 1) {
    const bytes = stamped(inStream, index * drawn.size, drawn.size);
    await new Promise<void>((resolve) => socket.send(bytes, address.port, "127.0.0.1", () => resolve()));
  }
}
