// What tests of lanes share: a socket and a clock that the test plays, and a client made of the seal alone.
import { type IpAddr, ipAddr, type PacketHandler } from "@zocalo/net";
import type { LaneClock } from "../src/lanes/running-time.ts";
import { Kind, type Opened, Opener, Sealer } from "../src/lanes/seal.ts";
import type { LaneTicket } from "../src/contracts/wire.ts";
import { readTicket } from "../src/lanes/ticket.ts";
import type { LaneSocket, UdpLanesOptions } from "../src/lanes/udp-server.ts";
import { UdpLanes } from "../src/lanes/udp-server.ts";

/** A datagram socket on which anybody can be the sender. */
export class FakeSocket implements LaneSocket {
  readonly localAddr = ipAddr("udp", "192.0.2.1", 7001);
  readonly sent: { readonly bytes: Buffer; readonly to: string }[] = [];
  isFull = false;
  #handler: PacketHandler | undefined;

  from(addr: IpAddr, datagram: Uint8Array): void {
    void this.#handler?.message({ bytes: Buffer.from(datagram), addr });
  }

  serve(handler: PacketHandler): void {
    this.#handler = handler;
  }

  trySend(bytes: Uint8Array, addr: IpAddr): "sent" | "refused" {
    if (this.isFull) return "refused";
    this.sent.push({ bytes: Buffer.from(bytes), to: String(addr) });
    return "sent";
  }

  close(): Promise<void> {
    this.#handler?.close?.();
    return Promise.resolve();
  }

  /** Bytes that were sent to an address. */
  bytesTo(addr: IpAddr): number {
    return this.sent
      .filter(({ to }) => to === String(addr))
      .reduce((sum, { bytes }) => sum + bytes.length, 0);
  }
}

/** Time that passes when it is told to. */
export class FakeClock implements LaneClock {
  time = 5_000;
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>();

  get timers(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.time;
  }

  setTimer(callback: () => void, delayMs: number): () => void {
    const timer = { at: this.time + delayMs, callback };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  pass(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.time = Math.max(this.time, next.at);
      next.callback();
    }
    this.time = Math.max(this.time, end);
  }

  /** The process stands still, and then its timers come. */
  standStill(ms: number): void {
    this.time += ms;
    this.pass(0);
  }
}

/** A client that does nothing of its own. */
export class FakeClient {
  addr: IpAddr;
  readonly #socket: FakeSocket;
  readonly #sealer: Sealer;
  readonly #opener: Opener;
  #read = 0;

  constructor(ticket: LaneTicket, socket: FakeSocket, addr = ipAddr("udp", "198.51.100.7", 4_000)) {
    const { id, toServer, toClient } = readTicket(ticket);
    this.addr = addr;
    this.#socket = socket;
    this.#sealer = new Sealer(id, toServer);
    this.#opener = new Opener(toClient);
  }

  /** One datagram that has not been sent yet. */
  seal(text: string | Uint8Array, kind: Kind = Kind.message): Buffer {
    const bytes = this.#sealer.seal(kind, typeof text === "string" ? Buffer.from(text) : text);
    return Buffer.from(bytes ?? []);
  }

  send(text: string | Uint8Array, kind: Kind = Kind.message): void {
    this.deliver(this.seal(text, kind));
  }

  /** Sends what was sealed before, or is not sealed. */
  deliver(datagram: Uint8Array): void {
    this.#socket.from(this.addr, datagram);
  }

  /** What came since the last call, for this lane and wherever it was sent to. */
  came(): (Opened & { readonly to: string })[] {
    const datagrams = this.#socket.sent.slice(this.#read);
    this.#read = this.#socket.sent.length;
    return datagrams.flatMap(({ bytes, to }) => {
      const opened = this.#opener.open(bytes);
      return typeof opened === "string" ? [] : [{ ...opened, to }];
    });
  }

  texts(): string[] {
    return this.came()
      .filter(({ kind }) => kind === Kind.message)
      .map(({ bytes }) => Buffer.from(bytes).toString());
  }

  /** Answers the pings that came. */
  answer(): void {
    for (const { kind, bytes } of this.came()) if (kind === Kind.ping) this.send(bytes, Kind.pong);
  }

  /** Pings as a real client does at the start, and answers what it is asked. */
  open(): void {
    this.send(Buffer.alloc(1_186, 7), Kind.ping);
    this.answer();
  }
}

export function openLanes(options: UdpLanesOptions = {}) {
  const socket = new FakeSocket();
  const clock = new FakeClock();
  const errors: unknown[] = [];
  const lanes = new UdpLanes(socket, { clock, onError: (error) => errors.push(error), ...options });
  return { socket, clock, lanes, errors };
}

/** A lane with a client that has opened it. */
export function openedLane(options: UdpLanesOptions = {}) {
  const parts = openLanes(options);
  const lane = parts.lanes.open("127.0.0.1");
  if (lane === undefined) throw new Error("no lane");
  const client = new FakeClient(lane.ticket, parts.socket);
  client.open();
  const messages: string[] = [];
  lane.onMessage((bytes) => messages.push(Buffer.from(bytes).toString()));
  return { ...parts, lane, client, messages };
}
