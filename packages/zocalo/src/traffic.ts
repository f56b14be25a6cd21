import { setTimeout as sleep } from "node:timers/promises";
import { type Conn, type DatagramConn, lines, type Message, type MessageConn } from "@zocalo/net";

/** How often it is looked whether lines have left, in milliseconds. */
const FLUSH_POLL_MS = 5;

/** A connection of any kind, as the command line moves data through it. */
export interface Traffic {
  /** Who is on the other end, for people. */
  readonly peer: string;
  /** The next portion of a stream, or the next message; `null` once the peer has ended in order. */
  receive(): Promise<Message | null>;
  /** Resolves when there is room for more. */
  send(message: Message): Promise<void>;
  /** Nothing more will be sent, but answers may still come. Absent where closing ends both directions. */
  closeWrite?(): Promise<void>;
  close(): Promise<void>;
  abort(): void;
}

/** Bytes as they come. */
export function streamTraffic(conn: Conn): Traffic {
  return {
    peer: String(conn.remoteAddr),
    receive: () => conn.read(),
    send: (message) => conn.write(toBytes(message)),
    closeWrite: () => conn.closeWrite(),
    close: () => conn.close(),
    abort: () => conn.abort(),
  };
}

/** Each line is a message. The end of the input half-closes, so that answers still arrive. */
export function lineTraffic(conn: Conn, maxMessageBytes: number): Traffic {
  const framed = lines(conn, { maxMessageBytes, sendLimitBytes: maxMessageBytes + 1_048_576 });
  return {
    ...messageTraffic(framed),
    async closeWrite() {
      // Lines leave at the end of a turn, or later when the peer is behind; only then may the stream be ended.
      while (framed.bufferedAmount > 0) await sleep(FLUSH_POLL_MS);
      await conn.closeWrite();
    },
  };
}

/** A WebSocket, or a peer of a datagram socket. */
export function messageTraffic(conn: MessageConn, closing: { code?: number; reason?: string } = {}): Traffic {
  const { code = 1000, reason = "" } = closing;
  return {
    peer: String(conn.peer.addr),
    receive: () => conn.receive(),
    send: (message) => conn.send(message),
    close: () => conn.close(code, reason),
    abort: () => conn.abort(),
  };
}

/** A datagram socket that is connected to one peer. It has no end. */
export function datagramTraffic(conn: DatagramConn): Traffic {
  return {
    peer: String(conn.remoteAddr),
    receive: () => conn.receive(),
    send: (message) => conn.send(toBytes(message)),
    closeWrite: () => Promise.resolve(),
    close: () => conn.close(),
    abort: () => void conn.close(),
  };
}

function toBytes(message: Message): Uint8Array {
  return typeof message === "string" ? Buffer.from(message) : message;
}
