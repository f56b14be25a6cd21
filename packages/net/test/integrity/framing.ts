import { setImmediate as turn } from "node:timers/promises";
import {
  type CaseBase,
  type CaseContext,
  type Decks,
  Kept,
  type Keeping,
  KEEPINGS,
  MessageLedger,
  type MessagePort,
  MessageReceiver,
  must,
  nap,
  payloadOf,
  type Planned,
  planMessages,
  Random,
  RECEIVE_STYLES,
  type ReceiveStyle,
  type Scenario,
  SEND_STYLES,
  sendAll,
  type SendStyle,
  wireBytesOf,
  FAR_READINGS,
  FarEnd,
  type FarReading,
} from "@zocalo/integrity";
import { type Conn, delimited, lengthPrefixed, lines, type MessageConn, PreparedMessage } from "@zocalo/net";
import { type FarKind, type Links, type TransportName, TRANSPORTS } from "./links.ts";
import { decode, DELIMITER, encode, type Framing, FRAMINGS } from "./framing-wire.ts";

const ENDINGS = ["close", "far ends", "abort", "far resets", "flush"] as const;

/** Those that lose nothing the system has taken, although this side is gone at once. */
const KEEPING_TRANSPORTS = ["unix", "pipe"] as const satisfies readonly TransportName[];

/** Messages either way, in some framing, on one or more connections. */
export interface FramingCase extends CaseBase {
  readonly framing: Framing;
  readonly transport: TransportName;
  /** Who is on the other end. Default: a socket of Node's own. */
  readonly far?: FarKind;
  readonly isDialed: boolean;
  readonly connections: number;
  readonly outBytes: number;
  readonly inBytes: number;
  readonly send: SendStyle;
  readonly receive: ReceiveStyle;
  readonly keeping: Keeping;
  readonly farRead: FarReading;
  /** Most bytes of one write of the far end. */
  readonly farPortion: number;
  readonly ending: (typeof ENDINGS)[number];
}

/** Framings over every transport. The far end knows the framing by itself, not by the package. */
export function framingScenario(links: Links): Scenario<FramingCase> {
  return {
    name: "framing",
    weight: 12,
    draw: drawFraming,
    async run(drawn, context) {
      const random = new Random(context.random.fork());
      const planned = plan(drawn, drawn.outBytes, random);
      const prepared = new Map<number, PreparedMessage>();
      const outStream = context.stream();
      const preparedAt = (index: number): string => {
        const known = prepared.get(index);
        const each = planned[index];
        if (each === undefined) throw new Error("not planned");
        const made = known ?? new PreparedMessage(payloadOf(outStream, each));
        prepared.set(index, made);
        return made as unknown as string; // what `send` takes is not the driver's business
      };
      await Promise.all(
        Array.from({ length: drawn.connections }, () => {
          const run = drawn.ending === "flush" ? runFlush : runConnection;
          return run(links, drawn, context, { planned, preparedAt, outStream });
        }),
      );
    },
    simpler: simplerFramings,
  };
}

export function* simplerFramings(drawn: FramingCase): Generator<FramingCase> {
  if (drawn.connections > 1) yield { ...drawn, connections: 1 };
  if (drawn.inBytes > 0) yield { ...drawn, inBytes: 0 };
  if (drawn.outBytes > 0) yield { ...drawn, outBytes: 0 };
  if (drawn.transport !== "tcp" && drawn.ending !== "flush") yield { ...drawn, transport: "tcp" };
  if (drawn.framing !== "u32") yield { ...drawn, framing: "u32" };
  if (drawn.farRead !== "fast") yield { ...drawn, farRead: "fast" };
  if (drawn.keeping !== "keep") yield { ...drawn, keeping: "keep" };
  if (drawn.ending !== "close") yield { ...drawn, ending: "close", far: "raw" };
  if (drawn.send !== "awaited") yield { ...drawn, send: "awaited" };
  if (drawn.receive !== "receive") yield { ...drawn, receive: "receive" };
  if (drawn.outBytes > 1) yield { ...drawn, outBytes: Math.floor(drawn.outBytes / 4) };
  if (drawn.inBytes > 1) yield { ...drawn, inBytes: Math.floor(drawn.inBytes / 4) };
}

function drawFraming(decks: Decks): FramingCase {
  const { random } = decks;
  const ending = decks.deal("framing ending", ENDINGS);
  const connections = random.int(1, 3);
  const most = 1_500_000 / connections;
  const isShort = (): boolean => random.chance(ending === "flush" ? 0.1 : 0.5);
  const size = (): number => (isShort() ? random.int(1, 20_000) : random.int(100_000, most));
  const transport =
    ending === "flush"
      ? decks.deal("framing transport flush", KEEPING_TRANSPORTS)
      : decks.deal("framing transport", TRANSPORTS);
  return completed(decks, "framing", { ending, transport, connections, outBytes: size(), inBytes: size() });
}

/** Messages over a link that takes about 5 MB/s, so many that the system cannot take all of them at once. */
export function drawSlowFraming(decks: Decks): FramingCase {
  const { random } = decks;
  const connections = random.int(1, 3);
  const size = (): number => random.int(200_000, Math.floor(3_000_000 / connections));
  // A link that is slowed is not between two ends that keep what they have.
  const endings = ENDINGS.filter((each) => each !== "flush");
  const ending = decks.deal("slow framing ending", endings);
  const transport = decks.deal("slow framing transport", ["tcp", "tls"] as const);
  return completed(decks, "slow framing", {
    ending,
    transport,
    connections,
    outBytes: size(),
    inBytes: size(),
  });
}

type FramingCore = Pick<FramingCase, "ending" | "transport" | "connections" | "outBytes" | "inBytes">;

/**
 * Draws what is open of a case.
 *
 * @param name What the names of the decks begin with.
 */
function completed(decks: Decks, name: string, core: FramingCore): FramingCase {
  const { random } = decks;
  const isFlush = core.ending === "flush";
  // Of what nobody waits for nobody knows when it was accepted.
  const sends = isFlush ? SEND_STYLES.filter((style) => style !== "nobody waits") : SEND_STYLES;
  return {
    ...core,
    scenario: "framing",
    seed: random.fork(),
    framing: decks.deal(name, FRAMINGS),
    far: isFlush ? farOfFlush(decks, core.transport) : "raw",
    isDialed: random.chance(0.5),
    // What the far end sends to who is gone breaks the connection there, before all is read.
    inBytes: isFlush ? 0 : core.inBytes,
    send: decks.deal(`${name} send ${core.ending}`, sends),
    receive: decks.deal(`${name} receive`, RECEIVE_STYLES),
    keeping: decks.deal(`${name} keeping`, KEEPINGS),
    farRead: decks.deal(`${name} far read`, FAR_READINGS),
    farPortion: decks.deal(`${name} far portion`, [1_000_000, 5000, 100]),
  };
}

function farOfFlush(decks: Decks, transport: TransportName): FarKind {
  return transport === "pipe" ? "drained" : decks.deal("framing far flush", ["raw", "drained"] as const);
}

function plan({ framing, ending }: FramingCase, bytes: number, random: Random): Planned[] {
  return planMessages(random, {
    bytes,
    // A text grows by a third, and by what stands before it.
    mostBytes: ending === "flush" ? 30_000 : framing === "u16" ? 49_000 : 300_000,
    leastBytes: 12,
    texts: framing === "lines" ? "all" : "some",
  });
}

function frame(conn: Conn, framing: Framing): MessageConn {
  const options = { maxMessageBytes: 1_000_000 };
  switch (framing) {
    case "lines":
      return lines(conn, options);
    case "delimited":
      return delimited(conn, DELIMITER, options);
    default:
      return lengthPrefixed(conn, framing, options);
  }
}

interface Shared {
  readonly planned: readonly Planned[];
  readonly outStream: number;
  preparedAt(index: number): string;
}

async function runConnection(
  links: Links,
  drawn: FramingCase,
  context: CaseContext,
  shared: Shared,
): Promise<void> {
  const { framing, ending } = drawn;
  const random = new Random(context.random.fork());
  const link = await links.make(drawn.transport, drawn.far ?? "raw", drawn.isDialed);
  const { conn, far: stream, takesAtOnce } = link;
  const messages = frame(conn, framing);
  context.onEnd(() => {
    messages.abort();
    stream.destroy();
  });
  const far = new FarEnd(stream, drawn.farRead, random);
  const inStream = context.stream();
  const inPlan = plan(drawn, drawn.inBytes, random);
  const kept = new Kept(drawn.keeping, random);
  const ledger = new MessageLedger(shared.outStream, shared.planned);
  const port: MessagePort = messages;
  const receiver = new MessageReceiver({
    port,
    stream: inStream,
    planned: inPlan,
    style: drawn.receive,
    random,
    kept,
  });
  const receiving = receiver.run();
  // A far end that looks at bytes later than it says must not be sent what the driver overwrites.
  const style = takesAtOnce ? drawn.send : "prepared";
  const sending = sendAll({ port, ledger, style, random, prepared: (index) => shared.preparedAt(index) });
  const farWriting = writeMessages(far, inStream, inPlan, drawn);
  for (const part of [receiving, sending, farWriting]) part.catch((error: unknown) => context.fail(error));

  const total = shared.planned.reduce((sum, { length }) => sum + length, 0);
  let isWhole = false;
  switch (ending) {
    case "close":
      // What comes after `close` nobody gets, so that it is called when all came, or meanwhile.
      if (random.chance(0.5)) await farWriting;
      await sending;
      await messages.close();
      far.end();
      isWhole = (await far.ended) === "end";
      must(isWhole, () => `the far end was cut after ${far.receivedBytes} bytes by a close that resolved`);
      break;
    case "far ends": {
      await Promise.all([sending, farWriting]);
      far.end();
      const end = await receiving;
      must(end === undefined, () => `receiving ended with ${String(end?.error)} after an end in order`);
      must(
        receiver.count === inPlan.length,
        () => `receiving ended in order after ${receiver.count} of ${inPlan.length} messages`,
      );
      await messages.close();
      isWhole = (await far.ended) === "end";
      must(isWhole, () => `the far end was cut after ${far.receivedBytes} bytes by a close that resolved`);
      break;
    }
    case "abort":
      await Promise.race([far.hasRead(random.int(0, total)), sending]);
      messages.abort();
      break;
    case "flush":
      throw new Error("runFlush runs it");
    case "far resets":
      await Promise.race([far.hasRead(random.int(0, total)), sending]);
      if (random.chance(0.3)) await nap(2);
      link.resetFar();
      break;
  }
  await Promise.all([sending, farWriting, receiving, far.ended]);
  await turn();
  ledger.check(decode(Buffer.concat(far.received), framing), isWhole);
  kept.verify();
}

/** How long a peer does not read at most, in milliseconds. */
const HELD_MS = 50;

/**
 * Sends, flushes and is gone at once; all that was accepted must come. Most peers do not read before `flush`
 * is called, and our end stops sending soon after the system takes no more: then a step is under way, and
 * nothing or little behind it.
 */
async function runFlush(
  links: Links,
  drawn: FramingCase,
  context: CaseContext,
  shared: Shared,
): Promise<void> {
  const random = new Random(context.random.fork());
  const { conn, far: stream } = await links.make(drawn.transport, drawn.far ?? "raw", drawn.isDialed);
  const messages = frame(conn, drawn.framing);
  context.onEnd(() => {
    messages.abort();
    stream.destroy();
  });
  let far: FarEnd | undefined;
  const read = (): FarEnd => (far ??= new FarEnd(stream, drawn.farRead, random));
  if (random.chance(0.2)) read();
  const ledger = new MessageLedger(shared.outStream, shared.planned);
  let left = random.int(0, 3);
  const goesOn = async (): Promise<boolean> => {
    for (let i = 0; i < 2; i += 1) await turn();
    return messages.bufferedAmount === 0 || left-- > 0;
  };
  const prepared = (index: number): string => shared.preparedAt(index);
  const sending = sendAll({ port: messages, ledger, style: drawn.send, random, prepared, goesOn });
  // A message that waits for room would wait for ever.
  void Promise.race([sending, nap(HELD_MS)]).then(
    () => void setImmediate(read),
    (error: unknown) => context.fail(error),
  );
  await sending;
  await messages.flush();
  messages.abort();
  const reading = read();
  await reading.ended;
  ledger.check(decode(Buffer.concat(reading.received), drawn.framing), true);
}

/** Writes messages as the framing wants them, in portions that do not care where one begins. */
async function writeMessages(
  far: FarEnd,
  stream: number,
  planned: readonly Planned[],
  { framing, farPortion }: FramingCase,
): Promise<void> {
  const wire = Buffer.concat(planned.flatMap((each) => encode(wireBytesOf(stream, each), framing)));
  for (let at = 0, count = 0; at < wire.length; count += 1) {
    const size = count < 50 || farPortion > 1000 ? farPortion : 20_000;
    if (!(await far.put(wire.subarray(at, at + size)))) return;
    at += size;
  }
}
