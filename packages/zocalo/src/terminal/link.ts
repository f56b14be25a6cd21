import { type CloseInfo, type Conn, type MessageConn, printable } from "@zocalo/net";

/** What the modes need of a connection of messages; every `MessageConn` has it. */
export type Messages = Pick<MessageConn, "serve" | "send" | "trySend" | "close" | "abort">;

/** A stream of bytes: TCP, TLS, Unix. */
export interface ByteLink {
  readonly form: "bytes";
  readonly peer: string;
  readonly conn: Conn;
}

/** A flow of messages: WebSocket, UDP, or lines. */
export interface MessageLink {
  readonly form: "messages";
  readonly peer: string;
  readonly conn: Messages;
  /** False for datagrams: neither side learns of the other's end. */
  readonly hasEnd: boolean;
  /** The round trip in milliseconds. What the peer had to answer before it has come when this resolves. */
  readonly ping?: (() => Promise<number>) | undefined;
  /** Resolves when the system has taken all that was sent. Unset where `send` itself waits for that. */
  readonly flush?: (() => Promise<void>) | undefined;
  /** True until either side has begun to close. Unset where there is no closing. */
  readonly isOpen?: (() => boolean) | undefined;
  /** What the handshake agreed on, for the notices. */
  readonly subprotocol?: string | undefined;
}

/** One connection, whatever its scheme. */
export type Link = ByteLink | MessageLink;

/** A place that accepts links, whatever its scheme. */
export interface Door {
  /** Where it listens, with the port the system chose: `127.0.0.1:7000`, or a path. */
  readonly address: string;
  readonly port: number | undefined;
  /** Accepts one after the other; ends when the door is closed. */
  links(): AsyncIterable<Link>;
  /** Accepts no more; links live on. */
  close(): Promise<void>;
  /**
   * Accepts no more, and waits for the links to end; at the deadline (milliseconds since the epoch) they are
   * cut.
   */
  drain(deadline: number): Promise<void>;
}

/**
 * Told of a connection that was refused before it became a link: by whom it was made, why it came to nothing,
 * and what the user can do about it, if that has not been said for a while.
 */
export type OnRefused = (peer: string, reason: string, advice?: string) => void;

/** Told of changed files of a certificate that cannot be used; the old ones stay in use. */
export type OnReloadError = (error: Error) => void;

/** How one link ended without a failure. */
export type End = "ended" | "timeout";

/** Close codes that say that something went wrong (RFC 6455 §7.4.1 and its registry). */
export function isErrorCode(code: number): boolean {
  return code >= 1002 && code <= 1015 && code !== 1005;
}

/** Codes that a Close frame may have (RFC 6455 §7.4); the others only say what became of a connection. */
export function isSendable(code: number): boolean {
  const isReserved = code === 1004 || code === 1005 || code === 1006;
  return (code >= 1000 && code <= 1014 && !isReserved) || (code >= 3000 && code <= 4999);
}

/** `1008 policy`, or what else is known. The reason is the peer's own words: they stay on their line. */
export function closeWords({ code, reason, error }: CloseInfo): string {
  if (error !== undefined) return error.message;
  return code === 1005 ? "without a code" : `${code}${reason === "" ? "" : ` ${printable(reason)}`}`;
}
