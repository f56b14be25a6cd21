import type { Holder } from "@zocalo/net";
import type { Transport } from "@zocalo/net/transport";
import type { Compression } from "../core/compression.ts";
import type { Role } from "../core/frame.ts";
import { type ConnFacts, WebSocketConn } from "./conn.ts";
import type { ConnSettings } from "./options.ts";
import { Session } from "./session.ts";
import { traceOpened } from "./trace.ts";

/** What the handshake settled. */
export interface ConnParts extends ConnFacts {
  readonly transport: Transport;
  readonly role: Role;
  readonly settings: ConnSettings;
  readonly compression?: Compression | undefined;
  readonly holder?: Holder | undefined;
  /** The transport has closed. */
  readonly onEnded?: ((conn: OpenedConn) => void) | undefined;
}

/** A `WebSocketConn` with what only those know of it who make it. */
export class OpenedConn extends WebSocketConn {
  /** Its place among the connections of its listener. */
  slot = -1;
  /** For whom its handshake counts it. */
  readonly holder: Holder | undefined;

  constructor(session: Session, parts: ConnParts) {
    super(session, parts);
    this.holder = parts.holder;
    session.belongTo(this, parts.onEnded);
  }
}

/**
 * Makes a connection and begins to read. `head` is what came behind the handshake; `answer` is sent first.
 *
 * @param hasEnded the peer has ended its side behind `head`, and the transport has told that already.
 */
export function openConn(parts: ConnParts, head: Buffer, answer?: string, hasEnded = false): OpenedConn {
  const session = new Session(parts.transport, parts.role, parts.settings, parts.compression);
  const conn = new OpenedConn(session, parts);
  traceOpened(conn, parts.role);
  session.start(head, answer);
  if (hasEnded) queueMicrotask(() => session.onEnd());
  return conn;
}
