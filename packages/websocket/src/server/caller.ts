import type { Duplex } from "node:stream";
import { type Addr, ipAddr } from "@zocalo/net";
import { peerEnd, traceEndElsewhere, type Transport, transportOf } from "@zocalo/net/transport";
import type { LocalEnd } from "../handshake/host-names.ts";
import type { Refusal } from "../handshake/server.ts";
import { refuse } from "./refuse.ts";

/** What came between a request and its answer. */
export interface Early {
  readonly bytes: Buffer;
  /** The peer has ended its side behind them. */
  readonly hasEnded: boolean;
}

/** Who asks for an upgrade: what a request came over. */
export interface Caller extends LocalEnd {
  /** The peer's IP address, or the name of a network without. */
  readonly host: string;
  /** The peer's address, as far as it is known. */
  readonly remoteAddr: Addr | undefined;
  /** It is no more: nobody is there to be told. */
  readonly isGone: boolean;
  /** To be called when the connection that was made of it is over, if a listener below has to know. */
  readonly onOver?: (() => void) | undefined;
  /** The answer takes a while. */
  wait(): void;
  /** What came meanwhile, as far as it was read here. */
  readonly early?: Early | undefined;
  /**
   * Gives what carries it to the WebSocket that it becomes; `undefined` if the peer has left: then it is cut.
   */
  take(): Transport | undefined;
  /** Answers with plain HTTP and ends it. Never throws. */
  refuse(refusal: Refusal): void;
  /** Cuts it without an answer. */
  end(): void;
}

/** The same of the stream that an `upgrade` event brings. */
export class StreamCaller implements Caller {
  readonly host: string;
  readonly remoteAddr: Addr | undefined;
  readonly #stream: Duplex & LocalEnd;

  constructor(stream: Duplex) {
    this.#stream = stream;
    const end = peerEnd(stream);
    // One that has no address, being gone or no TCP socket, counts as a Unix socket does.
    this.host = end?.host ?? "unix";
    this.remoteAddr = end && ipAddr("tcp", end.host, end.port);
  }

  get localAddress(): string | undefined {
    return this.#stream.localAddress;
  }

  get isGone(): boolean {
    return this.#stream.destroyed;
  }

  wait(): void {
    this.#stream.on("error", ignore); // A peer that resets meanwhile must not end the process.
    // One that ends its side meanwhile still reads; over TLS Node would end ours.
    this.#stream.allowHalfOpen = true;
  }

  take(): Transport | undefined {
    const stream = this.#stream;
    stream.off("error", ignore);
    if (!stream.destroyed && stream.writable) {
      traceEndElsewhere(stream);
      return transportOf(stream);
    }
    stream.destroy();
    return undefined;
  }

  refuse(refusal: Refusal): void {
    refuse(this.#stream, refusal);
  }

  end(): void {
    this.#stream.destroy();
  }
}

function ignore(): void {}
