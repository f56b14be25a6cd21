import { connect, type NetConnectOpts, type Socket } from "node:net";
import type { DialOptions } from "../options/dial-options.ts";
import type { FailureSite } from "../contracts/failures.ts";
import { netErrorFrom } from "../contracts/node-error.ts";
import type { Attempt } from "./race.ts";
import { startTrials } from "../node/trials.ts";
import { connOf } from "./socket-conn.ts";
import { nodeSocketOptions } from "../options/socket-options.ts";
import { localEnd, type RawConnection } from "../node/socket-ends.ts";
import type { StreamConn } from "../stream/stream-conn.ts";

/** Where to connect, and what the connection is called. */
export interface DialTarget {
  readonly socket: NetConnectOpts;
  readonly site: FailureSite & { readonly network: string };
  /** Tells both ends of the connected socket. */
  describe(socket: Socket): RawConnection;
}

/** Starts to connect a socket. Rejects with a `NetError`. */
export function connectSocket(target: DialTarget, options: DialOptions | undefined): Attempt<RawConnection> {
  return connectAs(target, options, (raw) => raw);
}

/** Starts to connect; the connection reads into the shared buffer if it can. Rejects with a `NetError`. */
export function connectConn(target: DialTarget, options: DialOptions | undefined): Attempt<StreamConn> {
  const { network } = target.site;
  return connectAs(target, options, (raw) =>
    connOf(raw, { network, closeTimeoutMs: options?.closeTimeoutMs }),
  );
}

/** `use` takes over within the event, so that no later one is missed. */
function connectAs<T>(
  target: DialTarget,
  options: DialOptions | undefined,
  use: (raw: RawConnection) => T,
): Attempt<T> {
  startTrials();
  let socket: Socket;
  try {
    socket = connect({ ...nodeSocketOptions(options, "dial"), ...target.socket, allowHalfOpen: true });
  } catch (error) {
    // Node checks some of its options at once.
    return { result: Promise.reject(netErrorFrom(error, target.site)), cancel() {} };
  }
  socket.pause(); // Nothing is read before somebody asks for it.
  const result = new Promise<T>((resolve, reject) => {
    const onError = (error: unknown): void => reject(netErrorFrom(error, target.site));
    const onClose = (): void => reject(netErrorFrom({ code: "ERR_SOCKET_CLOSED" }, target.site));
    socket.once("error", onError);
    socket.once("close", onClose);
    socket.once("connect", () => {
      socket.off("close", onClose);
      if (reachedItself(target, socket)) {
        socket.resetAndDestroy();
        return onError({ code: "ECONNREFUSED" });
      }
      resolve(use(target.describe(socket)));
      socket.off("error", onError);
    });
  });
  return { result, cancel: () => socket.destroy() };
}

/**
 * Who dials a port of this machine at which nobody listens may be given that very port by the system, and is
 * then connected with itself: both sides have sent a SYN (RFC 9293 §3.5). Who asked for the port meant it.
 */
function reachedItself({ socket: asked }: DialTarget, socket: Socket): boolean {
  if ("localPort" in asked && asked.localPort) return false;
  const local = localEnd(socket);
  return local !== undefined && local.port === socket.remotePort && local.host === socket.remoteAddress;
}
