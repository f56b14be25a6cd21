import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** Relays TCP to a server, and can go silent in both directions without an end, as a path does. */
export class HoldingRelay implements AsyncDisposable {
  readonly address: string;
  /** Bytes that came from clients. */
  received = 0;
  isSilent = false;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #held: (() => void)[] = [];

  private constructor(server: Server, target: number) {
    this.#server = server;
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("connection", (near) => {
      const far = connect(target, "127.0.0.1");
      for (const socket of [near, far]) this.#sockets.add(socket.on("error", () => undefined));
      near.on("data", (bytes) => {
        this.received += bytes.length;
        this.#pass(() => far.write(bytes));
      });
      far.on("data", (bytes) => this.#pass(() => near.write(bytes)));
      near.on("close", () => far.destroy());
      far.on("close", () => near.destroy());
    });
  }

  static async start(target: number): Promise<HoldingRelay> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    return new HoldingRelay(server, target);
  }

  /** Waits until a client has sent something. */
  async hears(): Promise<void> {
    const before = this.received;
    while (this.received === before) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  /** Passes on what was held, and whatever comes. */
  speak(): void {
    this.isSilent = false;
    for (const pass of this.#held.splice(0)) pass();
  }

  #pass(pass: () => void): void {
    if (this.isSilent) this.#held.push(pass);
    else pass();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}
