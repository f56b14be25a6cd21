import { connect } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { CALLER_POISON, type CaseContext, type Random, stamp, stamped } from "@zocalo/integrity";
import { listen } from "@zocalo/net";
import { type Outcome, outcomeOf, type Port } from "./datagram-ends.ts";

export const SENDINGS = [
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

export type Sending = (typeof SENDINGS)[number];
type LentSending = Extract<Sending, `lent ${string}`>;

/** How much is sent to each of the far sockets, and how. */
interface SendingCase {
  readonly sending: Sending;
  readonly size: number;
  readonly count: number;
}

/** What is sent to one of them, and what the calls said of it, datagram by datagram. */
interface Books {
  readonly outStream: number;
  readonly outcomes: Outcome[];
}

export function isOfLent(sending: Sending): sending is LentSending {
  return sending.startsWith("lent ");
}

/** Sends all datagrams to one far socket. */
export async function sendAll(
  port: Port,
  far: Books,
  { sending, size, count }: SendingCase,
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
  { outStream: stream, outcomes }: Books,
  { sending, size, count }: SendingCase & { readonly sending: LentSending },
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
