import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** Relays TCP to a server, and cuts each connection after some bytes, wherever that is in a message. */
export class CuttingRelay {
  /** Where it listens: `127.0.0.1:` and a port. */
  readonly address: string;
  /** How many connections it has cut. */
  cuts = 0;
  readonly #server: Server;
  readonly #target: number;
  readonly #sockets = new Set<Socket>();
  readonly #budget: () => number;

  private constructor(server: Server, target: number, budget: () => number) {
    this.#server = server;
    this.#target = target;
    this.#budget = budget;
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("connection", (socket) => this.#relay(socket));
  }

  /**
   * @param target port of the server
   * @param budget for each connection, after how many bytes in both directions it is cut
   */
  static async to(target: number, budget: () => number): Promise<CuttingRelay> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new CuttingRelay(server, target, budget);
  }

  /** Cuts every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #relay(down: Socket): void {
    const up = connect(this.#target, "127.0.0.1");
    let left = this.#budget();
    for (const [from, to] of [
      [down, up],
      [up, down],
    ] as const) {
      this.#sockets.add(from);
      from.on("error", () => {}); // `close` follows
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.on("data", (bytes) => {
        if (left <= 0) return;
        const part = bytes.subarray(0, left);
        left -= part.length;
        if (left > 0) {
          if (!to.write(part)) {
            from.pause();
            to.once("drain", () => from.resume());
          }
          return;
        }
        this.cuts += 1;
        // What was relayed so far still arrives, and then the end.
        to.end(part, () => {
          up.destroy();
          down.destroy();
        });
      });
    }
  }
}
