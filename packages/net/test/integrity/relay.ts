import { setImmediate as turn } from "node:timers/promises";
import {
  CALLER_POISON,
  type CaseBase,
  type CaseContext,
  type Decks,
  drawSize,
  must,
  nap,
  Random,
  type Scenario,
  stamped,
  StreamLedger,
  unmix,
  FAR_READINGS,
  FarEnd,
  type FarReading,
  type FarWriting,
} from "@zocalo/integrity";
import { type FarKind, type Link, type Links, type TransportName, TRANSPORTS } from "./links.ts";
import { type PassingCase, PASSINGS, passOn, type Sink, TARGETS } from "./relay-passing.ts";

/**
 * What comes from some connections is passed on to the same, or to others, which somebody else may write to
 * as well.
 */
interface RelayCase extends CaseBase, PassingCase {
  readonly transport: TransportName;
  /** Of the sinks, where they are connections of their own. */
  readonly sinkTransport: TransportName;
  readonly far: FarKind;
  readonly isDialed: boolean;
  readonly connections: number;
  readonly bytes: number;
  /** Bytes of each write of somebody else to the same connection; 0: nobody else writes. */
  readonly extraBytes: number;
  readonly farRead: FarReading;
  readonly farWrite: FarWriting;
}

/** Most that somebody else writes to one connection, in bytes. */
const MOST_EXTRA_BYTES = 3_000_000;

/** Echoes, fan-in and relays: memory that is lent by one connection is written to another. */
export function relayScenario(links: Links): Scenario<RelayCase> {
  return {
    name: "relay",
    weight: 20,
    draw: drawRelay,
    run: (drawn, context) => runRelay(links, drawn, context),
    *simpler(drawn) {
      if (drawn.connections > 1) yield { ...drawn, connections: 1 };
      if (drawn.connections > 2) yield { ...drawn, connections: 2 };
      if (drawn.extraBytes > 0) yield { ...drawn, extraBytes: 0 };
      if (drawn.far === "ours") yield { ...drawn, far: "raw" };
      if (drawn.transport !== "tcp") yield { ...drawn, transport: "tcp" };
      if (drawn.sinkTransport !== "tcp") yield { ...drawn, sinkTransport: "tcp" };
      if (drawn.target !== "self") yield { ...drawn, target: "self" };
      if (drawn.target === "two sinks") yield { ...drawn, target: "one sink" };
      if (drawn.farRead !== "fast") yield { ...drawn, farRead: "fast" };
      if (drawn.farWrite !== "whole") yield { ...drawn, farWrite: "whole" };
      if (drawn.ending !== "handler") yield { ...drawn, ending: "handler" };
      if (drawn.passing !== "returned") yield { ...drawn, passing: "returned" };
      if (drawn.bytes > 1) yield { ...drawn, bytes: Math.floor(drawn.bytes / 4) };
    },
  };
}

function drawRelay(decks: Decks): RelayCase {
  const { random } = decks;
  const passing = decks.deal("relay passing", PASSINGS);
  const isPiped = passing === "node streams" || passing === "web streams";
  const target = isPiped
    ? decks.deal("relay piped target", ["self", "next"] as const)
    : decks.deal(`relay target ${passing}`, TARGETS);
  const connections = random.int(1, 6);
  const isIgnored = passing.includes("ignored");
  const ending =
    target === "self" && !isPiped && passing !== "read loop" && passing !== "iterate ignored"
      ? decks.deal(`relay ending ${passing}`, ["handler", "default", "default", "far resets"] as const)
      : decks.deal("relay ending", ["handler", "handler", "far resets"] as const);
  const transport = decks.deal(`relay transport ${passing}`, [
    ...TRANSPORTS,
    "tcp",
    "tcp",
    "tcp",
    "unix",
  ] as const);
  const sinkTransport = decks.deal(`relay sink ${passing}`, TRANSPORTS);
  const most = Math.floor(4_194_304 / connections);
  return {
    scenario: "relay",
    seed: random.fork(),
    transport,
    sinkTransport,
    far:
      transport === "foreign socket" || transport === "duplex"
        ? "raw"
        : decks.deal("relay far", ["raw", "raw", "raw", "ours"]),
    isDialed: random.chance(0.3),
    connections,
    target,
    passing,
    bytes: random.chance(0.6) ? random.int(Math.floor(most / 3), most) : Math.max(64, drawSize(random, most)),
    extraBytes: isPiped
      ? 0
      : decks.deal(`relay extra ${passing}`, [0, 20, 1000, 16_385, 70_000, 70_000, 200_000]),
    farRead:
      isIgnored && target === "self" && random.chance(0.4)
        ? "after end"
        : decks.deal(`relay far read ${passing}`, [...FAR_READINGS, "slow"] as const),
    farWrite: decks.deal("relay far write", ["whole", "portions"] as const),
    ending,
  };
}

async function runRelay(links: Links, drawn: RelayCase, context: CaseContext): Promise<void> {
  const { connections, target, ending, bytes } = drawn;
  const random = new Random(context.random.fork());
  const make = async (transport: TransportName): Promise<Link> => {
    const far = transport === "foreign socket" || transport.endsWith("duplex") ? "raw" : drawn.far;
    const link = await links.make(transport, far, drawn.isDialed);
    context.onEnd(() => {
      link.conn.abort();
      link.far.destroy();
    });
    return link;
  };
  const sources = await Promise.all(Array.from({ length: connections }, () => make(drawn.transport)));
  const sinkCount = target === "one sink" ? 1 : target === "two sinks" ? 2 : 0;
  const sinkLinks =
    sinkCount === 0
      ? sources
      : await Promise.all(Array.from({ length: sinkCount }, () => make(drawn.sinkTransport)));
  const sinks = sinkLinks.map(({ conn, far, takesAtOnce }): Sink => {
    const extra = new StreamLedger(context.stream());
    return {
      conn,
      far: new FarEnd(far, drawn.farRead, random),
      streams: [],
      extra,
      takesAtOnce,
      sources: 0,
      isOver: false,
    };
  });

  const work: Promise<unknown>[] = [];
  const start = (part: Promise<unknown>): void => {
    part.catch((error: unknown) => context.fail(error)); // at once, not when it is awaited below
    work.push(part);
  };
  sources.forEach(({ conn, far: farStream }, i) => {
    const stream = context.stream();
    const own = sinks[i];
    const next = sinks[(i + 1) % sinks.length];
    const to = target === "self" ? [own] : target === "next" ? [next] : sinks;
    const targets = to.filter((sink) => sink !== undefined);
    for (const sink of targets) {
      sink.streams.push(stream);
      sink.sources += 1;
    }
    const far = sinkCount === 0 && own !== undefined ? own.far : new FarEnd(farStream, "fast", random);
    start(passOn({ conn, stream, targets, drawn, context }));
    start(far.write(stream, bytes, drawn.farWrite).then(() => far.end()));
  });
  for (const sink of sinks) if (drawn.extraBytes > 0) start(writeExtra(sink, drawn.extraBytes, random));

  if (ending === "far resets") {
    const total = bytes * (sinkCount === 0 ? 1 : connections);
    await Promise.all(sinks.map(({ far }) => far.hasRead(random.int(0, total))));
    for (const link of sinkLinks) link.resetFar();
    // A handler whose write has failed leaves its source open, or aborts it.
    await Promise.all(sinks.map(({ far }) => far.ended));
    await turn();
    for (const { conn, far } of sources) {
      conn.abort();
      far.destroy();
    }
  }
  await Promise.all(work);
  for (const { far, streams, extra } of sinks) {
    const farEnding = await far.ended;
    const counts = unmix(Buffer.concat(far.received), [
      ...streams.map((stream) => ({ stream, most: bytes })),
      { stream: extra.stream, most: extra.position },
    ]);
    if (ending === "far resets") continue;
    must(
      farEnding === "end",
      () => `the far end was cut after ${far.receivedBytes} bytes instead of seeing an end`,
    );
    for (const stream of streams) {
      const count = counts.get(stream);
      must(
        count === bytes,
        () => `of ${bytes} bytes of stream ${stream} came ${count}, and then an end as if they were all`,
      );
    }
    extra.mustBeSettled();
    const count = counts.get(extra.stream);
    must(
      count === extra.takenBytes,
      () =>
        `of what somebody else wrote came ${count} bytes, taken were ${extra.takenBytes}; ${extra.describe()}`,
    );
  }
}

/** Somebody else writes to the same connection, and uses its buffer again as soon as it may. */
async function writeExtra(sink: Sink, size: number, random: Random): Promise<void> {
  const { conn, extra, takesAtOnce } = sink;
  while (!sink.isOver && extra.position < MOST_EXTRA_BYTES) {
    const buffer = stamped(extra.stream, extra.position, size);
    const handed = extra.hand(size);
    try {
      await conn.write(buffer);
      extra.taken(handed);
      if (takesAtOnce) buffer.fill(CALLER_POISON);
    } catch (error) {
      extra.rejected(handed, error);
      return;
    }
    await (random.chance(0.5) ? nap(random.int(1, 3)) : turn());
  }
}
