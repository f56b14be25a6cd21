import { setImmediate as turn } from "node:timers/promises";
import {
  type CaseBase,
  type CaseContext,
  type Decks,
  drawSize,
  Kept,
  type Keeping,
  KEEPINGS,
  must,
  nap,
  Random,
  type Scenario,
  StreamLedger,
  FAR_READINGS,
  FAR_WRITINGS,
  FarEnd,
  type FarReading,
  type FarWriting,
} from "@zocalo/integrity";
import { hasArrived } from "./arrived.ts";
import { holdBytes, tooMuchFor } from "./capacity.ts";
import { type FarKind, type Link, type Links, type TransportName, TRANSPORTS } from "./links.ts";
import { type ReadEnding, READ_STYLES, Reader, type ReadStyle } from "./read-styles.ts";
import { isAdapter, WRITE_STYLES, Writer, type WriteStyle } from "./write-styles.ts";

/** How a connection comes to its end. */
const ENDINGS = [
  "in order",
  "far ends first",
  "close",
  "abort",
  "far resets",
  "far closes unread",
  "far never reads",
] as const;
type FlowEnding = (typeof ENDINGS)[number];

/** One or more connections, each with a stream either way. */
export interface FlowCase extends CaseBase {
  readonly transport: TransportName;
  readonly far: FarKind;
  readonly isDialed: boolean;
  readonly connections: number;
  readonly ending: FlowEnding;
  readonly outBytes: number;
  readonly inBytes: number;
  readonly write: WriteStyle;
  readonly read: ReadStyle;
  /** Nobody reads before writing has come to its end, which is where the far end cuts it off. */
  readonly readsLate: boolean;
  readonly keeping: Keeping;
  readonly farRead: FarReading;
  readonly farWrite: FarWriting;
}

/** What the far end sends before it resets surely lies in our system's buffer by then. */
const SURELY_ARRIVED_BYTES = 32_768;

/** What each transport takes although nobody reads, in bytes. */
const ALL_TAKE_BYTES = 16_384;

/**
 * Two independent streams on each connection: how it is written × how it is read × who is on the other end ×
 * how it ends.
 */
export function flowScenario(links: Links): Scenario<FlowCase> {
  return {
    name: "flow",
    weight: 20,
    draw: drawFlow,
    async run(drawn, context) {
      // A connection of ours that is closed goes on taking what comes, for a second, and throws it away.
      const throwsAway = drawn.ending === "far closes unread" && drawn.transport === "pipe";
      const hold = throwsAway ? Number.POSITIVE_INFINITY : await holdBytes(drawn.transport);
      const outBytes = drawn.ending === "far never reads" ? await tooMuchFor(drawn) : drawn.outBytes;
      const count = drawn.ending === "far never reads" ? 1 : drawn.connections;
      await Promise.all(
        Array.from({ length: count }, async () => {
          const link = await links.make(drawn.transport, drawn.far, drawn.isDialed);
          await runFlow({ ...drawn, outBytes }, link, hold, context);
        }),
      );
    },
    simpler: simplerFlows,
  };
}

export function* simplerFlows(drawn: FlowCase): Generator<FlowCase> {
  if (drawn.connections > 1) yield { ...drawn, connections: 1 };
  if (drawn.far === "ours") yield { ...drawn, far: "raw" };
  if (drawn.inBytes > 0) yield { ...drawn, inBytes: 0 };
  if (drawn.outBytes > 0) yield { ...drawn, outBytes: 0 };
  if (drawn.farRead !== "fast") yield { ...drawn, farRead: "fast" };
  if (drawn.farWrite !== "whole") yield { ...drawn, farWrite: "whole" };
  if (drawn.keeping !== "keep") yield { ...drawn, keeping: "keep" };
  if (drawn.transport !== "tcp") yield { ...drawn, transport: "tcp" };
  if (drawn.write !== "awaited") yield { ...drawn, write: "awaited" };
  if (drawn.read !== "read fast") yield { ...drawn, read: "read fast" };
  if (drawn.readsLate) yield { ...drawn, readsLate: false };
  if (drawn.outBytes > 1) yield { ...drawn, outBytes: Math.floor(drawn.outBytes / 4) };
  if (drawn.inBytes > 1) yield { ...drawn, inBytes: Math.floor(drawn.inBytes / 4) };
}

function drawFlow(decks: Decks): FlowCase {
  const ending = decks.deal("flow ending", ENDINGS);
  // What had arrived before a cut is known only between two systems.
  const transport = decks.deal(
    `flow transport ${ending}`,
    isCutByFar(ending)
      ? ([...TRANSPORTS, "tcp", "tcp", "unix"] as const)
      : ending === "abort"
        ? ([...TRANSPORTS, "unix", "unix", "unix"] as const)
        : TRANSPORTS,
  );
  const { random } = decks;
  const connections = random.pick([1, 1, 2, 3, 5]);
  const most = Math.floor(5_242_880 / connections / (random.chance(0.2) ? 1 : 5));
  const isLong = isCutByFar(ending) || (ending === "abort" && transport === "unix");
  const size = (): number => (random.chance(0.1) ? 0 : drawSize(random, most));
  const outBytes = isLong ? random.int(300_000, 3_000_000) : size();
  const inBytes = ending === "abort" && isLong && random.chance(0.7) ? 0 : size();
  return completed(decks, "flow", { ending, transport, connections, outBytes, inBytes, isLong });
}

/** A flow over a link that takes about 5 MB/s, long enough that the system cannot take all of it at once. */
export function drawSlowFlow(decks: Decks): FlowCase {
  // The system that never reads is measured on a fast link.
  const endings = ENDINGS.filter((each) => each !== "far never reads");
  const ending = decks.deal("slow flow ending", endings);
  const transport = decks.deal(`slow flow transport ${ending}`, ["tcp", "tls"] as const);
  const { random } = decks;
  const connections = random.pick([1, 1, 2, 3]);
  const size = (): number => random.int(200_000, Math.floor(3_000_000 / connections));
  const sizes = { outBytes: size(), inBytes: size(), isLong: true };
  return completed(decks, "slow flow", { ending, transport, connections, ...sizes });
}

function isCutByFar(ending: FlowEnding): boolean {
  return ending === "far resets" || ending === "far closes unread" || ending === "far never reads";
}

type FlowCore = Pick<FlowCase, "ending" | "transport" | "connections" | "outBytes" | "inBytes">;

/**
 * Draws what is open of a flow, so that what its ending promises can be known.
 *
 * @param name What the names of the decks begin with.
 */
function completed(
  decks: Decks,
  name: string,
  { isLong, ...core }: FlowCore & { isLong: boolean },
): FlowCase {
  const { random } = decks;
  const { ending, transport } = core;
  const isCut = isCutByFar(ending);
  const readsLate = isCut && decks.deal(`${name} late ${ending}`, [true, false]);
  return {
    ...core,
    scenario: "flow",
    seed: random.fork(),
    far:
      transport === "foreign socket" || transport === "duplex" || isCut
        ? "raw"
        : decks.deal(`${name} far`, ["raw", "raw", "ours"]),
    isDialed: random.chance(0.5),
    inBytes:
      ending === "far ends first"
        ? drawSize(random, ALL_TAKE_BYTES)
        : isCut
          ? random.int(1, SURELY_ARRIVED_BYTES)
          : core.inBytes,
    // A stream over a connection that is closed below it has failed, and cuts it.
    write: decks.deal(
      `${name} write ${ending}`,
      ending === "close" ? WRITE_STYLES.filter((style) => !isAdapter(style)) : WRITE_STYLES,
    ),
    read: decks.deal(
      `${name} read ${ending}`,
      ending === "close" ? READ_STYLES.filter((style) => !isAdapter(style)) : READ_STYLES,
    ),
    readsLate,
    keeping: decks.deal(`${name} keeping`, KEEPINGS),
    // So that a step is under way when it is aborted.
    farRead:
      isLong && ending === "abort"
        ? decks.deal(`${name} far read of a long abort`, ["stalled", "slow"] as const)
        : decks.deal(`${name} far read ${ending}`, FAR_READINGS),
    // Small writes take much more of a system's buffer than their bytes.
    farWrite:
      ending === "far ends first" || readsLate
        ? "whole"
        : decks.deal(`${name} far write ${ending}`, FAR_WRITINGS),
  };
}

async function runFlow(drawn: FlowCase, link: Link, hold: number, context: CaseContext): Promise<void> {
  const { conn, far: stream, takesAtOnce } = link;
  const { ending, inBytes, outBytes } = drawn;
  const random = new Random(context.random.fork());
  const ledger = new StreamLedger(context.stream());
  const inStream = context.stream();
  context.onEnd(() => {
    conn.abort();
    stream.destroy();
  });
  const isUnread = ending === "far closes unread" || ending === "far never reads";
  const far = new FarEnd(stream, isUnread ? "never" : drawn.farRead, random);
  const kept = new Kept(drawn.keeping, random);
  const reader = new Reader({ conn, stream: inStream, style: drawn.read, random, kept });
  const writer = new Writer({
    conn,
    ledger,
    bytes: outBytes,
    style: drawn.write,
    random,
    mayOverwrite: takesAtOnce,
  });
  const progress = random.int(0, Math.max(outBytes, 1));

  if (ending === "far ends first") {
    await far.write(inStream, inBytes, drawn.farWrite);
    far.end();
  }
  const farWritten =
    ending === "far ends first" ? Promise.resolve() : far.write(inStream, inBytes, drawn.farWrite);
  const writing = writer.run();
  const reading = drawn.readsLate ? writing.then(() => reader.run()) : reader.run();
  // at once, not when it is awaited
  for (const part of [reading, writing]) part.catch((error: unknown) => context.fail(error));
  let readEnding: ReadEnding;
  switch (ending) {
    case "in order":
    case "far ends first": {
      void farWritten.then(() => far.end());
      await Promise.race([writing, reading.then(() => writing)]);
      must(
        writer.failure === undefined,
        () => `writing failed on a sound connection: ${String(writer.failure)}`,
      );
      if (!isAdapter(drawn.write)) await conn.closeWrite();
      readEnding = await reading;
      must(readEnding === "end", () => `reading a sound connection ended with ${describeEnding(readEnding)}`);
      must(
        reader.bytes === inBytes,
        () => `reading ended in order after ${reader.bytes} of ${inBytes} bytes`,
      );
      await conn.close();
      await mustEnd(far);
      ledger.mustBeSettled();
      ledger.check(far.received, "in order");
      break;
    }
    case "close": {
      void farWritten.then(() => far.end());
      await Promise.race([far.hasRead(Math.min(progress, 1_000_000)), writing]);
      await conn.close();
      await writing;
      await mustEnd(far);
      await reading;
      ledger.mustBeSettled();
      ledger.check(far.received, "closed");
      break;
    }
    case "abort": {
      await Promise.race([far.hasRead(progress), writing]);
      // A socket of Node's that still writes breaks at once, and throws away what lies unread in its system.
      const isFarQuiet = reader.bytes === inBytes;
      conn.abort();
      await Promise.all([writing, reading, far.ended]);
      ledger.mustBeSettled();
      ledger.check(far.received, "broken");
      // A Unix socket that is closed loses nothing that the system had taken.
      if (drawn.transport === "unix" && drawn.far === "raw" && isFarQuiet && TELLS_EXACTLY.has(drawn.write)) {
        must(
          ledger.takenBytes === far.receivedBytes,
          () =>
            `${ledger.takenBytes} bytes were said to be taken when the connection was aborted, ${far.receivedBytes} came; ${ledger.describe()}`,
        );
      }
      break;
    }
    case "far resets":
    case "far closes unread":
    case "far never reads": {
      await farWritten;
      if (ending === "far resets") await Promise.race([far.hasRead(progress), writing]);
      else await nap(random.int(3, 40));
      await turn();
      await hasArrived(stream);
      if (ending === "far closes unread") stream.destroy();
      else link.resetFar();
      await writing;
      readEnding = await reading;
      ledger.mustBeSettled();
      // A stream of Node's that is written to is destroyed with its first failure, and the connection with
      // it.
      if (link.hasSystem && !isAdapter(drawn.write)) {
        must(
          reader.bytes === inBytes,
          () =>
            `${inBytes} bytes had arrived before the far end cut the connection, ${reader.bytes} of them could be read before ${describeEnding(readEnding)}`,
        );
      }
      // In memory the other end may be gone before this one is told, and what is written meanwhile goes
      // nowhere.
      const isBounded = link.hasSystem || ending === "far never reads";
      ledger.check(far.received, "broken", isBounded ? hold : Number.POSITIVE_INFINITY);
      break;
    }
  }
  kept.verify();
}

/**
 * After an abort these have said of each byte whether it was taken. A call that was cut short before counts
 * the step that was under way.
 */
const TELLS_EXACTLY: ReadonlySet<WriteStyle> = new Set([
  "awaited",
  "one buffer",
  "burst",
  "writev",
  "writev burst",
]);

async function mustEnd(far: FarEnd): Promise<void> {
  const ending = await far.ended;
  must(
    ending === "end",
    () => `the far end was cut after ${far.receivedBytes} bytes instead of seeing an end`,
  );
}

function describeEnding(ending: ReadEnding): string {
  return ending === "end" ? "an end" : String(ending.error);
}
