import { type Channel, channel } from "node:diagnostics_channel";
import type { TLSSocket } from "node:tls";
import type { Addr } from "../contracts/addr.ts";
import type { Conn, ListenerTotals, StreamListener, TlsState } from "../contracts/conn.ts";
import type { DatagramSocket } from "../contracts/datagram-socket.ts";
import type { NetError } from "../contracts/error.ts";
import type { RefusalReason } from "../options/listen-options.ts";

/** One call of `dial`. All messages about it have the same object: a `WeakMap` can lead from it to a span. */
export interface TracedDial {
  readonly network: string;
  /** Whom it is for: `example.org:80`. Of a WebSocket its URL without user, password, query and fragment. */
  readonly address: string;
}

/** A TLS handshake that is over. */
export interface TracedHandshake {
  readonly role: "client" | "server";
  readonly localAddr: Addr | undefined;
  readonly remoteAddr: Addr | undefined;
  readonly durationMs: number;
}

/**
 * What this package tells about itself on `node:diagnostics_channel`: a channel's name, and what its messages
 * are. Without a subscriber nothing is made and nothing measured. No message has bytes that were carried, nor
 * a password. Nothing is told per message or per read.
 *
 * A subscriber is called in the middle of the work, so it must be quick; what it throws Node makes an
 * uncaught exception of the process, in a later tick. The connection is not harmed.
 *
 * @example
 * import { subscribe } from "node:diagnostics_channel";
 * subscribe("zocalo:net:conn:close", (message) => {
 *   const { remoteAddr, durationMs, error } = message as NetTrace["zocalo:net:conn:close"];
 *   console.log(String(remoteAddr), Math.round(durationMs), error?.message ?? "closed");
 * });
 */
export interface NetTrace {
  /** A `dial` has begun; its arguments are valid. */
  "zocalo:net:dial:start": { readonly dial: TracedDial };
  /** It has led to a connection. */
  "zocalo:net:dial:end": {
    readonly dial: TracedDial;
    readonly conn: Conn | (DatagramSocket<Uint8Array> & { readonly remoteAddr: Addr });
    readonly durationMs: number;
  };
  /** It failed, timed out or was canceled. */
  "zocalo:net:dial:error": {
    readonly dial: TracedDial;
    readonly error: unknown;
    readonly durationMs: number;
  };
  /** One address of the host is tried (RFC 8305), or of the proxy in its place. */
  "zocalo:net:attempt:start": { readonly dial: TracedDial; readonly remoteAddr: Addr };
  /**
   * That attempt is over, with `tls` its handshake included. `canceled`: another address was faster, or the
   * whole dial was given up.
   */
  "zocalo:net:attempt:end": {
    readonly dial: TracedDial;
    readonly remoteAddr: Addr;
    readonly outcome: "connected" | "failed" | "canceled";
    /** Why it failed. */
    readonly error: unknown;
    readonly durationMs: number;
  };
  /** A TLS handshake is done, of a dial, a listener, `startTls` or a WebSocket. */
  "zocalo:net:tls:end": TracedHandshake &
    Pick<TlsState, "version" | "cipher" | "alpnProtocol" | "serverName" | "isResumed">;
  /** A TLS handshake failed, or was cut. */
  "zocalo:net:tls:error": TracedHandshake & { readonly error: unknown };
  /** A listener of TCP, TLS or a Unix socket listens. */
  "zocalo:net:listener:open": {
    readonly listener: StreamListener;
    readonly network: string;
    readonly addr: Addr;
  };
  /** It has stopped. `error`: by itself, as its socket broke. */
  "zocalo:net:listener:close": {
    readonly listener: StreamListener;
    readonly network: string;
    readonly addr: Addr;
    readonly totals: ListenerTotals;
    readonly error: NetError | undefined;
  };
  /** A connection was let in: it is accepted, or waits for that. */
  "zocalo:net:conn:accept": {
    readonly listener: StreamListener;
    readonly conn: Conn;
    readonly network: string;
  };
  /** A connection was dropped before the application saw it. As `onRefuse` is told. */
  "zocalo:net:conn:refuse": {
    readonly listener: StreamListener;
    readonly network: string;
    readonly reason: RefusalReason;
    readonly remoteAddr: Addr | undefined;
    readonly error: NetError | undefined;
  };
  /**
   * A connection is over that a listener or a dial had made while this channel had a subscriber. `conn` is
   * the one that was told of then, also where `startTls` has put another in its place. Of one that has become
   * a WebSocket `zocalo:websocket:conn:close` tells, and this does not.
   */
  "zocalo:net:conn:close": {
    readonly conn: Conn;
    readonly network: string;
    readonly localAddr: Addr;
    readonly remoteAddr: Addr;
    readonly bytesRead: number;
    readonly bytesWritten: number;
    readonly durationMs: number;
    /** As a handler's `close` is told: why it broke. Its `code` says it in one word. */
    readonly error: Error | undefined;
  };
}

const attemptStart = channel("zocalo:net:attempt:start");
const attemptEnd = channel("zocalo:net:attempt:end");
const tlsEnd = channel("zocalo:net:tls:end");
const tlsError = channel("zocalo:net:tls:error");
const listenerOpen = channel("zocalo:net:listener:open");
const listenerClose = channel("zocalo:net:listener:close");
const connAccept = channel("zocalo:net:conn:accept");
const connRefuse = channel("zocalo:net:conn:refuse");
/** Asked at each end of a connection: only with a subscriber is there anything to do. */
export const connClose: Channel = channel("zocalo:net:conn:close");

/** The three channels of the dials of one package. */
export interface DialChannels {
  readonly start: Channel;
  readonly end: Channel;
  readonly error: Channel;
}

/** Those of `zocalo:PACKAGE:dial:…`. */
export function dialChannels(name: "net" | "websocket"): DialChannels {
  return {
    start: channel(`zocalo:${name}:dial:start`),
    end: channel(`zocalo:${name}:dial:end`),
    error: channel(`zocalo:${name}:dial:error`),
  };
}

/** Tells of one dial. */
export class DialTracer {
  readonly #dial: TracedDial;
  readonly #channels: DialChannels;
  readonly #startedAt = performance.now();

  /**
   * `undefined` where nobody listens.
   *
   * @param address is made a text then.
   */
  static begin(
    channels: DialChannels,
    network: string,
    address: { toString(): string },
  ): DialTracer | undefined {
    const { start, end, error } = channels;
    const isHeard =
      start.hasSubscribers ||
      end.hasSubscribers ||
      error.hasSubscribers ||
      attemptStart.hasSubscribers ||
      attemptEnd.hasSubscribers;
    return isHeard ? new DialTracer(channels, { network, address: String(address) }) : undefined;
  }

  private constructor(channels: DialChannels, dial: TracedDial) {
    this.#channels = channels;
    this.#dial = dial;
    channels.start.publish({ dial });
  }

  /** It has led to `conn`. */
  end(conn: unknown): void {
    this.#channels.end.publish({ dial: this.#dial, conn, durationMs: since(this.#startedAt) });
  }

  /** It has led nowhere. */
  failed(error: unknown): void {
    this.#channels.error.publish({ dial: this.#dial, error, durationMs: since(this.#startedAt) });
  }

  /** Begins an attempt, and follows it. */
  attempt<T>(remoteAddr: Addr, start: () => TracedAttempt<T>): TracedAttempt<T> {
    const dial = this.#dial;
    const startedAt = performance.now();
    attemptStart.publish({ dial, remoteAddr });
    const attempt = start();
    let isCanceled = false;
    const over = (outcome: string, error?: unknown): void =>
      attemptEnd.publish({ dial, remoteAddr, outcome, error, durationMs: since(startedAt) });
    attempt.result.then(
      () => over("connected"),
      (error: unknown) => (isCanceled ? over("canceled") : over("failed", error)),
    );
    return {
      result: attempt.result,
      cancel() {
        isCanceled = true;
        attempt.cancel();
      },
    };
  }
}

/** An attempt of a race. */
export interface TracedAttempt<T> {
  /** What it leads to. */
  readonly result: Promise<T>;
  /** It is needed no more. */
  cancel(): void;
}

/** Of the connection below. */
export interface Ends {
  readonly localAddr?: Addr | undefined;
  readonly remoteAddr?: Addr | undefined;
}

/** What a handshake has agreed on. */
type Agreed = Pick<TlsState, "version" | "cipher" | "alpnProtocol" | "serverName" | "isResumed">;

/** Tells of one TLS handshake. */
export class HandshakeTracer {
  readonly #role: "client" | "server";
  readonly #localAddr: Addr | undefined;
  readonly #remoteAddr: Addr | undefined;
  readonly #startedAt = performance.now();

  /** `undefined` where nobody listens. */
  static begin(role: "client" | "server", ends: Ends): HandshakeTracer | undefined {
    return tlsEnd.hasSubscribers || tlsError.hasSubscribers ? new HandshakeTracer(role, ends) : undefined;
  }

  private constructor(role: "client" | "server", { localAddr, remoteAddr }: Ends) {
    this.#role = role;
    this.#localAddr = localAddr;
    this.#remoteAddr = remoteAddr;
  }

  /** They agreed. */
  end(socket: TLSSocket, serverName: string | undefined): void {
    const agreed: Agreed = {
      version: socket.getProtocol() ?? "",
      cipher: socket.getCipher()?.standardName ?? "",
      alpnProtocol: socket.alpnProtocol || undefined,
      serverName,
      isResumed: socket.isSessionReused(),
    };
    tlsEnd.publish({ ...this.#handshake(), ...agreed });
  }

  /** They did not. */
  failed(error: unknown): void {
    tlsError.publish({ ...this.#handshake(), error });
  }

  #handshake(): TracedHandshake {
    return {
      role: this.#role,
      localAddr: this.#localAddr,
      remoteAddr: this.#remoteAddr,
      durationMs: since(this.#startedAt),
    };
  }
}

/** A listener's socket listens. */
export function traceListening(listener: StreamListener, network: string): void {
  if (listenerOpen.hasSubscribers) listenerOpen.publish({ listener, network, addr: listener.addr });
}

/** It has stopped. */
export function traceStopped(listener: StreamListener, network: string, error: NetError | undefined): void {
  if (!listenerClose.hasSubscribers) return;
  listenerClose.publish({ listener, network, addr: listener.addr, totals: listener.totals(), error });
}

/** A listener has let a connection in. */
export function traceAccepted(listener: StreamListener, conn: Conn, network: string): void {
  traceOpened(conn, network);
  if (connAccept.hasSubscribers) connAccept.publish({ listener, conn, network });
}

/** A listener has dropped one. */
export function traceRefused(
  listener: StreamListener,
  network: string,
  refusal: Pick<NetTrace["zocalo:net:conn:refuse"], "reason" | "remoteAddr" | "error">,
): void {
  if (connRefuse.hasSubscribers) connRefuse.publish({ listener, network, ...refusal });
}

/** What is known of a connection whose end will be told. */
interface Opened {
  readonly conn: Conn;
  readonly network: string;
  readonly openedAt: number;
}

const opened = new WeakMap<Conn, Opened>();

/** Its end will be told. */
export function traceOpened(conn: Conn, network: string): void {
  if (connClose.hasSubscribers) opened.set(conn, { conn, network, openedAt: performance.now() });
}

/** `next` has taken the place of `conn`: its end is that of both. */
export function traceSucceeded(conn: Conn, next: Conn): void {
  const known = opened.get(conn);
  if (known === undefined) return;
  opened.delete(conn);
  opened.set(next, { ...known, network: "tls" });
}

/** Something has taken its place that tells of its own end. */
export function traceReplaced(conn: Conn): void {
  opened.delete(conn);
}

/** It is over. */
export function traceClosed(carrier: Conn, error: Error | undefined): void {
  const known = opened.get(carrier);
  if (known === undefined || !connClose.hasSubscribers) return;
  opened.delete(carrier);
  const { conn, network, openedAt } = known;
  const { localAddr, remoteAddr, bytesRead, bytesWritten } = conn;
  const durationMs = since(openedAt);
  connClose.publish({ conn, network, localAddr, remoteAddr, bytesRead, bytesWritten, durationMs, error });
}

function since(startedAt: number): number {
  return performance.now() - startedAt;
}
