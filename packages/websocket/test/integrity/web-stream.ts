import type { ReadableStreamDefaultReader, WritableStreamDefaultWriter } from "node:stream/web";
import {
  CALLER_POISON,
  type CaseBase,
  type CaseContext,
  type Decks,
  FAR_READINGS,
  type FarReading,
  Kept,
  type Keeping,
  KEEPINGS,
  MessageLedger,
  MessageReceiver,
  type MessageSource,
  must,
  nap,
  payloadOf,
  planMessages,
  Random,
  type Scenario,
  stamp,
} from "@zocalo/integrity";
import type { Message } from "@zocalo/net";
import { type OpenedStream, WebSocketError, WebSocketStream } from "../../src/index.ts";
import { FarPeer, SURELY_ARRIVED_BYTES } from "./far-peer.ts";
import {
  COMPRESSIONS,
  type CompressionKind,
  DIAL_DOORS,
  type DialDoor,
  FLOOD_BYTES,
  type Links,
} from "./links.ts";

/** `far leaves`: it says what it has to say, closes, and is gone with all unread that it was sent. */
const ENDINGS = ["writer closes", "close", "far closes", "far closes", "far resets", "far leaves"] as const;

/** `ready`: waits for the writer to be, and not for the write. */
const WRITINGS = ["awaited", "one buffer", "ready", "unawaited"] as const;
/** `late`: not before the far end was held back. */
const READINGS = ["reader", "iterate", "slow", "late"] as const;

/** Bytes before a view in its buffer. */
const BEFORE_VIEW_BYTES = 16;

/** Who has not got on for so long is held back, in milliseconds. */
const STILL_MS = 20;

/** Messages either way on one `WebSocketStream`. */
interface WebStreamCase extends CaseBase {
  readonly door: DialDoor;
  readonly compression: CompressionKind;
  readonly outBytes: number;
  readonly inBytes: number;
  readonly mostBytes: number;
  readonly writing: (typeof WRITINGS)[number];
  readonly reading: (typeof READINGS)[number];
  readonly keeping: Keeping;
  readonly farRead: FarReading;
  readonly ending: (typeof ENDINGS)[number];
}

/** Two Web streams: what is written arrives, what arrived is read, and neither side outruns the other. */
export function webStreamScenario(links: Links): Scenario<WebStreamCase> {
  return {
    name: "web stream",
    weight: 2,
    draw: drawWebStream,
    run: (drawn, context) => runWebStream(links, drawn, context),
    *simpler(drawn) {
      if (drawn.inBytes > 0) yield { ...drawn, inBytes: 0, reading: "reader" };
      if (drawn.outBytes > 0) yield { ...drawn, outBytes: 0 };
      if (drawn.compression !== "none") yield { ...drawn, compression: "none" };
      if (drawn.door !== "dial") yield { ...drawn, door: "dial" };
      if (drawn.farRead !== "fast") yield { ...drawn, farRead: "fast" };
      if (drawn.keeping !== "keep") yield { ...drawn, keeping: "keep" };
      if (drawn.ending !== "far closes") yield { ...drawn, ending: "far closes" };
      if (drawn.writing !== "awaited") yield { ...drawn, writing: "awaited" };
      if (drawn.reading !== "reader") yield { ...drawn, reading: "reader" };
      if (drawn.outBytes > 1) yield { ...drawn, outBytes: Math.floor(drawn.outBytes / 4) };
      if (drawn.inBytes > 1) yield { ...drawn, inBytes: Math.floor(drawn.inBytes / 4) };
    },
  };
}

function drawWebStream(decks: Decks): WebStreamCase {
  const { random } = decks;
  const ending = decks.deal("stream ending", ENDINGS);
  const isFlood = ending === "far leaves" || decks.deal("stream flood", [true, false, false, false]);
  const reading = ending === "far leaves" ? "reader" : decks.deal("stream reading", READINGS);
  const size = (): number => (random.chance(0.5) ? random.int(1, 20_000) : random.int(100_000, 1_500_000));
  const isLarge = isFlood || reading === "late";
  return {
    scenario: "web stream",
    seed: random.fork(),
    door: decks.deal(`stream door ${ending === "far leaves"}`, DIAL_DOORS),
    compression: isLarge ? "none" : decks.deal("stream compression", COMPRESSIONS),
    outBytes: isFlood ? FLOOD_BYTES : size(),
    inBytes:
      ending === "far leaves"
        ? random.int(1, SURELY_ARRIVED_BYTES)
        : reading === "late"
          ? FLOOD_BYTES
          : size(),
    mostBytes: isLarge ? 300_000 : decks.deal("stream most", [100, 700, 20_000, 300_000]),
    writing: decks.deal("stream writing", WRITINGS),
    reading,
    keeping: decks.deal("stream keeping", KEEPINGS),
    farRead: isFlood ? "stalled" : decks.deal("stream far read", FAR_READINGS),
    ending,
  };
}

async function runWebStream(links: Links, drawn: WebStreamCase, context: CaseContext): Promise<void> {
  const { ending } = drawn;
  const random = new Random(context.random.fork());
  const side = await links.dialed(drawn.door, drawn.compression, async (url, options) => {
    const stream = new WebSocketStream(url, options);
    return { stream, ...(await stream.opened) };
  });
  const { stream, readable, writable } = side.face;
  context.onEnd(() => side.far.destroy());
  let resume: () => void = () => undefined;
  const mayRead = new Promise<void>((resolve) => (resume = resolve));
  const reading = ending === "far leaves" ? "never" : drawn.farRead;
  const far = new FarPeer(side, context, random, { reading, mayRead });
  const plan = (bytes: number): ReturnType<typeof planMessages> =>
    planMessages(random, { bytes, mostBytes: drawn.mostBytes, leastBytes: 12, texts: "some" });
  const inPlan = plan(drawn.inBytes);
  const inStream = context.stream();
  const ledger = new MessageLedger(context.stream(), plan(drawn.outBytes));
  const kept = new Kept(drawn.keeping, random);
  const writer = writable.getWriter();
  const receiver = new MessageReceiver({
    port: new StreamSource(readable, drawn.reading === "slow" ? random : undefined),
    stream: inStream,
    planned: inPlan,
    style: drawn.reading === "iterate" ? "iterate" : "receive",
    random,
    kept,
  });
  let isHeldBack = true;
  const farWriting = far.writeAll(inStream, inPlan).then(() => {
    isHeldBack = false;
    return undefined;
  });
  const sending = writeAll(writer, ledger, drawn.writing);
  let hasSent = false;
  void sending.then(() => (hasSent = true));
  for (const part of [sending, farWriting]) part.catch((error: unknown) => context.fail(error));

  const total = ledger.planned.reduce((sum, { length }) => sum + length, 0);
  if (drawn.farRead === "stalled" && drawn.outBytes >= FLOOD_BYTES) {
    await untilStill(() => ledger.accepted);
    must(!hasSent, () => `all writes of ${total} bytes have resolved, and the far end has read nothing`);
  }
  resume();
  if (drawn.reading === "late" && drawn.inBytes >= FLOOD_BYTES) {
    await untilStill(() => side.far.bytesWritten);
    must(isHeldBack, () => `nobody reads, and the far end could write ${drawn.inBytes} bytes`);
  }
  // Some of those who are left read only then.
  const readsAfterLeaving = ending === "far leaves" && random.chance(0.5);
  let receiving = readsAfterLeaving ? undefined : receiver.run();
  receiving?.catch((error: unknown) => context.fail(error));

  let isWhole = false;
  switch (ending) {
    case "writer closes":
    case "close": {
      if (random.chance(0.5)) await farWriting;
      await sending;
      if (ending === "writer closes") await writer.close();
      else stream.close({ closeCode: 3001, reason: "done" });
      const info = await stream.closed;
      await far.end.ended;
      must(info.closeCode === 1000, () => `closed tells code ${info.closeCode}, the far end said 1000`);
      must(far.hasGotClose, () => "closed resolved, but the far end got no Close frame");
      isWhole = true;
      break;
    }
    case "far closes": {
      await Promise.all([sending, farWriting]);
      await far.close();
      const info = await stream.closed;
      await far.end.ended;
      must(info.closeCode === 1000, () => `closed tells code ${info.closeCode}, the far end said 1000`);
      isWhole = true;
      break;
    }
    case "far leaves":
      await farWriting;
      await far.close();
      await far.leave();
      receiving ??= receiver.run();
      await mustBreak(stream);
      break;
    case "far resets":
      await Promise.race([far.end.hasRead(random.int(0, total)), sending]);
      far.reset();
      await mustBreak(stream);
      break;
  }
  const end = await receiving;
  await Promise.all([sending, farWriting, far.end.ended]);
  if (ending === "far closes" || ending === "far leaves") {
    must(
      receiver.count === inPlan.length,
      () => `${inPlan.length} messages and a Close frame came, and ${receiver.count} messages could be read`,
    );
  }
  must(
    (end === undefined) === isWhole,
    () => `reading ended ${end === undefined ? "in order" : `with ${String(end.error)}`} after ${ending}`,
  );
  ledger.check(far.messages(), isWhole);
  kept.verify();
}

/** Resolves when `progress` has stayed the same for a while. */
async function untilStill(progress: () => number): Promise<void> {
  for (let before = -1, now = progress(); now !== before; now = progress()) {
    before = now;
    await nap(STILL_MS);
  }
}

async function mustBreak(stream: WebSocketStream): Promise<void> {
  const outcome = await stream.closed.catch((error: unknown) => error);
  must(
    outcome instanceof WebSocketError,
    () => `the connection broke, and closed says ${JSON.stringify(outcome)}`,
  );
}

type Chunk = string | ArrayBuffer | ArrayBufferView;
type Writer = WritableStreamDefaultWriter<Chunk>;

/** Writes all messages of a ledger, and overwrites each as soon as its write has settled. */
async function writeAll(
  writer: Writer,
  ledger: MessageLedger,
  writing: WebStreamCase["writing"],
): Promise<void> {
  writer.closed.catch(() => undefined); // the case sees how the connection ended
  const { planned, outcomes, stream } = ledger;
  const longest = planned.reduce((most, { length }) => Math.max(most, length), 1);
  const shared = Buffer.allocUnsafeSlow(longest);
  const write = async (index: number, chunk: Chunk, memory: Uint8Array | undefined): Promise<boolean> => {
    outcomes[index] = "unknown";
    try {
      await writer.write(chunk);
      outcomes[index] = "accepted";
    } catch {
      return false;
    } finally {
      memory?.fill(CALLER_POISON);
    }
    return true;
  };
  const pending: Promise<boolean>[] = [];
  for (const [index, each] of planned.entries()) {
    const payload = payloadOf(stream, each);
    let chunk: Chunk = payload;
    let memory: Uint8Array | undefined;
    if (typeof payload !== "string") {
      if (writing === "one buffer") {
        memory = shared.subarray(0, each.length);
        stamp(memory, stream, each.start);
        chunk = memory;
      } else [chunk, memory] = wrapped(payload, index);
    }
    if (writing === "ready") {
      try {
        await writer.ready;
      } catch {
        break;
      }
    }
    const written = write(index, chunk, memory);
    if (writing === "ready" || writing === "unawaited") pending.push(written);
    else if (!(await written)) break;
  }
  await Promise.all(pending);
}

/** Bytes as `write` may be given them, and the memory in which they lie. */
function wrapped(bytes: Buffer, index: number): [Chunk, Uint8Array] {
  const isWhole = index % 3 === 0;
  const before = isWhole ? 0 : BEFORE_VIEW_BYTES;
  const around = new Uint8Array(bytes.length + 2 * before).fill(CALLER_POISON);
  around.set(bytes, before);
  const { buffer } = around;
  if (isWhole) return [buffer, around];
  if (index % 3 === 1) return [new DataView(buffer, before, bytes.length), around];
  return [new Uint8Array(buffer, before, bytes.length), around];
}

/** A readable stream as a source of messages. */
class StreamSource implements MessageSource {
  readonly #readable: OpenedStream["readable"];
  /** Given, it rests now and then. */
  readonly #rests: Random | undefined;
  #reader: ReadableStreamDefaultReader<Message> | undefined;

  constructor(readable: OpenedStream["readable"], rests: Random | undefined) {
    this.#readable = readable;
    this.#rests = rests;
  }

  async receive(): Promise<string | Uint8Array | null> {
    if (this.#rests?.chance(0.1) === true) await nap(1);
    this.#reader ??= this.#readable.getReader();
    const { done, value } = await this.#reader.read();
    return done ? null : value;
  }

  serve(): never {
    throw new Error("streams only");
  }

  [Symbol.asyncIterator](): AsyncIterator<string | Uint8Array> {
    return this.#readable[Symbol.asyncIterator]();
  }
}
