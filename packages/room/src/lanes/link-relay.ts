import { createSocket, type RemoteInfo, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { joinHostPort, splitHostPort } from "@zocalo/net";
import { type LinkConditions, type LinkCounts, LinkModel } from "./link-model.ts";

/** Which way, as the side that dialed sees it. */
export type LinkDirection = "up" | "down";

/** Bytes of a stream that a relay holds at most in one direction before it stops reading. */
const STREAM_LIMIT_BYTES = 262_144;

/**
 * A bad link in user space: what is sent to the address that `udp` or `tcp` gives arrives at the target, and
 * the answers come back, after what the conditions say. It needs no privileges. For tests and demonstrations:
 * it is not made for a crowd.
 *
 * @example
 * const link = new LinkRelay(7, { delayMs: 75, loss: 0.05 });
 * const address = await link.udp("127.0.0.1:7001"); // dial this one
 * link.set({ holdMs: 200 }); // Wi-Fi that comes in bursts
 * link.set({ isSilent: true }, "up");
 * await link.close();
 */
export class LinkRelay {
  readonly #models: Readonly<Record<LinkDirection, LinkModel>>;
  readonly #udp = new Set<UdpSocket>();
  readonly #servers = new Set<Server>();
  readonly #sockets = new Set<Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Streams that wait for the end of a silence. */
  readonly #resumes = new Set<() => void>();
  /** Clients of the datagram relays: another source port for each, so that the target tells them apart. */
  readonly #flows = new Set<Map<string, UdpSocket>>();
  #isClosed = false;

  /** @param seed a whole number; the same one loses the same datagrams, if the same are sent */
  constructor(seed: number, conditions: Partial<LinkConditions> = {}) {
    this.#models = {
      up: new LinkModel(seed, conditions),
      down: new LinkModel(seed ^ 0x5bf0_3635, conditions),
    };
  }

  /** Changes some of the conditions from now on, in one direction or both. @throws RangeError */
  set(conditions: Partial<LinkConditions>, direction?: LinkDirection): void {
    if (direction !== "down") this.#models.up.set(conditions);
    if (direction !== "up") this.#models.down.set(conditions);
    for (const resume of this.#resumes) resume();
  }

  /** What has passed one way so far, of datagrams and parts of streams. */
  counts(direction: LinkDirection): LinkCounts {
    return this.#models[direction].counts;
  }

  /** Where to send datagrams to that shall reach `target`, `host:port` with an IPv4 address. */
  async udp(target: string): Promise<string> {
    const { host, port } = splitHostPort(target);
    const flows = new Map<string, UdpSocket>();
    this.#flows.add(flows);
    const near = await this.#bound();
    near.on("message", (bytes, from) => {
      const far = this.#flow(flows, near, from);
      this.#pass("up", bytes, () => far.send(bytes, Number(port), host));
    });
    return joinHostPort("127.0.0.1", near.address().port);
  }

  /**
   * From now on clients come from other ports than before, as after a NAT has forgotten them. What is under
   * way to the old ones is lost.
   */
  rebind(): void {
    for (const flows of this.#flows) {
      for (const far of flows.values()) {
        this.#udp.delete(far);
        far.close();
      }
      flows.clear();
    }
  }

  /** Where to dial to that shall reach `target`, `host:port`. */
  async tcp(target: string): Promise<string> {
    const { host, port } = splitHostPort(target);
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
      const far = connect({ host, port: Number(port), noDelay: true, allowHalfOpen: true });
      this.#carry("up", near, far);
      this.#carry("down", far, near);
    });
    this.#servers.add(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return joinHostPort("127.0.0.1", (server.address() as AddressInfo).port);
  }

  /** Cuts everything; what is under way is lost. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const socket of this.#udp) socket.close();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all([...this.#servers].map((server) => new Promise((resolve) => server.close(resolve))));
  }

  /** The same as `close`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #bound(): Promise<UdpSocket> {
    const socket = createSocket("udp4");
    this.#udp.add(socket);
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    return socket;
  }

  /** The socket by which the target knows the client at `from`. */
  #flow(flows: Map<string, UdpSocket>, near: UdpSocket, from: RemoteInfo): UdpSocket {
    const key = joinHostPort(from.address, from.port);
    const known = flows.get(key);
    if (known !== undefined) return known;
    const far = createSocket("udp4");
    this.#udp.add(far);
    far.on("message", (bytes) => {
      this.#pass("down", bytes, () => near.send(bytes, from.port, from.address));
    });
    // What a closed target makes the system report is lost, as on the way.
    far.on("error", () => undefined);
    flows.set(key, far);
    return far;
  }

  #pass(direction: LinkDirection, bytes: Buffer, send: () => void): void {
    if (this.#isClosed) return;
    const now = performance.now();
    for (const at of this.#models[direction].datagram(bytes.length, now)) {
      this.#later(at - now, () => {
        try {
          send();
        } catch {
          // Its flow was closed by `rebind` while it was under way.
        }
      });
    }
  }

  #later(delayMs: number, run: () => void): void {
    if (delayMs <= 0) {
      run();
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, delayMs);
    this.#timers.add(timer);
  }

  #carry(direction: LinkDirection, from: Socket, to: Socket): void {
    this.#sockets.add(from);
    const model = this.#models[direction];
    /** What is under way, in order: a timer may come before an older one that is due in the same moment. */
    const under: (() => void)[] = [];
    let held = 0;
    let hasEnded = false;
    const later = (at: number, now: number, run: () => void): void => {
      under.push(run);
      this.#later(at - now, () => under.shift()?.());
    };
    const takeNext = (): void => {
      if (model.conditions.isSilent || held >= STREAM_LIMIT_BYTES) from.pause();
      else if (!hasEnded) from.resume();
      else end();
    };
    const end = (): void => {
      const now = performance.now();
      const at = model.stream(0, now);
      if (at === undefined) return; // It passes when the silence is over.
      this.#resumes.delete(takeNext);
      later(at, now, () => to.end());
    };
    this.#resumes.add(takeNext);
    from.on("data", (bytes: Buffer) => {
      const now = performance.now();
      const at = model.stream(bytes.length, now);
      if (at === undefined) {
        // It had been read when the silence began.
        from.pause();
        from.unshift(bytes);
        return;
      }
      held += bytes.length;
      takeNext();
      later(at, now, () => {
        to.write(bytes, () => {
          held -= bytes.length;
          if (!hasEnded) takeNext();
        });
      });
    });
    from.on("end", () => {
      hasEnded = true;
      end();
    });
    // Either side's end is the other's: nobody else is told.
    from.on("error", () => to.destroy());
    from.on("close", () => {
      this.#sockets.delete(from);
      if (!hasEnded) {
        this.#resumes.delete(takeNext);
        to.destroy();
      }
    });
  }
}
