import { createSocket } from "node:dgram";
import { connect } from "node:net";

/** What a wire reports. */
export interface WireHandler {
  open(): void;
  message(text: string): void;
  /** Called once, last. */
  close(): void;
  /** What is being sent. */
  sent(text: string): void;
}

/** One message is one line, or one datagram. */
export interface Wire {
  readonly isOpen: boolean;
  send(text: string): void;
  cut(): void;
}

export function openWire(transport: "tcp" | "udp", port: number, handler: WireHandler): Wire {
  return transport === "tcp" ? new Lines(port, handler) : new Datagrams(port, handler);
}

class Lines implements Wire {
  readonly #socket;
  readonly #handler: WireHandler;
  isOpen = false;

  constructor(port: number, handler: WireHandler) {
    this.#handler = handler;
    const socket = connect(port, "127.0.0.1");
    this.#socket = socket;
    socket.on("connect", () => {
      this.isOpen = true;
      handler.open();
    });
    socket.on("error", () => undefined); // "close" follows.
    socket.on("close", () => {
      this.isOpen = false;
      handler.close();
    });
    let isCut = false;
    // Half a line, where a server was killed while it wrote, is no message.
    let rest = "";
    socket.setEncoding("utf8").on("data", (chunk: string) => {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (!(isCut ||= socket.destroyed)) handler.message(line);
    });
  }

  send(text: string): void {
    if (!this.isOpen) return;
    this.#handler.sent(text);
    this.#socket.write(`${text}\n`);
  }

  cut(): void {
    this.#socket.destroy();
  }
}

class Datagrams implements Wire {
  readonly #socket = createSocket({ type: "udp4", recvBufferSize: 4_194_304 });
  readonly #handler: WireHandler;
  isOpen = false;

  constructor(port: number, handler: WireHandler) {
    this.#handler = handler;
    this.#socket.on("error", () => this.cut()); // Nobody is there: the next one will know nothing of us.
    this.#socket.on("message", (bytes) => handler.message(bytes.toString()));
    this.#socket.connect(port, "127.0.0.1", () => {
      this.isOpen = true;
      handler.open();
    });
  }

  send(text: string): void {
    if (!this.isOpen) return;
    this.#handler.sent(text);
    this.#socket.send(text);
  }

  cut(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.#socket.close();
    this.#handler.close();
  }
}
