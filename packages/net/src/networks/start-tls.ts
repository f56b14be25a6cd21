import type { Addr } from "../contracts/addr.ts";
import type { Socket } from "node:net";
import { types } from "node:util";
import { onceAborted, untilCanceled } from "../flow/abort-listeners.ts";
import type { Conn } from "../contracts/conn.ts";
import { NetError } from "../contracts/error.ts";
import {
  argumentError,
  asError,
  canceledError,
  closedError,
  type FailureSite,
} from "../contracts/failures.ts";
import { netErrorFrom } from "../contracts/node-error.ts";
import { shown } from "../options/check-values.ts";
import type {
  StartTlsClientOptions,
  StartTlsServerOptions,
  TlsServerOptions,
} from "../options/tls-options.ts";
import { SecuredTransport } from "../stream/secured-transport.ts";
import type { RawConnection } from "../node/socket-ends.ts";
import { SocketTransport } from "../stream/socket-transport.ts";
import type { Successor } from "../stream/closing.ts";
import { StreamConn, type StreamConnOptions } from "../stream/stream-conn.ts";
import { secureContextOptions } from "../tls/certificates.ts";
import { checkStartTlsClient, checkStartTlsServer, tlsName } from "../tls/check-tls-options.ts";
import { traceClosed, traceSucceeded } from "../flow/trace.ts";
import { TlsHandshakes } from "../tls/tls-handshakes.ts";
import { secureClient, tlsConnOf } from "./secure-client.ts";
import { holdStill } from "./socket-conn.ts";

type Site = FailureSite & { readonly network: string };

type Counts = Pick<Conn, "bytesRead" | "bytesWritten">;

/** Does the handshake on a socket that nobody else has any more. */
type Handshake = (raw: RawConnection, site: Site, connOptions: StreamConnOptions) => Promise<StreamConn>;

/**
 * Begins TLS on a connection that has spoken in the clear until now: what STARTTLS of SMTP (RFC 3207), IMAP
 * and XMPP does, and the `SSLRequest` of PostgreSQL. For connections over TCP and Unix sockets, dialled or
 * accepted, with either role on either.
 *
 * What comes before the handshake nobody has authenticated, and whoever is in between may have added to it.
 * So it is refused while received bytes are unread (RFC 3207 §6: a command that was sent along with
 * `STARTTLS` must not count as one that came under TLS), while something is being read, served or written,
 * and once a side has ended. Bytes that your own code has read and keeps are beyond its sight: drop them, or
 * better the connection. Forget, too, what the peer said before (§4.2).
 *
 * The old connection is out of use from then on: its calls reject with `closed`, and its `close` and `abort`
 * are those of the new one, so that `await using` and its listener go on to hold. It keeps its place in the
 * listener, and its counts go on: what was said in the clear, and what the new one carries (the go-ahead and
 * the handshake are in neither). Deadlines are not taken along. If certificate files cannot be read, or
 * anything is refused, the old one lives on; if the handshake fails, or the signal comes meanwhile, the
 * connection is cut.
 *
 * @param role `"client"` begins the handshake, `"server"` shows a certificate.
 * @param options of a server: the same object for each connection, and its files are read once and looked at
 * again as those of `listen("tls")` are.
 * @throws NetError `invalid_argument` for what is refused, `end_of_stream`, `closed`, `unsupported` for
 * another transport, `not_found`, `permission`, `tls`, `timeout`, `canceled`.
 * @example
 * const plain = await dial("tcp", "mail.example.org:25");
 * // … STARTTLS, and the server has said that it is ready …
 * const conn = await startTls(plain, "client", { serverName: "mail.example.org" });
 */
export function startTls<A extends Addr>(
  conn: Conn<A>,
  role: "client",
  options: StartTlsClientOptions,
): Promise<Conn<A>>;
export function startTls<A extends Addr>(
  conn: Conn<A>,
  role: "server",
  options: StartTlsServerOptions,
): Promise<Conn<A>>;
export async function startTls(
  conn: Conn,
  role: "client" | "server",
  options: StartTlsClientOptions | StartTlsServerOptions,
): Promise<Conn> {
  if (role !== "client" && role !== "server") {
    throw argumentError("dial", `role ${shown(role)} is not "client" or "server"`);
  }
  const op = role === "client" ? "dial" : "accept";
  if (role === "client") checkStartTlsClient(options as StartTlsClientOptions);
  else checkStartTlsServer(options);
  const { old, transport } = carriedBySocket(conn, op);
  const { localAddr, remoteAddr } = old;
  const site = { op, network: "tls", localAddr, remoteAddr } as const;
  const { signal } = options;
  if (signal?.aborted) throw canceledError(site, signal);
  holdStill(old, op);
  // Files first: as long as nothing has been said, the peer can still be told that there is no TLS.
  const reading =
    role === "client"
      ? clientHandshake(options as StartTlsClientOptions, site)
      : serverHandshake(options, site);
  const shake = await untilCanceled(reading, signal, (canceled) => canceledError(site, canceled));
  if (signal?.aborted) throw canceledError(site, signal);
  old.holdStill(op); // Meanwhile somebody may have begun to read or write.
  const { bytesRead, bytesWritten } = old;
  const raw = transport.release();
  if (raw === undefined) throw closedError(site);
  return succeed(old, raw, { bytesRead, bytesWritten }, site, signal, shake);
}

/** Does the handshake; until it is over, to close or abort the old connection cuts it. */
async function succeed(
  old: StreamConn,
  raw: RawConnection,
  inTheClear: Counts,
  site: Site,
  signal: AbortSignal | undefined,
  shake: Handshake,
): Promise<Conn> {
  // What is wrong with the socket the TLS socket above it tells.
  const socket = raw.socket.on("error", ignore);
  let next: Successor = cutting(socket);
  const connOptions = old.handOver({
    close: (options) => next.close(options),
    abort: () => next.abort(),
    get bytesRead() {
      return inTheClear.bytesRead + next.bytesRead;
    },
    get bytesWritten() {
      return inTheClear.bytesWritten + next.bytesWritten;
    },
  });
  let cause: NetError | undefined;
  const forget =
    signal &&
    onceAborted(signal, () => {
      cause = canceledError(site, signal);
      socket.destroy();
    });
  try {
    const secured = await shake(raw, site, { ...connOptions, network: site.network });
    next = secured;
    traceSucceeded(old, secured);
    return secured;
  } catch (error) {
    socket.destroy();
    connOptions.owner?.ended(old);
    const failure = cause ?? netErrorFrom(error, site);
    traceClosed(old, failure);
    throw failure;
  } finally {
    forget?.();
  }
}

function cutting(socket: Socket): Successor {
  return {
    bytesRead: 0,
    bytesWritten: 0,
    close: async () => void socket.destroy(),
    abort: () => void socket.destroy(),
  };
}

async function clientHandshake(options: StartTlsClientOptions, site: Site): Promise<Handshake> {
  const context = await contextOf(options, site);
  const name = tlsName("dial", "serverName", options.serverName);
  return (raw, at, connOptions) => secureClient(raw, at, options, { context, name, connOptions });
}

async function contextOf(
  options: StartTlsClientOptions,
  site: Site,
): ReturnType<typeof secureContextOptions> {
  try {
    return await secureContextOptions(options, site);
  } catch (error) {
    throw netErrorFrom(error, site);
  }
}

async function serverHandshake(options: StartTlsServerOptions, site: Site): Promise<Handshake> {
  const handshakes = await handshakesOf(options, site);
  const { goAhead } = options;
  return async (raw, at, connOptions) => {
    if (goAhead !== undefined && goAhead.length > 0) raw.socket.write(Buffer.from(goAhead));
    return tlsConnOf(raw, await handshakes.secure(raw.socket, at), connOptions, options);
  };
}

/** What was read for the connections before. */
const known = new WeakMap<TlsServerOptions, Promise<TlsHandshakes>>();

async function handshakesOf(options: TlsServerOptions, site: Site): Promise<TlsHandshakes> {
  // It tells handshakes apart by their addresses, and a Unix socket has none.
  if (site.localAddr?.network !== "tcp") return TlsHandshakes.of(options, site);
  const found = known.get(options) ?? TlsHandshakes.of(options, site);
  known.set(options, found);
  try {
    return await found;
  } catch (error) {
    known.delete(options);
    throw asError(error);
  }
}

function carriedBySocket(conn: Conn, op: FailureSite["op"]): { old: StreamConn; transport: SocketTransport } {
  // Past a proxy object, what that does to bytes would be left out.
  const transport = conn instanceof StreamConn && !types.isProxy(conn) ? conn.transport : undefined;
  if (transport instanceof SecuredTransport) {
    throw argumentError(op, "the connection is under TLS already");
  }
  if (conn instanceof StreamConn && transport instanceof SocketTransport && conn.network !== "stream") {
    return { old: conn, transport };
  }
  const reason = "TLS begins on a connection over TCP or a Unix socket only";
  throw new NetError({ op, network: "tls", code: "unsupported", reason });
}

function ignore(): void {
  // Told by the promise of the handshake, or by the connection made of the TLS socket.
}
