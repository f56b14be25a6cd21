import { type ChildProcess, fork, spawn } from "node:child_process";
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { Random } from "@zocalo/integrity";
import { joinHostPort, splitHostPort } from "@zocalo/net";
import { Netem, type Run, runHere } from "./faults-netem.ts";

const NODE_ARGUMENTS = ["--conditions=zocalo-source", "--import", import.meta.resolve("tsx")];
const PEER = fileURLToPath(new URL("./faults-peer.ts", import.meta.url));

/** The longest that a relay delays anything, in milliseconds. */
const MAX_DELAY_MS = 4;

/** A bad connection to a peer in another process. */
export interface Link {
  /** What it is made of. */
  readonly name: string;
  /**
   * True if `cut` is what the kernel sees: its own packets, such as keep-alive probes, do not pass either.
   */
  readonly isInKernel: boolean;
  /** Starts `faults-peer.ts` at the far end. */
  startPeer(): ChildProcess;
  /** An address of a host to which there is no way, if there is one. */
  readonly unreachable: string | undefined;
  /** Where to dial what the peer listens on. */
  tcp(address: string): Promise<string>;
  udp(address: string): Promise<string>;
  /** The share of datagrams that is lost from now on, 0 to 1. */
  setLoss(share: number): void;
  /** Datagrams lost so far on their way to the peer. */
  lost(): number;
  /** From now on nothing passes, and neither end is told. */
  cut(): void;
  /** What is sent from now on passes again, if the cut was the kernel's. */
  mend(): void;
  close(): void;
}

/**
 * A relay in this process that delays TCP, delays, loses and reorders datagrams, and falls silent when it is
 * cut.
 */
export class RelayLink implements Link {
  readonly name: string = "a relay in user space";
  readonly isInKernel: boolean = false;
  readonly unreachable: string | undefined = undefined;
  readonly #random = new Random(3);
  readonly #servers: Server[] = [];
  readonly #sockets: Socket[] = [];
  readonly #udp: UdpSocket[] = [];
  #loss = 0;
  #lost = 0;
  #isCut = false;
  #isClosed = false;

  startPeer(): ChildProcess {
    return fork(PEER, ["127.0.0.1"], { execArgv: NODE_ARGUMENTS });
  }

  async tcp(address: string): Promise<string> {
    const { host, port } = splitHostPort(address);
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
      const far = connect({ host, port: Number(port), noDelay: true, allowHalfOpen: true });
      this.#carry(near, far);
      this.#carry(far, near);
    });
    this.#servers.push(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return joinHostPort("127.0.0.1", String((server.address() as AddressInfo).port));
  }

  async udp(address: string): Promise<string> {
    const { host, port } = splitHostPort(address);
    const near = createSocket("udp4");
    const far = createSocket("udp4");
    this.#udp.push(near, far);
    near.bind(0, "127.0.0.1");
    await once(near, "listening");
    let client: AddressInfo | undefined;
    near.on("message", (bytes, from) => {
      client = from;
      if (this.#isCut || this.#random.chance(this.#loss)) this.#lost++;
      else this.#later(() => far.send(bytes, Number(port), host));
    });
    far.on("message", (bytes) => {
      if (this.#isCut || this.#random.chance(this.#loss)) return;
      this.#later(() => client && near.send(bytes, client.port, client.address));
    });
    return joinHostPort("127.0.0.1", String(near.address().port));
  }

  setLoss(share: number): void {
    this.#loss = share;
  }

  lost(): number {
    return this.#lost;
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.pause();
  }

  mend(): void {
    // What it did not carry on cannot be carried on later.
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
    for (const socket of this.#udp) socket.close();
  }

  #carry(from: Socket, to: Socket): void {
    this.#sockets.push(from);
    from.on("data", (bytes) => {
      from.pause();
      setTimeout(() => {
        to.write(bytes, () => {
          if (!this.#isCut) from.resume();
        });
      }, this.#random.next() * MAX_DELAY_MS);
    });
    from.on("end", () => to.end());
    from.on("error", () => to.destroy());
  }

  #later(send: () => void): void {
    setTimeout(send, this.#random.next() * MAX_DELAY_MS);
  }
}

/**
 * Eight of the 131,072 addresses set aside for tests of network devices (RFC 2544): those of this process, as
 * others may run the same.
 */
function ownAddress(last: number): string {
  const at = (process.pid % 16_384) * 8 + last;
  return `198.${18 + (at >> 16)}.${(at >> 8) & 255}.${at & 255}`;
}

export const NEAR = ownAddress(1);
export const FAR = ownAddress(2);
const NOWHERE = ownAddress(6);

/**
 * Two network namespaces, this process's and a new one, joined by a pair of virtual devices. Where the kernel
 * has `netem` that delays and loses; where not, datagrams take a relay besides. Needs root.
 */
export class NamespaceLink implements Link {
  readonly name: string;
  readonly isInKernel = true;
  readonly unreachable = `${NOWHERE}:80`;
  readonly #namespace = `zocalo-${process.pid}`;
  readonly #device = `zoc${process.pid}`;
  readonly #run: Run;
  readonly #netem: Netem | undefined;
  readonly #relay: RelayLink | undefined;

  /**
   * @param run what runs `ip` and `tc`.
   * @throws Error where there is no `ip`, or no right to use it.
   */
  constructor(run: Run = runHere) {
    this.#run = run;
    try {
      run("ip", "netns", "add", this.#namespace);
      run("ip", "link", "add", this.#device, "type", "veth", "peer", "name", "far", "netns", this.#namespace);
      run("ip", "addr", "add", `${NEAR}/30`, "dev", this.#device);
      run("ip", "link", "set", this.#device, "up");
      run("ip", "route", "replace", "unreachable", NOWHERE);
      run("ip", "-n", this.#namespace, "addr", "add", `${FAR}/30`, "dev", "far");
      run("ip", "-n", this.#namespace, "link", "set", "far", "up");
      run("ip", "-n", this.#namespace, "link", "set", "lo", "up");
    } catch (error) {
      this.close();
      throw error;
    }
    this.#netem = Netem.on(this.#device, run);
    this.#relay = this.#netem ? undefined : new RelayLink();
    this.name = this.#netem
      ? "two network namespaces with netem"
      : "two network namespaces; this kernel has no netem, so a relay in user space loses the datagrams";
  }

  startPeer(): ChildProcess {
    const command = ["netns", "exec", this.#namespace, process.execPath, ...NODE_ARGUMENTS, PEER, FAR];
    return spawn("ip", command, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  }

  tcp(address: string): Promise<string> {
    return Promise.resolve(address);
  }

  udp(address: string): Promise<string> {
    return this.#relay?.udp(address) ?? Promise.resolve(address);
  }

  setLoss(share: number): void {
    this.#netem?.setLoss(share);
    this.#relay?.setLoss(share);
  }

  lost(): number {
    return (this.#netem ?? this.#relay)?.lost() ?? 0;
  }

  /** The far side has no way back any more. */
  cut(): void {
    this.#run("ip", "-n", this.#namespace, "route", "add", "blackhole", `${NEAR}/32`);
  }

  mend(): void {
    this.#run("ip", "-n", this.#namespace, "route", "del", "blackhole", `${NEAR}/32`);
  }

  close(): void {
    this.#relay?.close();
    // The pair of devices goes with the namespace, once its last process has ended.
    const made = [
      ["route", "del", "unreachable", NOWHERE],
      ["link", "del", this.#device],
      ["netns", "del", this.#namespace],
    ];
    for (const args of made) {
      try {
        this.#run("ip", ...args);
      } catch {
        // It was never made, or is gone already.
      }
    }
  }
}
