// What tests of `peers` share: a socket and a clock that the test plays, and what a peer was told.
import { type IpAddr, ipAddr } from "../src/contracts/addr.ts";
import type { CloseInfo, Message, MessageConn } from "../src/contracts/message-conn.ts";
import type { PacketHandler } from "../src/contracts/packet-conn.ts";
import type { PeerSocket } from "../src/udp/peer-listener.ts";
import { peers, type PeersOptions } from "../src/udp/peers.ts";

/** A datagram socket on which anybody can be the sender. */
export class FakePackets implements PeerSocket {
  readonly localAddr = ipAddr("udp", "192.0.2.1", 7001);
  readonly sent: string[] = [];
  isClosed = false;
  isFull = false;
  #handler: PacketHandler | undefined;

  from(host: string, ...messages: (string | Uint8Array)[]): void {
    const [ip = "", port = "1"] = host.split(":");
    for (const message of messages) {
      const addr: IpAddr = ipAddr("udp", ip, Number(port));
      const bytes = typeof message === "string" ? Buffer.from(message) : message;
      void this.#handler?.message({ bytes, addr });
    }
  }

  serve(handler: PacketHandler): void {
    this.#handler = handler;
  }

  trySend(bytes: Uint8Array, addr: IpAddr): "sent" | "refused" {
    if (this.isFull) return "refused";
    this.sent.push(`${String(addr)} ${Buffer.from(bytes).toString()}`);
    return "sent";
  }

  close(error?: Error): Promise<void> {
    if (!this.isClosed) this.#handler?.close?.(error);
    this.isClosed = true;
    return Promise.resolve();
  }
}

/** Time that passes when it is told to. */
export class FakeClock {
  time = 1_000_000;
  readonly #timers = new Set<{ at: number; callback: () => void }>();

  now(): number {
    return this.time;
  }

  setTimer(callback: () => void, delayMs: number): () => void {
    const timer = { at: this.time + delayMs, callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  get timers(): number {
    return this.#timers.size;
  }

  /** So much passes in which nothing is done; what was due is done then. */
  standStill(ms: number): void {
    this.time += ms;
    for (const timer of [...this.#timers].filter(({ at }) => at <= this.time)) {
      this.#timers.delete(timer);
      timer.callback();
    }
  }

  pass(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.time = next.at;
      next.callback();
    }
    this.time = end;
  }
}

export function open(options: PeersOptions = {}) {
  const packets = new FakePackets();
  const clock = new FakeClock();
  return { packets, clock, listener: peers(packets, { clock, ...options }) };
}

/** Serves `conn` and writes down what happens. */
export function record(conn: MessageConn, reply?: (message: Message) => void) {
  const log: string[] = [];
  conn.serve({
    message(message) {
      log.push(String(message));
      reply?.(message);
    },
    drain: () => void log.push("(drain)"),
    close: ({ code, wasClean }: CloseInfo) => void log.push(`(close ${code}${wasClean ? "" : " unclean"})`),
  });
  return log;
}
