import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { ownCopy } from "../memory/own-memory.ts";
import { SocketTransport } from "./socket-transport.ts";

/** A transport over a stream that is no socket of Node's: its bytes are counted here. */
export class DuplexTransport extends SocketTransport {
  #bytesRead = 0;
  #bytesWritten = 0;

  override get bytesRead(): number {
    return this.#bytesRead;
  }

  override get bytesWritten(): number {
    return this.#bytesWritten;
  }

  protected override taken(count: number): void {
    this.#bytesWritten += count;
  }

  /** A copy: such a stream may give what it has elsewhere, too. */
  protected override own(bytes: Uint8Array): Uint8Array {
    this.#bytesRead += bytes.length;
    return ownCopy(bytes);
  }
}

/** The transport for a stream without TLS. */
export function transportFor(stream: Duplex): SocketTransport {
  return stream instanceof Socket ? new SocketTransport() : new DuplexTransport();
}
