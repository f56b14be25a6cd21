import { setImmediate as turn } from "node:timers/promises";
import {
  CALLER_POISON,
  type CaseBase,
  type CaseContext,
  codeOf,
  type Decks,
  drawSize,
  must,
  mustBe,
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
import { type Conn, NetError, toNodeStream, toWebStreams } from "@zocalo/net";
import { type FarKind, type Link, type Links, type TransportName, TRANSPORTS } from "./links.ts";

/** How what comes is passed on. The first ones pass lent memory on. */
const PASSINGS = [
  "returned",
  "ignored",
  "awaited",
  "part by part",
  "writev ignored",
  "copy ignored",
  "read loop",
  "iterate ignored",
  "node streams",
  "web streams",
] as const;
type Passing = (typeof PASSINGS)[number];

/** Where to. */
const TARGETS = ["self", "next", "one sink", "two sinks"] as const;
type Target = (typeof TARGETS)[number];

/**
 * What comes from some connections is passed on to the same, or to others, which somebody else may write to
 * as well.
 */
interface RelayCase extends CaseBase {
  readonly transport: TransportName;
  /** Of the sinks, where they are connections of their own. */
  readonly sinkTransport: TransportName;
  readonly far: FarKind;
  readonly isDialed: boolean;
  readonly connections: number;
  readonly target: Target;
  readonly passing: Passing;
  readonly bytes: number;
  /** Bytes of each write of somebody else to the same connection; 0: nobody else writes. */
  readonly extraBytes: number;
  readonly farRead: FarReading;
  readonly farWrite: FarWriting;
  /** `default`: without an `end` handler, which sends everything and closes. */
  readonly ending: "handler" | "default" | "far resets";
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

/** A connection that is written to. */
interface Sink {
  readonly conn: Conn;
  readonly far: FarEnd;
  readonly streams: number[];
  readonly extra: StreamLedger;
  /** See `Link.takesAtOnce`. */
  readonly takesAtOnce: boolean;
  /** Connections whose bytes still come. */
  sources: number;
  isOver: boolean;
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

interface PassOptions {
  readonly conn: Conn;
  readonly stream: number;
  readonly targets: readonly Sink[];
  readonly drawn: RelayCase;
  readonly context: CaseContext;
}

/** Passes what `conn` gets on to its targets; resolves when it has ended, or failed. */
async function passOn({ conn, stream, targets, drawn, context }: PassOptions): Promise<void> {
  const { passing, ending, target } = drawn;
  let position = 0;
  const check = (bytes: Uint8Array): void => {
    mustBe(bytes, stream, position, "what came");
    position += bytes.length;
  };
  const allEnded = async (): Promise<void> => {
    for (const sink of targets) {
      sink.sources -= 1;
      if (sink.sources > 0) continue;
      sink.isOver = true;
      await sink.conn.closeWrite();
    }
  };
  const isOwn = passing === "read loop" || passing === "iterate ignored" || passing.endsWith("streams");
  if (isOwn) {
    try {
      if (passing === "node streams" || passing === "web streams")
        return await piped({ conn, targets, passing });
      for await (const bytes of conn) {
        check(bytes);
        for (const { conn: to } of targets) {
          if (passing === "read loop") await to.write(bytes);
          else void to.write(bytes);
        }
      }
      await allEnded();
    } catch (error) {
      // A case whose far end does not reset sees that something is missing.
      if (!(error instanceof NetError)) throw error;
    }
    return;
  }
  await new Promise<void>((resolve) => {
    conn.serve({
      data(bytes) {
        try {
          check(bytes);
        } catch (error) {
          context.fail(error);
        }
        return passPortion(bytes, targets, passing);
      },
      ...(ending === "default" && target === "self"
        ? {}
        : {
            end() {
              allEnded().catch((error: unknown) => {
                if (!(error instanceof NetError)) context.fail(error);
              });
              resolve();
            },
          }),
      close() {
        for (const sink of targets) if (target === "self") sink.isOver = true;
        resolve();
      },
    });
  });
}

function passPortion(bytes: Uint8Array, targets: readonly Sink[], passing: Passing): void | Promise<void> {
  const [first, second] = targets;
  if (first === undefined) return;
  switch (passing) {
    case "returned":
      if (second === undefined) return first.conn.write(bytes);
      return Promise.all([first.conn.write(bytes), second.conn.write(bytes)]).then(() => undefined);
    case "awaited":
      return (async () => {
        // Both are asked before the first `await`, at which the loan ends.
        const written = [first, second].map((sink) => sink?.conn.write(bytes) ?? Promise.resolve());
        await Promise.all(written);
      })();
    case "part by part": {
      const middle = Math.floor(bytes.length / 3);
      for (const { conn } of targets) {
        void conn.write(bytes.subarray(0, middle));
        void conn.write(new Uint8Array(bytes.buffer, bytes.byteOffset + middle, bytes.length - middle));
      }
      return;
    }
    case "writev ignored": {
      const middle = Math.floor(bytes.length / 2);
      for (const { conn } of targets) void conn.writev([bytes.subarray(0, middle), bytes.subarray(middle)]);
      return;
    }
    case "copy ignored":
      for (const { conn } of targets) void conn.write(Buffer.from(bytes));
      return;
    default:
      for (const { conn } of targets) void conn.write(bytes);
  }
}

async function piped({
  conn,
  targets,
  passing,
}: Pick<PassOptions, "conn" | "targets"> & { passing: Passing }): Promise<void> {
  const [sink] = targets;
  if (sink === undefined) return;
  const isSelf = sink.conn === conn;
  try {
    if (passing === "web streams") {
      const from = toWebStreams(conn);
      await from.readable.pipeTo(isSelf ? from.writable : toWebStreams(sink.conn).writable);
    } else if (isSelf) {
      const stream = toNodeStream(conn);
      const over = new Promise<void>((resolve) => stream.once("close", resolve));
      stream.on("error", () => undefined); // the far end sees what came
      stream.pipe(stream);
      await over;
    } else {
      // Not `pipeline`, which also waits for the other directions.
      const from = toNodeStream(conn);
      const to = toNodeStream(sink.conn);
      to.on("error", () => from.destroy());
      from.on("error", () => to.destroy());
      const over = new Promise<void>((resolve) => {
        to.once("finish", resolve);
        to.once("close", resolve);
      });
      from.pipe(to);
      await over;
    }
  } catch (error) {
    if (!(error instanceof NetError) && !codeOf(error).startsWith("ERR_STREAM")) throw error;
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
