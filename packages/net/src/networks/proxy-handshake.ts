import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { domainToASCII } from "node:url";
import { joinHostPort } from "../contracts/addr.ts";
import type { NetErrorCode } from "../contracts/error.ts";
import { netErrorFrom } from "../contracts/node-error.ts";

/** Where the proxy shall connect. A name is resolved by the proxy. */
export interface ProxyTarget {
  /** An IP address without a zone, or a name as A-labels of at most 255 bytes. See `proxyHost`. */
  readonly host: string;
  readonly port: number;
}

/** What comes of bytes that a proxy sent. */
export type ProxyStep =
  | "wait" // more has to come
  | { readonly send: Uint8Array }
  | { readonly rest: Buffer } // the tunnel is open; these bytes came through it
  | { readonly fault: string } // what is wrong with the answer
  | { readonly refusal: string; readonly code: NetErrorCode; readonly status?: number };

/** One way to ask a proxy for a tunnel, without I/O. What it keeps of a proxy's answers is bounded. */
export interface ProxyHandshake {
  readonly protocol: "HTTP" | "SOCKS 5";
  /** What is sent first. */
  readonly request: Uint8Array;
  /** Not called any more after `rest`, `fault` or `refusal`. */
  receive(bytes: Buffer): ProxyStep;
}

/** Why there is no tunnel. */
export interface ProxyFailure {
  readonly kind: "refused" | "malformed" | "ended" | "broken";
  readonly code: NetErrorCode;
  /** One sentence. */
  readonly message: string;
  /** Of an HTTP proxy's refusal. */
  readonly status?: number | undefined;
  readonly cause?: unknown;
}

/**
 * The host of a target as proxies are told it; `undefined` if they cannot be: an empty one, an IPv6 zone, no
 * name.
 */
export function proxyHost(host: string): string | undefined {
  if (isIP(host) !== 0) return host.includes("%") ? undefined : host;
  const ascii = domainToASCII(host);
  // What `new URL` forbids in a host is no A-label either, so that no line can be added to a request.
  return ascii === "" || ascii.length > 255 || /[^\w.-]/.test(ascii) ? undefined : ascii;
}

/**
 * Asks a proxy, over a socket that nobody else listens to, and calls `done` or `failed` once. What came
 * through the tunnel already is still to be read from the socket, which is paused. No time limit is kept
 * here.
 *
 * @param name of the proxy, for messages.
 * @returns what stops listening. The socket is not destroyed.
 */
export function askProxy(
  socket: Duplex,
  handshake: ProxyHandshake,
  target: ProxyTarget,
  name: string,
  outcome: { done(): void; failed(failure: ProxyFailure): void },
): () => void {
  const asked = `CONNECT ${joinHostPort(target.host, target.port)}`;
  const stop = (): void => {
    socket.off("data", onData);
    socket.off("end", onEnd);
    socket.off("close", onEnd);
    socket.off("error", onError);
    socket.pause();
  };
  const fail = (failure: ProxyFailure): void => {
    stop();
    outcome.failed(failure);
  };
  const onData = (bytes: Buffer): void => {
    const step = handshake.receive(bytes);
    if (step === "wait") return;
    if ("send" in step) return void socket.write(step.send);
    if ("fault" in step) {
      const message = `${name} did not answer ${asked} as ${handshake.protocol} says: ${step.fault}`;
      return fail({ kind: "malformed", code: "bad_frame", message });
    }
    if ("refusal" in step) {
      const { refusal, code, status } = step;
      return fail({ kind: "refused", code, message: `${name} answered ${refusal} to ${asked}`, status });
    }
    stop();
    if (step.rest.length > 0) socket.unshift(step.rest);
    outcome.done();
  };
  const onEnd = (): void => {
    const message = `${name} closed the connection before it answered ${asked}`;
    fail({ kind: "ended", code: "end_of_stream", message });
  };
  const onError = (cause: Error): void => {
    const { code, reason } = netErrorFrom(cause, { op: "dial" });
    const message = `the connection to ${name} broke before ${asked} was answered: ${reason || "no reason was given"}`;
    fail({ kind: "broken", code, message, cause });
  };
  socket.on("data", onData);
  socket.on("end", onEnd);
  socket.on("close", onEnd);
  socket.on("error", onError);
  socket.write(handshake.request);
  socket.resume();
  return stop;
}
