import { type OnReadOpts, type Server, Socket } from "node:net";
import type { Duplex } from "node:stream";
import { poison } from "@zocalo/net/transport";

/**
 * Reaches into Node (as net's folder `node` does): sockets of accepted connections, made here rather than by `net.Server`.
 *
 * Node's `Socket` copies its options and adds four to the copy. With the options that a server gives, V8 of Node 20 makes a new hidden class for each copy, and each of the
 * thirty places that read it has to look everything up anew: that and its garbage were a third of an upgrade. Options that have the four from the start are read as
 * fast as they should be. And what comes first is read into one buffer that all share, where Node would allocate 64 KiB.
 *
 * Where it is not possible, the caller has the `connection` event. A server that is used this way counts no connections: its `close` waits for none, and
 * `getConnections`, `maxConnections` and the diagnostics channel `net.server.socket` know nothing of them.
 */

/** What libuv accepts: the part of Node's handle that is used here. */
interface AcceptedHandle {
  setNoDelay(isOn: boolean): number;
}

type OnConnection = (this: object, status: number, accepted: AcceptedHandle | undefined) => void;

interface ListeningHandle {
  onconnection: OnConnection;
}

/** Receives what a socket reads. The bytes are lent: their memory will be used again. */
export interface FirstReader {
  received(bytes: Buffer): void;
}

/** Leads from an accepted socket to who reads it first. Where it leads to nobody what is read goes into the stream, as if there was no shared buffer. */
export const firstReaderOf: unique symbol = Symbol("first reader");

/** A socket that `acceptSockets` may have made. */
export type AcceptedSocket = Duplex & { [firstReaderOf]?: FirstReader | undefined };

/** libuv asks for this much on each read, in bytes. */
const READ_BYTES = 65_536;
const shared = Buffer.allocUnsafeSlow(READ_BYTES);

function onread(this: AcceptedSocket, count: number): boolean {
  const bytes = shared.subarray(0, count);
  const reader = this[firstReaderOf];
  if (reader === undefined) return this.push(Buffer.from(bytes));
  reader.received(bytes);
  poison(bytes);
  return true;
}

const readOption: OnReadOpts = { buffer: shared, callback: onread };

let isOff = false;

/** Leaves the sockets of what listens from now on to Node, or not: for tests and measurements of the other way. */
export function setAcceptSockets(isOn: boolean): void {
  isOff = !isOn;
}

function makeSocket(handle: object): Socket {
  const options = {
    handle,
    onread: readOption,
    allowHalfOpen: true,
    emitClose: false,
    autoDestroy: true,
    decodeStrings: false,
  };
  return new Socket(options);
}

/** Tries it on a handle that is connected to nothing: does the socket take it, and begin to read into the buffer? Exported for tests. */
export function takesHandles(make: (handle: object) => Socket): boolean {
  let buffer: unknown;
  let isReading = false;
  const handle = {
    onread: undefined,
    useUserBuffer(given: unknown): void {
      buffer = given;
    },
    readStart(): number {
      isReading = true;
      return 0;
    },
    close: ignore,
  };
  try {
    const socket = make(handle);
    const isTaken = Reflect.get(socket, "_handle") === handle && typeof handle.onread === "function";
    socket.destroy();
    return isTaken && isReading && buffer === shared && socket.allowHalfOpen;
  } catch {
    return false;
  }
}

const isPossible = takesHandles(makeSocket);

/**
 * Gives the sockets that a listening TCP server accepts to `arrived`, in place of `connection` events. They read for their `firstReaderOf`.
 *
 * @returns false if it cannot be done here; then the server is as it was.
 */
export function acceptSockets(server: Server, arrived: (socket: Socket) => void): boolean {
  const listening: unknown = Reflect.get(server, "_handle");
  if (isOff || !isPossible || !isListening(listening)) return false;
  const ofNode = listening.onconnection;
  listening.onconnection = function (status, accepted) {
    if (status !== 0 || typeof accepted?.setNoDelay !== "function") {
      ofNode.call(this, status, accepted);
      return;
    }
    const socket = makeSocket(accepted);
    socket.setNoDelay(true); // As `node:http` has it.
    arrived(socket);
  };
  return true;
}

function isListening(handle: unknown): handle is ListeningHandle {
  return (
    typeof handle === "object" &&
    handle !== null &&
    "onconnection" in handle &&
    typeof handle.onconnection === "function"
  );
}

function ignore(): void {}
