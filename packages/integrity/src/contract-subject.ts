// What the message contract is held against, and what its parts share.
import assert from "node:assert/strict";
import { setImmediate as turn } from "node:timers/promises";
import { codeOf } from "./failure.ts";

export type Text = string | Uint8Array;

/** How a connection ended. */
export interface CloseInfo {
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
  readonly error?: Error;
}

/**
 * What the suite needs of a `MessageConn`; `Prepared` is its `PreparedMessage`. This package imports no
 * other.
 */
export interface ContractConn<Prepared> extends AsyncIterable<Text>, AsyncDisposable {
  readonly peer: {
    readonly transport: string;
    readonly addr: { readonly network: string };
    readonly verification?: unknown;
  };
  readonly localAddr: { readonly network: string };
  readonly maxSendBytes: number;
  readonly bufferedAmount: number;
  readonly isCongested?: boolean | undefined;
  receive(options?: { signal?: AbortSignal }): Promise<Text | null>;
  serve(handler: {
    message(message: Text): void | Promise<void>;
    drain?(): void;
    end?(): void | Promise<void>;
    close?(info: CloseInfo): void;
  }): void;
  send(message: Text | Prepared, options?: { signal?: AbortSignal }): Promise<void>;
  trySend(message: Text | Prepared): "sent" | "buffered" | "refused";
  flush(options?: { signal?: AbortSignal }): Promise<void>;
  close(code?: number, reason?: string): Promise<void>;
  abort(): void;
  unref(): void;
  ref(): void;
}

/** A connection under test, and how the other side speaks with it. */
export interface MessagePair<Prepared> {
  readonly conn: ContractConn<Prepared>;
  prepare(this: void, message: Text): Prepared;
  /** The peer sends a text; resolves once it is on its way. */
  say(this: void, text: string): Promise<void>;
  /** The next message that the peer receives, as text. */
  hear(this: void): Promise<string>;
  /** The peer ends its side and goes on hearing, where it can: on a stream. */
  readonly endSide?: (this: void) => Promise<void>;
  /** Ends everything that is left. */
  end(this: void): Promise<void>;
}

/** What differs between transports, and is documented. */
export interface MessageTraits {
  /** What `peer.transport` says. */
  readonly transport: string;
  /** Of its addresses. Default: `transport`. */
  readonly network?: string;
  /**
   * Datagrams: there is no backpressure. `send` rejects with `no_room` where others wait, and what is too
   * large is dropped. Default `false`.
   */
  readonly isLossy?: boolean;
  /** `maxSendBytes` is a bound of the platform's that a test does not reach. Default `false`. */
  readonly hasHugeLimit?: boolean;
}

/** What a pair is made with. */
export interface PairOptions {
  /** Largest message that the connection under test receives. */
  readonly maxMessageBytes: number;
  /** Of the connection under test, with the limit behind it four times as high. */
  readonly sendHighWaterBytes: number;
}

export const isCode = (code: string) => (error: unknown) => {
  assert.equal(codeOf(error), code);
  assert.equal((error as Error).name, "NetError", "there is one family of errors");
  return true;
};

/** True once it has settled, as far as some turns of the event loop tell. */
export async function settles(promise: Promise<unknown>): Promise<boolean> {
  let isSettled = false;
  const settled = promise.then(
    () => (isSettled = true),
    () => (isSettled = true),
  );
  for (let i = 0; i < 20 && !isSettled; i++) await Promise.race([settled, turn()]);
  return isSettled;
}

/** The connection that a part of the contract is held against. */
export interface Subject<Prepared> {
  /** Makes a test of what a fresh pair does. */
  readonly contract: (
    title: string,
    run: (pair: MessagePair<Prepared>) => Promise<void>,
    options?: Partial<PairOptions>,
  ) => void;
  readonly isLossy: boolean;
  readonly hasHugeLimit: boolean;
}
