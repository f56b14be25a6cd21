import type { CloseInfo, Conn } from "@zocalo/net";
import type { Messages } from "./link.ts";

/** Bytes of one connection that may wait to be sent back before it is read no further. */
const HIGH_WATER_BYTES = 262_144;

/**
 * Sends every byte back. Resolves when the peer has ended, and the system has taken everything and the end
 * after it.
 *
 * @param onTraffic called for each portion that came or went.
 * @throws what broke the connection, or kept bytes from being taken.
 */
export function echoBytes(conn: Conn, onTraffic: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let unsentBytes = 0;
    let failure: unknown;
    const fail = (error: unknown): void => {
      failure ??= error;
    };
    conn.serve({
      // Hot path: a promise is handed back, which stops reading, only when the peer is behind.
      data(bytes) {
        const { length } = bytes;
        const settled = (): void => {
          unsentBytes -= length;
          onTraffic();
        };
        unsentBytes += length;
        onTraffic();
        const writing = conn.write(bytes).catch(fail).then(settled);
        return unsentBytes > HIGH_WATER_BYTES ? writing : undefined;
      },
      close(error = failure as Error | undefined) {
        if (error === undefined) resolve();
        else reject(error);
      },
    });
  });
}

/**
 * Sends every message back as what it is, text or binary. Resolves when the connection has ended.
 *
 * @param onTraffic called for each message that came, and when those that waited have gone.
 */
export function echoMessages(conn: Messages, onTraffic: () => void): Promise<CloseInfo> {
  return new Promise((resolve) => {
    let goOn: (() => void) | undefined;
    const room = (): void => {
      onTraffic();
      goOn?.();
      goOn = undefined;
    };
    conn.serve({
      // Hot path: a promise only when the peer is behind. `refused` is a connection that is closing, or a
      // datagram too many.
      message(message) {
        onTraffic();
        if (conn.trySend(message) !== "buffered") return undefined;
        return new Promise((wake) => {
          goOn = wake;
        });
      },
      drain: room,
      close(info) {
        room();
        resolve(info);
      },
    });
  });
}
