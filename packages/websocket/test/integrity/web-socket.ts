import { setImmediate as turn } from "node:timers/promises";
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
  payloadOf,
  planMessages,
  Random,
  type Scenario,
} from "@zocalo/integrity";
import { type CloseEvent, type MessageEvent, WebSocket } from "../../src/index.ts";
import { FarPeer, SURELY_ARRIVED_BYTES } from "./far-peer.ts";
import {
  COMPRESSIONS,
  type CompressionKind,
  DIAL_DOORS,
  type DialDoor,
  type FaceOptions,
  FLOOD_BYTES,
  type Links,
} from "./links.ts";

/** `far leaves`: it says what it has to say, closes, and is gone with all unread that it was sent. */
const ENDINGS = ["close", "close", "far closes", "far closes", "far resets", "far leaves"] as const;

/** What `send` is given for bytes. */
const KINDS = ["view", "DataView", "words", "ArrayBuffer", "Blob"] as const;

/** Bytes before a view in its buffer. Divisible by 4. */
const BEFORE_VIEW_BYTES = 16;

/** From so many bytes that wait on, who paces waits. */
const PACED_BYTES = 65_536;

/** Turns in which `bufferedAmount` is looked at while the far end reads nothing. */
const STALLED_TURNS = 20;

/** Messages either way on one `WebSocket` of browsers. */
interface WebSocketCase extends CaseBase {
  readonly door: DialDoor;
  readonly compression: CompressionKind;
  readonly outBytes: number;
  readonly inBytes: number;
  readonly mostBytes: number;
  /** `either`: it is set anew with each message. */
  readonly binaryType: "arraybuffer" | "blob" | "either";
  readonly kinds: "all" | "no blobs";
  /** Waits for `bufferedAmount` to fall. */
  readonly isPaced: boolean;
  readonly keeping: Keeping;
  readonly farRead: FarReading;
  readonly ending: (typeof ENDINGS)[number];
}

/**
 * What is sent may be changed as soon as `send` returns, what is received is its receiver's own, and
 * `bufferedAmount` is the payload not yet taken.
 */
export function webSocketScenario(links: Links): Scenario<WebSocketCase> {
  return {
    name: "web socket",
    weight: 2,
    draw: drawWebSocket,
    run: (drawn, context) => runWebSocket(links, drawn, context),
    *simpler(drawn) {
      if (drawn.inBytes > 0) yield { ...drawn, inBytes: 0 };
      if (drawn.outBytes > 0) yield { ...drawn, outBytes: 0 };
      if (drawn.kinds !== "no blobs") yield { ...drawn, kinds: "no blobs" };
      if (drawn.compression !== "none") yield { ...drawn, compression: "none" };
      if (drawn.door !== "dial") yield { ...drawn, door: "dial" };
      if (drawn.binaryType !== "arraybuffer") yield { ...drawn, binaryType: "arraybuffer" };
      if (drawn.farRead !== "fast") yield { ...drawn, farRead: "fast" };
      if (drawn.keeping !== "keep") yield { ...drawn, keeping: "keep" };
      if (drawn.ending !== "close") yield { ...drawn, ending: "close" };
      if (!drawn.isPaced) yield { ...drawn, isPaced: true };
      if (drawn.outBytes > 1) yield { ...drawn, outBytes: Math.floor(drawn.outBytes / 4) };
      if (drawn.inBytes > 1) yield { ...drawn, inBytes: Math.floor(drawn.inBytes / 4) };
    },
  };
}

function drawWebSocket(decks: Decks): WebSocketCase {
  const { random } = decks;
  const ending = decks.deal("web ending", ENDINGS);
  const isFlood = ending === "far leaves" || decks.deal("web flood", [true, false, false, false]);
  const size = (): number => (random.chance(0.5) ? random.int(1, 20_000) : random.int(100_000, 1_500_000));
  return {
    scenario: "web socket",
    seed: random.fork(),
    door: decks.deal(`web door ${ending === "far leaves"}`, DIAL_DOORS),
    compression: isFlood ? "none" : decks.deal("web compression", COMPRESSIONS),
    outBytes: isFlood ? FLOOD_BYTES : size(),
    inBytes: ending === "far leaves" ? random.int(1, SURELY_ARRIVED_BYTES) : size(),
    mostBytes: isFlood ? 300_000 : decks.deal("web most", [100, 700, 20_000, 300_000]),
    binaryType: decks.deal("binaryType", ["arraybuffer", "blob", "either"] as const),
    kinds: decks.deal("web kinds", ["all", "no blobs"] as const),
    isPaced: !isFlood && decks.deal("web pace", [true, false]),
    keeping: decks.deal("web keeping", KEEPINGS),
    farRead: isFlood ? "stalled" : decks.deal("web far read", FAR_READINGS),
    ending,
  };
}

async function runWebSocket(links: Links, drawn: WebSocketCase, context: CaseContext): Promise<void> {
  const { ending, outBytes } = drawn;
  const random = new Random(context.random.fork());
  const side = await links.dialed(drawn.door, drawn.compression, (url, options) => opened(url, options));
  const socket = side.face;
  context.onEnd(() => side.far.destroy());
  let resume: () => void = () => undefined;
  const mayRead = new Promise<void>((resolve) => (resume = resolve));
  const isStalled = drawn.farRead === "stalled" && !drawn.isPaced;
  if (!isStalled) resume();
  const reading = ending === "far leaves" ? "never" : drawn.farRead;
  const far = new FarPeer(side, context, random, { reading, mayRead });
  const plan = (bytes: number): ReturnType<typeof planMessages> =>
    planMessages(random, { bytes, mostBytes: drawn.mostBytes, leastBytes: 12, texts: "some" });
  const inPlan = plan(drawn.inBytes);
  const inStream = context.stream();
  const ledger = new MessageLedger(context.stream(), plan(outBytes));
  const kept = new Kept(drawn.keeping, random);
  const source = new EventSource(socket, drawn.binaryType, random);
  const receiver = new MessageReceiver({
    port: source,
    stream: inStream,
    planned: inPlan,
    style: random.pick(["receive", "iterate"]),
    random,
    kept,
  });
  const receiving = receiver.run();
  const sending = sendAll(socket, ledger, drawn, random);
  const farWriting = far.writeAll(inStream, inPlan);
  for (const part of [receiving, sending, farWriting]) part.catch((error: unknown) => context.fail(error));

  const total = ledger.planned.reduce((sum, { length }) => sum + length, 0);
  let isWhole = false;
  if (isStalled) {
    await sending;
    for (let i = 0; i < STALLED_TURNS && outBytes >= FLOOD_BYTES; i += 1) {
      must(
        socket.bufferedAmount > 0,
        () => `bufferedAmount fell to 0, and of ${total} bytes the far end has read nothing`,
      );
      await turn();
    }
    resume();
  }
  switch (ending) {
    case "close": {
      if (random.chance(0.5)) await farWriting;
      await sending;
      socket.close(1000, "done");
      const before = socket.bufferedAmount;
      const late = ledger.book({ start: total, length: 64, isText: false });
      socket.send(payloadOf(ledger.stream, { start: total, length: 64, isText: false }));
      ledger.outcomes[late] = "refused";
      must(
        socket.bufferedAmount === before + 64,
        () => `bufferedAmount went from ${before} to ${socket.bufferedAmount} by 64 bytes sent after close`,
      );
      const event = await source.closed;
      await far.end.ended;
      must(
        event.wasClean && event.code === 1000,
        () => `close ended with code ${event.code}, wasClean ${event.wasClean}`,
      );
      must(far.hasGotClose, () => "the close event came, but the far end got no Close frame");
      while (socket.bufferedAmount !== 64) await turn();
      isWhole = true;
      break;
    }
    case "far closes": {
      await Promise.all([sending, farWriting]);
      while (socket.bufferedAmount > 0) await turn();
      await far.close();
      const event = await source.closed;
      must(
        event.wasClean && event.code === 1000,
        () => `the far end closed, and that was told with code ${event.code}, wasClean ${event.wasClean}`,
      );
      await far.end.ended;
      isWhole = true;
      break;
    }
    case "far leaves": {
      await Promise.all([sending, farWriting]);
      await far.close();
      await far.leave();
      const event = await source.closed;
      must(
        event.code === 1000 && !event.wasClean && socket.bufferedAmount > 0,
        () =>
          `the far end left, and unread ${total} bytes, after a Close frame; that was told with code ${event.code}, wasClean ${event.wasClean}, ` +
          `bufferedAmount ${socket.bufferedAmount}`,
      );
      break;
    }
    case "far resets": {
      await Promise.race([far.end.hasRead(random.int(0, total)), sending]);
      far.reset();
      const event = await source.closed;
      must(
        event.code === 1006 && !event.wasClean && source.errors === 1,
        () =>
          `a reset was told with code ${event.code}, wasClean ${event.wasClean}, after ${source.errors} error events`,
      );
      break;
    }
  }
  await Promise.all([sending, farWriting, receiving, far.end.ended]);
  if (ending === "far closes" || ending === "far leaves") {
    must(
      receiver.count === inPlan.length,
      () =>
        `${inPlan.length} messages and a Close frame came, and there were ${receiver.count} message events`,
    );
  }
  ledger.check(far.messages(), isWhole);
  kept.verify();
  await source.verify();
}

function opened(url: string, options: FaceOptions): Promise<WebSocket> {
  const socket = new WebSocket(url, options);
  return new Promise((resolve, reject) => {
    socket.onopen = () => resolve(socket);
    socket.onclose = () => reject(new Error("no connection"));
  });
}

/** Sends all messages of a ledger, and overwrites each as soon as `send` has returned. */
async function sendAll(
  socket: WebSocket,
  ledger: MessageLedger,
  { kinds, isPaced }: WebSocketCase,
  random: Random,
): Promise<void> {
  for (const [index, each] of ledger.planned.entries()) {
    if (socket.readyState !== WebSocket.OPEN) return;
    const payload = payloadOf(ledger.stream, each);
    const bytes = Buffer.byteLength(payload);
    const before = socket.bufferedAmount;
    if (typeof payload === "string") socket.send(payload);
    else sendBytes(socket, payload, random.pick(kinds === "all" ? KINDS : KINDS.slice(0, -1)));
    const grown = socket.bufferedAmount - before;
    must(
      grown === bytes,
      () => `bufferedAmount went from ${before} to ${before + grown} by a message of ${bytes} bytes`,
    );
    ledger.outcomes[index] = "accepted";
    while (isPaced && socket.bufferedAmount > PACED_BYTES && socket.readyState === WebSocket.OPEN)
      await turn();
    if (random.chance(0.1)) await turn();
  }
}

function sendBytes(socket: WebSocket, bytes: Buffer, kind: (typeof KINDS)[number] | undefined): void {
  const { length } = bytes;
  const before = kind === "ArrayBuffer" ? 0 : BEFORE_VIEW_BYTES;
  const around = new Uint8Array(kind === "ArrayBuffer" ? length : length + 2 * BEFORE_VIEW_BYTES).fill(
    CALLER_POISON,
  );
  around.set(bytes, before);
  const { buffer } = around;
  if (kind === "ArrayBuffer") socket.send(buffer);
  else if (kind === "DataView") socket.send(new DataView(buffer, before, length));
  else if (kind === "Blob") socket.send(new Blob([new Uint8Array(buffer, before, length)]));
  else if (kind === "words" && length % 4 === 0) socket.send(new Float32Array(buffer, before, length / 4));
  else socket.send(new Uint8Array(buffer, before, length));
  around.fill(CALLER_POISON);
}

/** Most blobs that are kept to be read again when the case is over. */
const MOST_BLOBS = 20;

/** The events of a socket, as a source of messages. */
class EventSource implements MessageSource {
  /** Resolves with the event. */
  readonly closed: Promise<CloseEvent>;
  errors = 0;
  readonly #waiting: (string | ArrayBuffer | Blob | null)[] = [];
  readonly #blobs: { readonly blob: Blob; readonly bytes: Buffer }[] = [];
  #wake: (() => void) | undefined;

  constructor(socket: WebSocket, binaryType: WebSocketCase["binaryType"], random: Random) {
    const choose = (): "arraybuffer" | "blob" =>
      binaryType === "either" ? (random.chance(0.5) ? "blob" : "arraybuffer") : binaryType;
    socket.binaryType = choose();
    socket.onmessage = ({ data }: MessageEvent) => {
      must(
        typeof data === "string" ||
          (socket.binaryType === "blob" ? data instanceof Blob : data instanceof ArrayBuffer),
        () => `with binaryType ${socket.binaryType} came ${Object.prototype.toString.call(data)}`,
      );
      this.#push(data);
      socket.binaryType = choose();
    };
    socket.onerror = () => {
      this.errors += 1;
    };
    this.closed = new Promise((resolve) => {
      socket.onclose = (event: CloseEvent) => {
        resolve(event);
        this.#push(null);
      };
    });
  }

  async receive(): Promise<string | Uint8Array | null> {
    while (this.#waiting.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    const next = this.#waiting.shift() ?? null;
    if (next instanceof ArrayBuffer) return new Uint8Array(next);
    if (!(next instanceof Blob)) return next;
    const bytes = new Uint8Array(await next.arrayBuffer());
    if (this.#blobs.length < MOST_BLOBS) this.#blobs.push({ blob: next, bytes: Buffer.from(bytes) });
    return bytes;
  }

  serve(): never {
    throw new Error("events only");
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string | Uint8Array> {
    for (let message = await this.receive(); message !== null; message = await this.receive()) yield message;
  }

  /** @throws IntegrityFailure if a blob does not say any more what it said. */
  async verify(): Promise<void> {
    for (const { blob, bytes } of this.#blobs) {
      must(
        bytes.equals(new Uint8Array(await blob.arrayBuffer())),
        () => `a received blob of ${bytes.length} bytes is not what it was`,
      );
    }
  }

  #push(message: string | ArrayBuffer | Blob | null): void {
    this.#waiting.push(message);
    this.#wake?.();
    this.#wake = undefined;
  }
}
