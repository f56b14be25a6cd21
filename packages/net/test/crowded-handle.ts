import { EventEmitter, once } from "node:events";

/** Node's own part of a datagram socket, as far as it is replaced here. */
interface Handle {
  send(request: Request, parts: readonly Uint8Array[], ...rest: unknown[]): number;
  getSendQueueCount(): number;
  getSendQueueSize(): number;
}

interface Request {
  oncomplete?(status: number, sent?: number): void;
}

/**
 * A socket for which the system is behind: all that is sent on it waits until it is released, in the very
 * memory that it was handed over in.
 */
export interface Crowd {
  /** How many datagrams wait. */
  readonly waiting: number;
  /** Resolves once so many have come. */
  arrived(count: number): Promise<void>;
  /**
   * What the oldest that wait look like now, which is when the system takes them, or refuses them with an
   * error number. Default: all.
   */
  release(count?: number, status?: number): Buffer[];
}

/**
 * Makes the system be behind for a `PacketConn` or `DatagramConn`, whichever way it sends. Node answers 0
 * then: the datagram waits.
 */
export function crowd(conn: object): Crowd {
  const handle = handleOf(Reflect.get(conn, "socket") as object);
  const events = new EventEmitter();
  let held: { request: Request; bytes: Uint8Array }[] = [];
  const replaced: Handle = {
    send(request, parts) {
      const [bytes = new Uint8Array(0)] = parts;
      held.push({ request, bytes });
      events.emit("held");
      return 0;
    },
    getSendQueueCount: () => held.length,
    getSendQueueSize: () => held.reduce((size, { bytes }) => size + bytes.length, 0),
  };
  for (const [name, value] of Object.entries(replaced)) {
    Object.defineProperty(handle, name, { value, configurable: true });
  }
  return {
    get waiting() {
      return held.length;
    },
    async arrived(count) {
      while (held.length < count) await once(events, "held");
    },
    release(count = held.length, status = 0) {
      const released = held.slice(0, count);
      held = held.slice(count);
      return released.map(({ request, bytes }) => {
        const taken = Buffer.from(bytes);
        request.oncomplete?.(status, status < 0 ? undefined : bytes.length);
        return taken;
      });
    },
  };
}

function handleOf(socket: object): object {
  for (const key of Object.getOwnPropertySymbols(socket)) {
    const state: unknown = Reflect.get(socket, key);
    if (typeof state !== "object" || state === null) continue;
    const handle: unknown = Reflect.get(state, "handle");
    if (typeof handle === "object" && handle !== null) return handle;
  }
  throw new Error("this Node has no handle where it was looked for");
}
