import { setImmediate as turn } from "node:timers/promises";
import { inspect } from "node:util";
import {
  type CaseBase,
  type CaseContext,
  codeOf,
  type Decks,
  FAR_READINGS,
  type FarReading,
  Kept,
  type Keeping,
  KEEPINGS,
  MessageLedger,
  type MessagePort,
  MessageReceiver,
  must,
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
} from "@zocalo/integrity";
import { PreparedMessage } from "@zocalo/net";
import type { WebSocketConn } from "../../src/index.ts";
import { FarPeer, SURELY_ARRIVED_BYTES } from "./far-peer.ts";
import { COMPRESSIONS, type CompressionKind, type Door, DOORS, FLOOD_BYTES, type Links } from "./links.ts";

/**
 * `flush`: all is aborted as soon as the system has taken it; a Unix socket delivers it nevertheless.
 * `far leaves`: it says what it has to say, closes, and is gone with all unread that it was sent.
 */
const ENDINGS = ["close", "far closes", "flush", "abort", "far resets", "far leaves"] as const;
type HowItEnds = (typeof ENDINGS)[number];

/** All but `flush`, which only a Unix socket can be held to. */
const SLOW_ENDINGS = [
  "close",
  "close",
  "far closes",
  "far closes",
  "abort",
  "far resets",
  "far leaves",
] as const;
const SLOW_DOORS = ["listen", "dial", "listen wss", "dial wss"] as const;

/** So short that more messages come than wait for an application that does not receive. */
const SHORT_BYTES = 100;

/** Messages either way on one or more WebSockets. */
export interface MessagesCase extends CaseBase {
  readonly door: Door;
  readonly compression: CompressionKind;
  /** Messages are received, and sent, in parts. */
  readonly isStreaming: boolean;
  readonly connections: number;
  readonly outBytes: number;
  readonly inBytes: number;
  readonly mostBytes: number;
  readonly send: SendStyle;
  readonly receive: ReceiveStyle;
  readonly keeping: Keeping;
  readonly farRead: FarReading;
  /** Most bytes of one write, and of one frame, of the far end. */
  readonly farPortion: number;
  readonly farFrame: number;
  readonly ending: HowItEnds;
}

/** Both roles, plain and compressed, whole and in parts. The far end shares no code with the package. */
export function messagesScenario(links: Links): Scenario<MessagesCase> {
  return {
    name: "messages",
    weight: 8,
    draw: drawMessages,
    async run(drawn, context) {
      const random = new Random(context.random.fork());
      const planned = plan(drawn, drawn.outBytes, random);
      const outStream = context.stream();
      const prepared = new Map<number, PreparedMessage>();
      const preparedAt = (index: number): string => {
        const each = planned[index];
        if (each === undefined) throw new Error("not planned");
        const made = prepared.get(index) ?? new PreparedMessage(payloadOf(outStream, each));
        prepared.set(index, made);
        return made as unknown as string; // what `send` takes is not the driver's business
      };
      const shared = { planned, outStream, preparedAt };
      await Promise.all(
        Array.from({ length: drawn.connections }, () => runConnection(links, drawn, context, shared)),
      );
    },
    simpler: simplerMessages,
  };
}

/** Simpler cases, the boldest first. */
export function* simplerMessages(drawn: MessagesCase): Generator<MessagesCase> {
  if (drawn.connections > 1) yield { ...drawn, connections: 1 };
  if (drawn.connections > 2) yield { ...drawn, connections: 2 };
  if (drawn.inBytes > 0) yield { ...drawn, inBytes: 0 };
  if (drawn.outBytes > 0) yield { ...drawn, outBytes: 0 };
  if (drawn.isStreaming) yield { ...drawn, isStreaming: false };
  if (drawn.compression !== "none") yield { ...drawn, compression: "none" };
  if (drawn.door !== "listen" && drawn.ending !== "flush") yield { ...drawn, door: "listen" };
  if (drawn.farRead !== "fast") yield { ...drawn, farRead: "fast" };
  if (drawn.farFrame < 10_000_000) yield { ...drawn, farFrame: 10_000_000 };
  if (drawn.farPortion < 1_000_000) yield { ...drawn, farPortion: 1_000_000 };
  if (drawn.keeping !== "keep") yield { ...drawn, keeping: "keep" };
  if (drawn.ending !== "close") yield { ...drawn, ending: "close" };
  if (drawn.send !== "awaited") yield { ...drawn, send: "awaited" };
  if (drawn.receive !== "receive") yield { ...drawn, receive: "receive" };
  if (drawn.outBytes > 1) yield { ...drawn, outBytes: Math.floor(drawn.outBytes / 4) };
  if (drawn.inBytes > 1) yield { ...drawn, inBytes: Math.floor(drawn.inBytes / 4) };
}

function drawMessages(decks: Decks): MessagesCase {
  const { random } = decks;
  const ending = decks.deal("ending", [...ENDINGS, "close", "far closes"] as const);
  const isFlood = ending === "far leaves" || decks.deal(`flood ${ending}`, [true, false, false]);
  const connections = isFlood ? 1 : random.int(1, 4);
  const most = 1_500_000 / connections;
  const size = (): number => (random.chance(0.5) ? random.int(1, 20_000) : random.int(100_000, most));
  const isStreaming = decks.deal("streaming", [true, false, false, false]);
  return {
    scenario: "messages",
    seed: random.fork(),
    door:
      ending === "flush"
        ? "attach unix"
        : ending === "far leaves"
          ? decks.deal("door left", DOORS)
          : decks.deal(`door ${isStreaming} ${isFlood}`, DOORS),
    compression: isFlood ? "none" : decks.deal(`compression ${ending}`, COMPRESSIONS),
    isStreaming,
    connections,
    outBytes: isFlood ? FLOOD_BYTES : size(),
    // What is said by one who leaves has to lie in our system's buffer, as nobody receives it yet.
    inBytes: ending === "far leaves" ? random.int(1, SURELY_ARRIVED_BYTES) : size(),
    mostBytes: isFlood
      ? decks.deal("most of a flood", [100_000, 300_000, 1_000_000])
      : decks.deal("most", [100, 700, 20_000, 300_000]),
    send: decks.deal(`send ${ending}`, SEND_STYLES),
    receive: isStreaming ? "receive" : decks.deal("receive", RECEIVE_STYLES),
    keeping: decks.deal("keeping", KEEPINGS),
    farRead: isFlood ? "stalled" : decks.deal("far read", FAR_READINGS),
    farPortion: decks.deal("far portion", [1_000_000, 1_000_000, 5000, 100, 1]),
    farFrame: decks.deal("far frame", [10_000_000, 10_000_000, 1000, 65_535]),
    ending,
  };
}

/** Draws a few MB on one connection, for a link that is slower than the process. */
export function drawSlowMessages(decks: Decks): MessagesCase {
  const { random } = decks;
  const ending = decks.deal("slow ending", SLOW_ENDINGS);
  const isLeft = ending === "far leaves";
  return {
    scenario: "messages",
    seed: random.fork(),
    door: decks.deal(`slow door ${isLeft}`, SLOW_DOORS),
    compression: "none",
    isStreaming: !isLeft && decks.deal("slow streaming", [true, false, false, false]),
    connections: 1,
    outBytes: isLeft ? FLOOD_BYTES : random.int(1_500_000, 4_000_000),
    inBytes: isLeft ? random.int(1, SURELY_ARRIVED_BYTES) : random.int(1, 1_000_000),
    mostBytes: decks.deal("slow most", [100_000, 300_000]),
    send: decks.deal("slow send", SEND_STYLES),
    receive: "receive",
    keeping: decks.deal("slow keeping", KEEPINGS),
    farRead: decks.deal("slow far read", ["fast", "slow"]),
    farPortion: 1_000_000,
    farFrame: 10_000_000,
    ending,
  };
}

function plan({ mostBytes }: MessagesCase, bytes: number, random: Random): Planned[] {
  return planMessages(random, { bytes, mostBytes, leastBytes: 12, texts: "some" });
}

interface Shared {
  readonly planned: readonly Planned[];
  readonly outStream: number;
  preparedAt(index: number): string;
}

async function runConnection(
  links: Links,
  drawn: MessagesCase,
  context: CaseContext,
  shared: Shared,
): Promise<void> {
  const { ending } = drawn;
  const random = new Random(context.random.fork());
  const link = await links.make(drawn.door, drawn.compression, drawn.isStreaming);
  const { conn } = link;
  context.onEnd(() => {
    conn.abort();
    link.far.destroy();
  });
  const far = new FarPeer(link, context, random, {
    reading: ending === "far leaves" ? "never" : drawn.farRead,
    portion: drawn.farPortion,
    frame: drawn.farFrame,
    // It must not lie unread when all is aborted: that cuts off the far end.
    pings: ending !== "flush",
  });
  const inStream = context.stream();
  // A text takes up to three bytes for each character, and the connection takes messages of 1 MiB.
  const most = ending === "far leaves" ? SHORT_BYTES : 300_000;
  const inPlan = plan({ ...drawn, mostBytes: Math.min(drawn.mostBytes, most) }, drawn.inBytes, random);
  const kept = new Kept(drawn.keeping, random);
  const ledger = new MessageLedger(shared.outStream, shared.planned);
  const port: MessagePort = drawn.isStreaming ? streamed(conn) : conn;
  const receiver = new MessageReceiver({
    port,
    stream: inStream,
    planned: inPlan,
    style: drawn.receive,
    random,
    kept,
  });
  // Nobody receives before the far end has left, or before it was noticed.
  let hasLeft: () => void = () => undefined;
  const left = ending === "far leaves" ? new Promise<void>((resolve) => (hasLeft = resolve)) : undefined;
  const receiving = left === undefined ? receiver.run() : left.then(() => receiver.run());
  const style =
    drawn.isStreaming && (drawn.send === "prepared" || drawn.send === "signals") ? "awaited" : drawn.send;
  const sending = sendAll({ port, ledger, style, random, prepared: (index) => shared.preparedAt(index) });
  const farWriting = far.writeAll(inStream, inPlan);
  for (const part of [receiving, sending, farWriting]) part.catch((error: unknown) => context.fail(error));

  const total = shared.planned.reduce((sum, { length }) => sum + length, 0);
  let isWhole = false;
  switch (ending) {
    case "close":
      // What comes after `close` nobody gets, so that it is called when all came, or meanwhile.
      if (random.chance(0.5)) await farWriting;
      await sending;
      await conn.close();
      await far.end.ended;
      isWhole = true;
      must(
        far.hasGotClose,
        () => `close resolved, but the far end got no Close frame in ${far.end.receivedBytes} bytes`,
      );
      break;
    case "far closes": {
      await Promise.all([sending, farWriting]);
      await far.close();
      // Half of them end their side at once, and read on.
      if (drawn.inBytes % 2 === 0) far.end.end();
      const end = await receiving;
      must(end === undefined, () => `receiving ended with ${String(end?.error)} after a Close frame`);
      must(
        receiver.count === inPlan.length,
        () => `receiving ended in order after ${receiver.count} of ${inPlan.length} messages`,
      );
      await far.end.ended;
      isWhole = true;
      must(
        far.hasGotClose,
        () => `the far end closed and got no Close frame in ${far.end.receivedBytes} bytes`,
      );
      break;
    }
    case "far leaves": {
      await farWriting;
      await far.close();
      await far.leave();
      if (random.chance(0.7)) await sending;
      hasLeft();
      const end = await receiving;
      // An end behind which something was not taken is none in order, Close frame or not.
      const isTold =
        end === undefined ? !conn.hasLost : conn.hasLost && codeOf(end.error) === "abnormal_closure";
      must(
        receiver.count === inPlan.length && isTold,
        () =>
          `${inPlan.length} messages and a Close frame had arrived before the far end left, received were ${receiver.count} before ` +
          `${end === undefined ? "the end" : inspect(end.error)}; hasLost is ${conn.hasLost}`,
      );
      break;
    }
    case "flush":
      await Promise.all([sending, farWriting]);
      while (receiver.count < inPlan.length) await turn();
      await conn.flush();
      conn.abort();
      await far.end.ended;
      isWhole = true;
      break;
    case "abort":
      await Promise.race([far.end.hasRead(random.int(0, total)), sending]);
      conn.abort();
      break;
    case "far resets":
      await Promise.race([far.end.hasRead(random.int(0, total)), sending]);
      far.reset();
      break;
  }
  await Promise.all([sending, farWriting, receiving, far.end.ended]);
  await turn();
  ledger.check(far.messages(), isWhole);
  kept.verify();
}

/** Messages in parts: what is sent is handed over bit by bit, and what comes is put together again. */
function streamed(conn: WebSocketConn): MessagePort {
  const receive = async (): Promise<string | Uint8Array | null> => {
    const stream = await conn.receiveStream();
    if (stream === null) return null;
    const parts: Uint8Array[] = [];
    for await (const part of stream) parts.push(typeof part === "string" ? Buffer.from(part) : part);
    const whole = Buffer.concat(parts);
    return stream.isText ? whole.toString("utf8") : whole;
  };
  return {
    send: (message) => conn.sendStream(partsOf(message)),
    trySend: (message) => conn.trySend(message),
    receive,
    serve() {
      throw new Error("whole messages only");
    },
    close: () => conn.close(),
    abort: () => conn.abort(),
    async *[Symbol.asyncIterator]() {
      for (let message = await receive(); message !== null; message = await receive()) yield message;
    },
  };
}

/** Parts of a message as `sendStream` takes them. */
export function* partsOf(message: string | Uint8Array): Generator<string | Uint8Array> {
  if (typeof message === "string") {
    yield message;
    return;
  }
  for (let at = 0; at < message.length; at += 50_000) yield message.subarray(at, at + 50_000);
}
