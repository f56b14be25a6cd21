import { setImmediate as turn } from "node:timers/promises";
import { codeOf, IntegrityFailure, must } from "./failure.ts";
import type { Kept } from "./kept.ts";
import { drawSize, type Random } from "./random.ts";
import { nap } from "./run.ts";
import { CALLER_POISON, describeBytes, stamp, stamped } from "./stamp.ts";

/** Where messages come from. */
export interface MessageSource {
  receive(options?: { signal?: AbortSignal }): Promise<string | Uint8Array | null>;
  serve(handler: {
    message(message: string | Uint8Array): void | Promise<void>;
    close(info: { wasClean: boolean; error?: Error }): void;
  }): void;
  [Symbol.asyncIterator](): AsyncIterator<string | Uint8Array>;
}

/** What the driver needs of a connection of messages; both packages have it. */
export interface MessagePort extends MessageSource {
  send(message: string | Uint8Array, options?: { signal?: AbortSignal }): Promise<void>;
  trySend(message: string | Uint8Array): "sent" | "buffered" | "refused";
  close(): Promise<void>;
  abort(): void;
  flush?(): Promise<void>;
}

/** One message of a stream: which of its bytes, and whether they go as text. */
export interface Planned {
  readonly start: number;
  readonly length: number;
  readonly isText: boolean;
  /** Given where messages of several streams stand in one ledger. Default: the ledger's. */
  readonly stream?: number;
}

/** Which messages a stream is cut into. */
export interface PlanOptions {
  /** All bytes of the stream. */
  readonly bytes: number;
  /** Most bytes of one message; a text has a third more. */
  readonly mostBytes: number;
  /** Fewest, but for the last. */
  readonly leastBytes: number;
  readonly texts: "all" | "none" | "some";
}

/** Most messages of one plan, so that a case of tiny ones ends. */
const MOST_MESSAGES = 400;

/** Cuts a stream into messages. */
export function planMessages(
  random: Random,
  { bytes, mostBytes, leastBytes, texts }: PlanOptions,
): Planned[] {
  const planned: Planned[] = [];
  for (let start = 0; start < bytes && planned.length < MOST_MESSAGES; ) {
    const length = Math.min(bytes - start, Math.max(leastBytes, drawSize(random, mostBytes)));
    const isText = texts === "all" || (texts === "some" && random.chance(0.5));
    planned.push({ start, length, isText });
    start += length;
  }
  return planned;
}

/** The message itself. A text is the base64 of its bytes, some with a character outside ASCII before it. */
export function payloadOf(
  ofPlan: number,
  { start, length, isText, stream = ofPlan }: Planned,
): string | Buffer {
  const bytes = stamped(stream, start, length);
  return isText ? `${start % 3 === 1 ? "ñ€😀" : ""}${bytes.toString("base64")}` : bytes;
}

/** As it lies on the wire. */
export function wireBytesOf(stream: number, planned: Planned): Buffer {
  const payload = payloadOf(stream, planned);
  return typeof payload === "string" ? Buffer.from(payload, "utf8") : payload;
}

/** How messages are sent. */
export const SEND_STYLES = [
  "awaited",
  "one buffer",
  "burst",
  "trySend",
  "trySend one buffer",
  "prepared",
  "signals",
  "flushed",
  "nobody waits",
] as const;
export type SendStyle = (typeof SEND_STYLES)[number];

type Outcome = "accepted" | "refused" | "unknown" | "unsent";

/** What is sent of one stream, and what the calls said. */
export class MessageLedger {
  readonly stream: number;
  readonly planned: Planned[];
  readonly outcomes: Outcome[];

  constructor(stream: number, planned: readonly Planned[]) {
    this.stream = stream;
    this.planned = [...planned];
    this.outcomes = planned.map(() => "unsent");
  }

  /** Books one more message. @returns its place in `outcomes`. */
  book(planned: Planned): number {
    this.outcomes.push("unsent");
    return this.planned.push(planned) - 1;
  }

  get accepted(): number {
    return this.outcomes.filter((outcome) => outcome === "accepted").length;
  }

  /**
   * Holds what came against what was sent: the accepted messages in order, and none that was refused.
   *
   * @param isWhole Everything that was accepted must have come.
   */
  check(received: readonly Uint8Array[], isWhole: boolean): void {
    let next = 0;
    for (const [at, message] of received.entries()) {
      for (;;) {
        const planned = this.planned[next];
        if (planned === undefined) {
          throw new IntegrityFailure(
            `message ${at} of ${received.length} came behind the last of stream ${this.stream}: ${describeBytes(message)}`,
          );
        }
        const outcome = this.outcomes[next];
        const isEqual = wireBytesOf(this.stream, planned).equals(message);
        if (isEqual) {
          must(
            outcome !== "refused" && outcome !== "unsent",
            () => `message ${next} of stream ${this.stream} came although it was ${outcome}`,
          );
          next += 1;
          break;
        }
        if (outcome === "accepted") throw new IntegrityFailure(this.#describeWrong(next, message));
        next += 1;
      }
    }
    if (!isWhole) return;
    const missing = this.outcomes.findIndex((outcome, i) => i >= next && outcome === "accepted");
    must(
      missing === -1,
      () =>
        `message ${missing} of stream ${this.stream} was accepted and never came, nor did what followed; ${received.length} came`,
    );
  }

  #describeWrong(index: number, message: Uint8Array): string {
    const planned = this.planned[index];
    if (planned === undefined) return "no such message";
    const wanted = wireBytesOf(this.stream, planned);
    let at = 0;
    while (at < wanted.length && wanted[at] === message[at]) at += 1;
    const found = planned.isText
      ? describeBytes(Buffer.from(Buffer.from(message.subarray(at - (at % 4))).toString("latin1"), "base64"))
      : describeBytes(message.subarray(at));
    return (
      `instead of message ${index} of stream ${this.stream} (${wanted.length} bytes${planned.isText ? " of text" : ""}) came ` +
      `${message.length} bytes that begin with ${describeBytes(message)}, from byte ${at} on ${found}`
    );
  }
}

/** What a sender is told. */
export interface SenderOptions {
  readonly port: MessagePort;
  readonly ledger: MessageLedger;
  readonly style: SendStyle;
  readonly random: Random;
  /** A prepared message, made once for all connections that share the plan. */
  prepared(index: number): string | Uint8Array;
  /** Asked after each message; `false` leaves the others unsent. Default: they are sent. */
  goesOn?(): Promise<boolean>;
}

/**
 * Sends all messages of a ledger, as far as that is possible, and overwrites its memory as soon as it may.
 */
export async function sendAll(options: SenderOptions): Promise<void> {
  const { port, ledger, style, random } = options;
  const { planned, outcomes, stream } = ledger;
  const longest = planned.reduce((most, { length }) => Math.max(most, length), 1);
  const shared = Buffer.allocUnsafeSlow(longest);
  const overwrite = (payload: string | Uint8Array): void => {
    if (typeof payload !== "string") payload.fill(CALLER_POISON);
  };
  const pending: Promise<unknown>[] = [];
  for (const [index, each] of planned.entries()) {
    let payload = payloadOf(stream, each);
    if (style === "prepared") payload = options.prepared(index) as Buffer;
    else if ((style === "one buffer" || style === "trySend one buffer") && typeof payload !== "string") {
      payload = shared.subarray(0, each.length);
      stamp(payload, stream, each.start);
    }
    const send = async (signal?: AbortSignal): Promise<boolean> => {
      outcomes[index] = "unknown";
      try {
        await (signal === undefined ? port.send(payload) : port.send(payload, { signal }));
        outcomes[index] = "accepted";
        if (style !== "prepared") overwrite(payload);
        return true;
      } catch (error) {
        if (style !== "prepared" && style !== "one buffer") overwrite(payload);
        return codeOf(error) === "canceled";
      }
    };
    switch (style) {
      case "awaited":
      case "one buffer":
      case "prepared":
        if (!(await send())) return;
        break;
      case "flushed":
        if (!(await send())) return;
        if (random.chance(0.1) && port.flush !== undefined && !(await flushed(port.flush()))) return;
        break;
      case "burst":
        pending.push(send());
        if (pending.length >= 30 && (await Promise.all(pending.splice(0))).includes(false)) return;
        break;
      case "signals": {
        const controller = new AbortController();
        if (random.chance(0.5)) void turn().then(() => controller.abort());
        if (!(await send(controller.signal))) return;
        break;
      }
      case "nobody waits":
        outcomes[index] = "unknown";
        void port.send(payload);
        if (random.chance(0.1)) await turn();
        break;
      case "trySend":
      case "trySend one buffer": {
        const outcome = port.trySend(payload);
        outcomes[index] = outcome === "refused" ? "refused" : "accepted";
        overwrite(payload);
        // What does not wait is refused sooner or later; some cases wait and some go on.
        if (outcome !== "sent") await (random.chance(0.5) ? nap(1) : turn());
        break;
      }
    }
    if (options.goesOn !== undefined && !(await options.goesOn())) break;
  }
  await Promise.all(pending);
}

async function flushed(flushing: Promise<void>): Promise<boolean> {
  try {
    await flushing;
    return true;
  } catch {
    return false; // the case sees how the connection ended
  }
}

/** How messages are received. */
export const RECEIVE_STYLES = [
  "receive",
  "iterate",
  "serve",
  "serve promise",
  "serve slow",
  "serve late",
  "signals",
] as const;
export type ReceiveStyle = (typeof RECEIVE_STYLES)[number];

/** What a receiver is told. */
export interface ReceiverOptions {
  readonly port: MessageSource;
  readonly stream: number;
  readonly planned: readonly Planned[];
  readonly style: ReceiveStyle;
  readonly random: Random;
  readonly kept: Kept;
}

/** Receives what was planned, in order, and looks at each message as it comes. */
export class MessageReceiver {
  readonly #options: ReceiverOptions;
  /** Messages that came. */
  count = 0;

  constructor(options: ReceiverOptions) {
    this.#options = options;
  }

  /** Resolves with `undefined` after a clean end, or with why it was none. */
  async run(): Promise<{ error: unknown } | undefined> {
    const { port, style, random } = this.#options;
    if (style.startsWith("serve")) return this.#serve();
    try {
      if (style === "iterate") {
        for await (const message of port) {
          this.#take(message);
          if (random.chance(0.05)) await nap(1);
        }
        return undefined;
      }
      for (;;) {
        const message = await this.#receive();
        if (message === null) return undefined;
        if (message !== undefined) this.#take(message);
      }
    } catch (error) {
      if (error instanceof IntegrityFailure) throw error;
      return { error };
    }
  }

  async #receive(): Promise<string | Uint8Array | null | undefined> {
    const { port, style, random } = this.#options;
    if (style !== "signals") return port.receive();
    const controller = new AbortController();
    const when = random.int(0, 3);
    if (when === 0) queueMicrotask(() => controller.abort());
    else if (when === 1) setImmediate(() => controller.abort());
    try {
      return await port.receive({ signal: controller.signal });
    } catch (error) {
      if (codeOf(error) === "canceled") return undefined;
      throw error;
    }
  }

  async #serve(): Promise<{ error: unknown } | undefined> {
    const { port, style, random } = this.#options;
    if (style === "serve late") await nap(random.int(1, 5));
    return new Promise((resolve, reject) => {
      port.serve({
        message: (message) => {
          try {
            this.#take(message);
          } catch (error) {
            reject(error);
          }
          if (style === "serve promise" && random.chance(0.5)) return turn();
          if (style === "serve slow" && random.chance(0.1)) return nap(1);
        },
        close: ({ wasClean, error }) =>
          resolve(wasClean ? undefined : { error: error ?? new Error("not clean, without an error") }),
      });
    });
  }

  #take(message: string | Uint8Array): void {
    const { stream, planned, kept } = this.#options;
    const each = planned[this.count];
    must(each !== undefined, () => `a message came behind the last one of stream ${stream}`);
    this.count += 1;
    if (typeof message !== "string" && !each.isText) {
      must(
        message.length === each.length,
        () =>
          `message ${this.count - 1} of stream ${stream} has ${message.length} bytes, sent were ${each.length}`,
      );
      return kept.take(message, stream, each.start);
    }
    const bytes = typeof message === "string" ? Buffer.from(message, "utf8") : message;
    must(
      wireBytesOf(stream, each).equals(bytes),
      () =>
        `text ${this.count - 1} of stream ${stream} is not as it was sent: ${describeBytes(Buffer.from(String(message), "base64"))}`,
    );
  }
}
