import type { Command, ServerMessage } from "@zocalo/protocol";
import { CLOSE_FRAME, framed, saidIn, UPGRADE } from "./framing.ts";
import type { Step, Transport } from "./transcript.ts";
import { openWire, type Wire } from "./wire.ts";

/** Clients that talk with a server one after the other, and what passes meanwhile. */
export class Recorder {
  readonly steps: Step[] = [];
  readonly transport: Transport;
  readonly #port: number;
  readonly #wires = new Map<string, Wire>();
  #id = 0;

  constructor(transport: Transport, port: number) {
    this.transport = transport;
    this.#port = port;
  }

  /** Sends a command, and records what comes up to its answer, which it gives. */
  async ask(client: string, command: Command): Promise<ServerMessage> {
    const id = ++this.#id;
    await this.tell(client, JSON.stringify({ ...command, id }));
    for (;;) {
      const message = await this.hear(client);
      if ("id" in message && message.id === id) return message;
    }
  }

  /** Sends any text as one message. */
  async tell(client: string, text: string): Promise<void> {
    const wire = this.#wires.get(client) ?? (await this.#open(client));
    this.#send(client, wire, framed(this.transport, text));
  }

  /** Sends any bytes, with their framing. */
  tellBytes(client: string, bytes: Buffer): void {
    const wire = this.#wires.get(client);
    if (wire) this.#send(client, wire, bytes);
  }

  /** Records the next message. */
  async hear(client: string): Promise<ServerMessage> {
    const said = saidIn(this.transport, await this.#receive(client));
    if (!("text" in said)) throw new Error(`${client} was told ${JSON.stringify(said)}`);
    return JSON.parse(said.text) as ServerMessage;
  }

  /** Ends the connection in order. */
  async leave(client: string): Promise<void> {
    const wire = this.#wires.get(client);
    if (this.transport === "websocket" && wire) {
      this.#send(client, wire, CLOSE_FRAME);
      await this.#receive(client);
    }
    this.steps.push({ client, did: "ended" });
    wire?.end();
    this.#wires.delete(client);
  }

  /** Records what comes until the server ends the connection. */
  async hearTheEnd(client: string): Promise<void> {
    const wire = this.#wires.get(client);
    for (let bytes = await wire?.next(); wire && bytes; bytes = await wire.next()) {
      this.steps.push({ client, did: "received", bytes });
      const isClose = this.transport === "websocket" && "code" in saidIn(this.transport, bytes);
      if (isClose) this.#send(client, wire, CLOSE_FRAME);
    }
    this.steps.push({ client, did: "was ended" });
    wire?.end();
    this.#wires.delete(client);
  }

  /** Gives up the connections that are left. */
  close(): void {
    for (const wire of this.#wires.values()) wire.end();
  }

  async #open(client: string): Promise<Wire> {
    const wire = await openWire(this.transport, this.#port);
    this.#wires.set(client, wire);
    if (this.transport === "websocket") {
      this.#send(client, wire, UPGRADE);
      await this.#receive(client);
    }
    return wire;
  }

  #send(client: string, wire: Wire, bytes: Buffer): void {
    this.steps.push({ client, did: "sent", bytes });
    wire.send(bytes);
  }

  async #receive(client: string): Promise<Buffer> {
    const bytes = await this.#wires.get(client)?.next();
    if (!bytes) throw new Error(`${client} is not connected any more`);
    this.steps.push({ client, did: "received", bytes });
    return bytes;
  }
}
