// Passes on what comes to a connection, in each of the ways that applications have.
import { type CaseContext, codeOf, type FarEnd, mustBe, type StreamLedger } from "@zocalo/integrity";
import { type Conn, NetError, toNodeStream, toWebStreams } from "@zocalo/net";

/** How what comes is passed on. The first ones pass lent memory on. */
export const PASSINGS = [
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
export type Passing = (typeof PASSINGS)[number];

/** Where to. */
export const TARGETS = ["self", "next", "one sink", "two sinks"] as const;
export type Target = (typeof TARGETS)[number];

/** What of a case says how it is passed on. */
export interface PassingCase {
  readonly target: Target;
  readonly passing: Passing;
  /** `default`: without an `end` handler, which sends everything and closes. */
  readonly ending: "handler" | "default" | "far resets";
}

/** A connection that is written to. */
export interface Sink {
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

interface PassOptions {
  readonly conn: Conn;
  readonly stream: number;
  readonly targets: readonly Sink[];
  readonly drawn: PassingCase;
  readonly context: CaseContext;
}

/** Passes what `conn` gets on to its targets; resolves when it has ended, or failed. */
export async function passOn({ conn, stream, targets, drawn, context }: PassOptions): Promise<void> {
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
