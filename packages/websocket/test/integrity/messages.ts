import type { Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { inspect } from "node:util";
import {
  type CaseBase,
  type CaseContext,
  type Decks,
  FAR_READINGS,
  FarEnd,
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
  wireBytesOf,
} from "@zocalo/integrity";
import { PreparedMessage, unacknowledgedBytes } from "@zocalo/net";
import type { WebSocketConn } from "../../src/index.ts";
import { Direction } from "../conformance/deflate.ts";
import {
  BINARY,
  CLOSE,
  closing,
  encode,
  encodeFragments,
  type Frame,
  FrameReader,
  PING,
  TEXT,
} from "../conformance/wire.ts";
import { COMPRESSIONS, type CompressionKind, type Door, DOORS, type Link, type Links } from "./links.ts";

/** `far leaves`: it says what it has to say, closes, and is gone with all unread that it was sent. */
const ENDINGS = ["close", "far closes", "abort", "far resets", "far leaves"] as const;

/** What the far end sends before it leaves surely lies in our system's buffer by then. */
const SURELY_ARRIVED_BYTES = 32_768;

/** So short that more messages come than wait for an application that does not receive. */
const SHORT_BYTES = 100;

/** More than the systems of both ends hold, in bytes: some of it has to wait in the process. */
const FLOOD_BYTES = 9_000_000;

/** Messages either way on one or more WebSockets. */
interface MessagesCase extends CaseBase {
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
  readonly ending: (typeof ENDINGS)[number];
}

/** Both roles, plain and compressed, whole and in parts. The far end shares no code with the package. */
export function messagesScenario(links: Links): Scenario<MessagesCase> {
  return {
    name: "messages",
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
    *simpler(drawn) {
      if (drawn.connections > 1) yield { ...drawn, connections: 1 };
      if (drawn.connections > 2) yield { ...drawn, connections: 2 };
      if (drawn.inBytes > 0) yield { ...drawn, inBytes: 0 };
      if (drawn.outBytes > 0) yield { ...drawn, outBytes: 0 };
      if (drawn.isStreaming) yield { ...drawn, isStreaming: false };
      if (drawn.compression !== "none") yield { ...drawn, compression: "none" };
      if (drawn.door !== "listen") yield { ...drawn, door: "listen" };
      if (drawn.farRead !== "fast") yield { ...drawn, farRead: "fast" };
      if (drawn.farFrame < 10_000_000) yield { ...drawn, farFrame: 10_000_000 };
      if (drawn.farPortion < 1_000_000) yield { ...drawn, farPortion: 1_000_000 };
      if (drawn.keeping !== "keep") yield { ...drawn, keeping: "keep" };
      if (drawn.ending !== "close") yield { ...drawn, ending: "close" };
      if (drawn.send !== "awaited") yield { ...drawn, send: "awaited" };
      if (drawn.receive !== "receive") yield { ...drawn, receive: "receive" };
      if (drawn.outBytes > 1) yield { ...drawn, outBytes: Math.floor(drawn.outBytes / 4) };
      if (drawn.inBytes > 1) yield { ...drawn, inBytes: Math.floor(drawn.inBytes / 4) };
    },
  };
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
    // Over TLS it is not known what had arrived.
    door:
      ending === "far leaves"
        ? decks.deal("door left", ["listen", "attach", "dial", ...DOORS] as const)
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
  const far = new FarPeer(link, drawn, random, context);
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
      await hasArrived(link.far);
      link.far.destroy();
      if (random.chance(0.7)) await sending;
      hasLeft();
      const end = await receiving;
      must(
        receiver.count === inPlan.length && end === undefined,
        () =>
          `${inPlan.length} messages and a Close frame had arrived before the far end left, received were ${receiver.count} before ${end === undefined ? "the end" : inspect(end.error)}`,
      );
      break;
    }
    case "abort":
      await Promise.race([far.end.hasRead(random.int(0, total)), sending]);
      conn.abort();
      break;
    case "far resets":
      await Promise.race([far.end.hasRead(random.int(0, total)), sending]);
      if (drawn.door.endsWith("wss")) link.far.destroy();
      else link.far.resetAndDestroy();
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

function* partsOf(message: string | Uint8Array): Generator<string | Uint8Array> {
  if (typeof message === "string") {
    yield message;
    return;
  }
  for (let at = 0; at < message.length; at += 50_000) yield message.subarray(at, at + 50_000);
}

/** Resolves when the other system has all that was written: the rest a reset would throw away. */
async function hasArrived(socket: Socket): Promise<void> {
  while ((await unacknowledgedBytes(socket)) ?? 0) await turn();
}

/** The far end: reads frames as they come, and answers a Close. */
class FarPeer {
  readonly end: FarEnd;
  hasGotClose = false;
  readonly #link: Link;
  readonly #drawn: MessagesCase;
  readonly #context: CaseContext;
  readonly #reader: FrameReader;
  readonly #outgoing: Direction | undefined;
  readonly #incoming: Direction | undefined;
  readonly #data: Frame[] = [];
  #hasSentClose = false;

  constructor(link: Link, drawn: MessagesCase, random: Random, context: CaseContext) {
    this.#link = link;
    this.#drawn = drawn;
    this.#context = context;
    const { agreed, isFarClient } = link;
    if (agreed !== undefined) {
      const server = new Direction(15, !agreed.serverNoContextTakeover);
      const client = new Direction(15, !agreed.clientNoContextTakeover);
      this.#outgoing = isFarClient ? client : server;
      this.#incoming = isFarClient ? server : client;
    }
    this.#reader = new FrameReader(!isFarClient, agreed === undefined ? 0 : 4);
    this.end = new FarEnd(link.far, drawn.ending === "far leaves" ? "never" : drawn.farRead, random);
    this.end.onBytes = (bytes) => this.#read(bytes);
  }

  /** Writes messages in frames, and those in portions that do not care where a frame begins. */
  async writeAll(stream: number, planned: readonly Planned[]): Promise<void> {
    const { farFrame, farPortion } = this.#drawn;
    const isMasked = this.#link.isFarClient;
    let written = 0;
    for (const each of planned) {
      const plain = wireBytesOf(stream, each);
      const opcode = each.isText ? TEXT : BINARY;
      const payload = this.#outgoing?.compress(plain) ?? plain;
      const size = Math.max(farFrame, Math.ceil(payload.length / 200));
      const wire = encodeFragments(isMasked, opcode, payload, size, this.#outgoing === undefined ? 0 : 4);
      for (let at = 0; at < wire.length; written += 1) {
        if (this.#hasSentClose && at === 0) return;
        const portion = wire.subarray(at, at + (written < 60 || farPortion > 1000 ? farPortion : 20_000));
        if (!(await this.end.put(portion))) return;
        at += portion.length;
      }
      if (written % 7 === 3 && !this.#hasSentClose)
        await this.end.put(encode(isMasked, PING, Buffer.from("alive")));
    }
    if (this.hasGotClose) await this.#answerClose();
  }

  async close(): Promise<void> {
    if (this.#hasSentClose) return;
    this.#hasSentClose = true;
    await this.end.put(encode(this.#link.isFarClient, CLOSE, closing(1000)));
  }

  /** All whole messages that came. */
  messages(): Buffer[] {
    const messages: Buffer[] = [];
    let parts: Buffer[] = [];
    let isCompressed = false;
    for (const { opcode, isFinal, rsv, payload } of this.#data) {
      if (opcode !== 0) isCompressed = rsv === 4;
      parts.push(payload);
      if (!isFinal) continue;
      const whole = Buffer.concat(parts);
      messages.push(isCompressed && this.#incoming !== undefined ? this.#incoming.decompress(whole) : whole);
      parts = [];
    }
    return messages;
  }

  #read(bytes: Uint8Array): void {
    try {
      this.#reader.push(Buffer.from(bytes));
      for (let frame = this.#reader.next(); frame !== undefined; frame = this.#reader.next()) {
        if (frame.opcode === CLOSE) {
          this.hasGotClose = true;
          void this.#answerClose();
        } else if (frame.opcode < CLOSE) this.#data.push(frame);
      }
    } catch (error) {
      this.#context.fail(error);
    }
  }

  async #answerClose(): Promise<void> {
    await this.close();
    this.end.end();
  }
}
