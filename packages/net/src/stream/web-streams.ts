import { Duplex } from "node:stream";
import { pipeAddr } from "../contracts/addr.ts";
import type { ReadableStream, WritableStream } from "node:stream/web";
import { ReadableStream as WebReadableStream, WritableStream as WebWritableStream } from "node:stream/web";
import type { Conn } from "../contracts/conn.ts";
import { asError, closedError } from "../contracts/failures.ts";
import { isLentMemory } from "../memory/lent-memory.ts";
import { transportFor } from "./duplex-transport.ts";
import { StreamConn } from "./stream-conn.ts";
import { WebStreamTransport } from "./web-stream-transport.ts";

/** The two directions of a connection as Web Streams. */
export interface WebStreamPair {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
}

/**
 * A connection as Web Streams, to be used in its place. Cancelling `readable` is `closeRead`, closing
 * `writable` is `closeWrite`, aborting it is `abort`; the connection still wants to be closed. Nothing is
 * read ahead. Lent bytes may be written to it as to the connection.
 *
 * @example
 * const { readable, writable } = toWebStreams(conn);
 * await readable.pipeThrough(new CompressionStream("gzip")).pipeTo(writable);
 */
export function toWebStreams(conn: Conn): WebStreamPair {
  const readable = new WebReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const bytes = await conn.read();
        if (bytes === null) controller.close();
        else controller.enqueue(bytes);
      },
      cancel: () => conn.closeRead(),
    },
    { highWaterMark: 0 },
  );
  /** For each chunk that waits: its copy, if it was lent. */
  const copies: (Uint8Array | undefined)[] = [];
  const writable = new WebWritableStream<Uint8Array>(
    {
      start(controller) {
        // `abort` comes only once the write before it is over, which a peer that does not read can put off
        // for ever.
        const signal: unknown = Reflect.get(controller, "signal"); // Not in Node's types.
        if (signal instanceof AbortSignal)
          signal.addEventListener("abort", () => conn.abort(), { once: true });
      },
      write: (bytes) => conn.write(copies.shift() ?? bytes),
      close: () => conn.closeWrite(),
      abort: () => conn.abort(),
    },
    {
      highWaterMark: 1,
      // A stream asks this, of each chunk once and in order, when the chunk is written: here lent bytes would
      // begin to wait.
      size(chunk) {
        copies.push(isLent(chunk) ? Buffer.from(chunk) : undefined);
        return 1;
      },
    },
  );
  return { readable, writable };
}

/**
 * A connection as a Node `Duplex`, to be used in its place: for `pipe()`, `pipeline()` and whatever takes a
 * socket as a stream. Ending it is `closeWrite`, destroying it without an error is `close`, with one `abort`.
 * Lent bytes may be written to it as to the connection.
 *
 * @example
 * await pipeline(createReadStream("log.txt"), toNodeStream(conn));
 */
export function toNodeStream(conn: Conn): Duplex {
  return nodeStreamOf(conn, (error, done) => {
    if (error === null) {
      void report(() => conn.close(), done);
    } else {
      conn.abort();
      done(error);
    }
  });
}

/**
 * As `toNodeStream`, for those who destroy it in their own way.
 *
 * @param destroy is given the error it is destroyed with, and calls `done` when the connection is over.
 */
export function nodeStreamOf(
  conn: Conn,
  destroy: (error: Error | null, done: (error?: Error | null) => void) => void,
): Duplex {
  const duplex: Duplex = new Duplex({
    allowHalfOpen: true,
    read() {
      void pushNext(conn, duplex);
    },
    write(chunk: Uint8Array, _encoding, done) {
      void report(() => conn.write(chunk), done);
    },
    writev(chunks: readonly { chunk: Uint8Array }[], done) {
      const parts = chunks.map(({ chunk }) => chunk);
      void report(() => conn.writev(parts), done);
    },
    final(done) {
      void report(() => conn.closeWrite(), done);
    },
    destroy,
  });
  ownWhatIsLent(duplex);
  connsBehind.set(duplex, conn);
  return duplex;
}

const connsBehind = new WeakMap<Duplex, Conn>();

/** The connection that a stream of `toNodeStream` stands for. */
export function connBehind(stream: Duplex): Conn | undefined {
  return connsBehind.get(stream);
}

/** A stream of Node's keeps what it is given until its turn: here lent bytes would begin to wait. */
function ownWhatIsLent(stream: Duplex): void {
  for (const name of ["write", "end"] as const) {
    const take: unknown = Reflect.get(stream, name);
    if (typeof take !== "function") continue;
    Reflect.set(stream, name, (chunk: unknown, ...rest: unknown[]): unknown => {
      return Reflect.apply(take, stream, [isLent(chunk) ? Buffer.from(chunk) : chunk, ...rest]);
    });
  }
}

function isLent(chunk: unknown): chunk is Uint8Array {
  return chunk instanceof Uint8Array && isLentMemory(chunk);
}

/**
 * A Node `Duplex` of bytes as a connection: deadlines, order and all else of `Conn` on whatever Node has as a
 * stream. Its addresses are those of a pipe. The stream must not be read or written otherwise from then on,
 * and stays half open (`allowHalfOpen`) until both sides have ended.
 *
 * A write has been taken when the stream calls back without an error, and so `bytesWritten` counts whole
 * steps of at most 64 KiB. What a stream has not yet read when it fails is lost with it, unless it is one of
 * Node's sockets. The step (at most 64 KiB) that a stream is given when it fails or is destroyed it may read
 * until it calls back, also after `write` has rejected: leave that memory alone, or write a copy.
 *
 * @throws NetError `closed` for a stream that is over: nothing would ever be heard of it again.
 */
export function fromNodeStream(stream: Duplex): Conn {
  if (stream.closed) throw closedError({ op: "read", network: "stream" });
  // Or it would end this side by itself at the other's end, before what waits was written.
  stream.allowHalfOpen = true;
  const transport = transportFor(stream);
  transport.use({ socket: stream, localAddr: pipeAddr, remoteAddr: pipeAddr }, false);
  return new StreamConn(transport, { network: "stream" });
}

/**
 * Two Web Streams of bytes as a connection. Its addresses are those of a pipe. A write has been taken when
 * the sink of `writable` has said so; aborting the connection aborts `writable` and cancels `readable`. Where
 * `writable` fails, what `readable` still gives can be read; a handler's `close` is told once that has ended,
 * too. `closeWrite` and `close` resolve when the sink's `close` has: that of Node's `Duplex.toWeb` waits for
 * the end of the other direction, too.
 *
 * @throws TypeError if one of them is locked.
 */
export function fromWebStreams(pair: WebStreamPair): Conn {
  return new StreamConn(new WebStreamTransport(pair), { network: "stream" });
}

async function pushNext(conn: Conn, duplex: Duplex): Promise<void> {
  try {
    duplex.push(await conn.read());
  } catch (error) {
    duplex.destroy(error as Error);
  }
}

/** Tells `done` how it went. A call of somebody else's connection may also throw at once. */
export async function report(work: () => Promise<void>, done: (error?: Error | null) => void): Promise<void> {
  try {
    await work();
  } catch (error) {
    done(asError(error));
    return;
  }
  done(null);
}
