import {
  type Conn,
  dial,
  type FrameCodec,
  framed,
  type FramedOptions,
  delimited,
  type Listener,
  listen,
  type MessageConn,
  NetError,
  type Refusal,
  type UnixListenOptions,
} from "@zocalo/net";
import { EXIT, UserError } from "../exit-code.ts";
import type { Flags } from "./flags.ts";
import type { ByteLink, Door, MessageLink, OnRefused, OnReloadError } from "./link.ts";
import type { Target } from "./target.ts";

/** Proxies that are believed where `--trusted-proxy` says nothing: those on this machine. */
const LOOPBACK = ["127.0.0.0/8", "::1"] as const;

/**
 * Listens on `tcp://`, `tls://` or `unix:`.
 *
 * @param onRefused told of each connection that came to nothing.
 */
export async function listenStream(
  scheme: "tcp" | "tls" | "unix",
  { address }: Target,
  flags: Flags,
  onRefused: OnRefused,
  onReloadError: OnReloadError,
): Promise<Door> {
  const listener = await openListener(scheme, address, flags, onRefused, onReloadError);
  return {
    address: String(listener.addr),
    port: "port" in listener.addr ? listener.addr.port : undefined,
    async *links() {
      for await (const conn of listener) yield byteLink(conn);
    },
    close: () => listener.close(),
    drain: (deadline) => listener.drain(deadline),
  };
}

/** Dials `tcp://`, `tls://` or `unix:`. */
export async function dialStream(
  { scheme, address }: Target,
  flags: Flags,
  signal: AbortSignal,
): Promise<ByteLink> {
  const wait = { signal, deadline: flags.timeout === undefined ? null : Date.now() + flags.timeout };
  if (scheme === "unix") return byteLink(await dial("unix", address, wait));
  const route = { ...wait, localAddress: flags.source, proxy: flags.proxy };
  if (scheme === "tcp") return byteLink(await dial("tcp", address, route));
  const conn = await dial("tls", address, {
    ...route,
    certFile: flags.cert,
    keyFile: flags.key,
    caFile: flags.ca,
    serverName: flags.servername,
    dangerouslyAcceptAnyCertificate: flags.insecure,
    dangerouslyAcceptTruncation: flags.acceptTruncation,
  });
  return byteLink(conn);
}

/**
 * A stream as messages: its lines, or its portions as they come. For modes that must not mix what several
 * peers send.
 */
export function asMessages({ conn, peer }: ByteLink, flags: Flags): MessageLink {
  const options: FramedOptions = {
    maxMessageBytes: flags.maxMessage,
    sendLimitBytes: flags.maxMessage + 1_048_576,
    // The modes decide how long a peer may take nothing.
    writeTimeoutMs: Number.POSITIVE_INFINITY,
    // A prompt is half a line for as long as nobody answers it.
    messageTimeoutMs: Number.POSITIVE_INFINITY,
  };
  const messages: MessageConn = flags.lines
    ? delimited(conn, "\n", options)
    : framed(conn, portionCodec, options);
  return { form: "messages", peer, conn: messages, hasEnd: true };
}

/** The files of a server's identity. @throws UserError (exit code 2) without them. */
export function serverIdentity({ cert, key }: Flags, scheme: string): { certFile: string; keyFile: string } {
  if (cert !== undefined && key !== undefined) return { certFile: cert, keyFile: key };
  throw new UserError(`Listening on ${scheme}:// needs --cert FILE and --key FILE (PEM).`, EXIT.usage);
}

/** A listener of `tcp`, `tls` or `unix`. @param onRefused told of each connection that came to nothing. */
export function openListener(
  scheme: "tcp" | "tls" | "unix",
  address: string,
  flags: Flags,
  onRefused: OnRefused,
  onReloadError: OnReloadError,
): Promise<Listener> {
  const onRefuse = ({ remoteAddr, reason, error }: Refusal): void => {
    onRefused(remoteAddr === undefined ? "somebody" : String(remoteAddr), error?.message ?? reason);
  };
  if (scheme === "unix") return listenUnix(address, { onRefuse, replaceStale: flags.replaceStale });
  const proxyProtocol = flags.proxyProtocol ? { trusted: flags.trustedProxy ?? LOOPBACK } : undefined;
  if (scheme === "tcp") return listen("tcp", address, { proxyProtocol, onRefuse });
  return listen("tls", address, {
    ...serverIdentity(flags, scheme),
    proxyProtocol,
    onRefuse,
    onReloadError,
    caFile: flags.ca,
    clientCertificates: flags.ca === undefined ? "none" : "require",
    dangerouslyAcceptTruncation: flags.acceptTruncation,
  });
}

async function listenUnix(path: string, options: UnixListenOptions): Promise<Listener> {
  try {
    return await listen("unix", path, options);
  } catch (error) {
    // A name without a file leaves nothing behind.
    const mayBeStale = !options.replaceStale && !path.startsWith("@");
    if (!mayBeStale || !(error instanceof NetError) || error.code !== "address_in_use") throw error;
    throw new UserError(
      `cannot listen on unix:${path}: ${error.reason}; if no program listens there any more, --replace-stale takes its place`,
      EXIT.failed,
    );
  }
}

function byteLink(conn: Conn): ByteLink {
  return { form: "bytes", peer: String(conn.remoteAddr), conn };
}

/** Every portion of a stream is a message of its own, and nothing is added to one. */
const portionCodec: FrameCodec = {
  maxPayloadBytes: Number.POSITIVE_INFINITY,
  maxOverheadBytes: 0,
  header: () => undefined,
  trailer: () => undefined,
  fault: () => undefined,
  encode: (message) => Buffer.from(message as Uint8Array),
  decoder() {
    let portion: Uint8Array | undefined;
    return {
      messageBytes: 0,
      isAtBoundary: true,
      write(chunk) {
        portion = chunk;
      },
      keep() {
        portion = portion && Buffer.from(portion);
      },
      next() {
        // The memory is lent; a message is the receiver's own.
        const message = portion && Buffer.from(portion);
        portion = undefined;
        return message;
      },
    };
  },
};
