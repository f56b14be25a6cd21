import type { TLSSocket } from "node:tls";

/**
 * Calls when a handshake is done, in the turn in which Node looks at the verdict and cuts, before it does.
 * Node does not document `secure`, and `secureConnect` comes too late.
 *
 * Without: never called, and the peer sees an end in place of the alert.
 */
export function beforeVerdict(socket: TLSSocket, call: () => void): void {
  socket.prependOnceListener("secure", call);
}

/**
 * What OpenSSL says of the certificate of a TLS socket's peer, from when it has been seen; `undefined` if
 * nothing is wrong with it. Node tells it when it has cut the connection, too late for an alert.
 *
 * Without: `undefined`, and the peer sees an end in place of the alert that says why; `tls-alerts.test.ts`
 * fails then.
 */
export function verifyErrorOf(socket: TLSSocket): Error | undefined {
  const handle: unknown = Reflect.get(socket, "_handle");
  if (typeof handle !== "object" || handle === null) return undefined;
  const verifyError: unknown = Reflect.get(handle, "verifyError");
  if (typeof verifyError !== "function") return undefined;
  const error: unknown = Reflect.apply(verifyError, handle, []);
  return error instanceof Error ? error : undefined;
}
