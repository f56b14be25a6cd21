import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { readerOf } from "./socket-classes.ts";

/** Both ends of a TCP connection over the loopback, paused. */
export interface SocketPair {
  readonly accepted: Socket;
  readonly connected: Socket;
}

/**
 * A trial may last so many timers of this length. Time in which this process stood still counts for one of
 * them.
 */
const LONGEST = { timers: 20, timerMs: 50 };

/**
 * Makes a pair of connected sockets, lets `trial` have it, and destroys it. What is wrong with the pair, or
 * takes too long, ends it in silence: what was to be tried is then not known to work. Neither sockets nor
 * timers keep the process alive.
 */
export async function onLoopback(trial: (pair: SocketPair) => Promise<void>): Promise<void> {
  const sockets: Socket[] = [];
  // It also errs when it cannot accept a stranger for want of descriptors, and nobody waits for anything
  // then.
  const server = createServer({ pauseOnConnect: true }).on("error", ignore).unref();
  try {
    await Promise.race([connectedTo(server, sockets).then(trial), tooLong()]);
  } catch {
    // The fallback serves, as it would where nothing was tried.
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

async function connectedTo(server: Server, sockets: Socket[]): Promise<SocketPair> {
  // In a worker of node:cluster the primary would listen, too.
  server.listen({ port: 0, host: "127.0.0.1", exclusive: true });
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("a TCP server has no address");
  server.on("connection", (socket) => use(socket, sockets)); // Whoever it is.
  const accepting = once(server, "connection") as Promise<[Socket]>;
  const connected = connect({ port: address.port, host: "127.0.0.1" });
  use(connected, sockets).pause();
  const [[accepted]] = await Promise.all([accepting, once(connected, "connect")]);
  if (accepted.remotePort !== connected.localPort) throw new Error("somebody else has connected");
  return { accepted, connected };
}

function use(socket: Socket, sockets: Socket[]): Socket {
  Reflect.set(socket, readerOf, undefined);
  sockets.push(socket.on("error", ignore));
  return socket.unref();
}

function ignore(): void {
  // The trial does not go on then.
}

async function tooLong(): Promise<never> {
  for (let left = LONGEST.timers; left > 0; left--) {
    await new Promise<void>((resolve) => void setTimeout(resolve, LONGEST.timerMs).unref());
  }
  throw new Error("the trial took too long");
}

/** One end of a pair, which reads in the way that is tried. */
export interface Attempt {
  readonly socket: Socket;
  /** What it was given, each part by itself. After each it does not read until it is resumed. */
  readonly read: readonly Buffer[];
  /** Called after each part. */
  onPart: (() => void) | undefined;
}

/**
 * True if each end gets what the other writes: a part when it is resumed, none before that, and then the
 * next. Never settles if nothing comes.
 */
export async function goesBothWays(a: Attempt, b: Attempt): Promise<boolean> {
  return (await arrives(a.socket, b)) && (await arrives(b.socket, a));
}

async function arrives(from: Socket, to: Attempt): Promise<boolean> {
  for (const [at, part] of [Buffer.from("first"), Buffer.from("second")].entries()) {
    from.write(part);
    // Bytes on the loopback are there at once. Who reads has them after a turn of the event loop.
    for (let turns = 0; turns < 2; turns++) await turn();
    if (to.read.length !== at) return false;
    await new Promise<void>((resolve) => {
      to.onPart = resolve;
      to.socket.resume();
    });
    if (to.read[at]?.equals(part) !== true) return false;
  }
  return true;
}
