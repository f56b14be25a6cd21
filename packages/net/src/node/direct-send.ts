import type { Socket } from "node:dgram";
import { getSystemErrorName } from "node:util";
import {
  asBytes,
  type DatagramSender,
  documentedSender,
  InFlight,
  ownCopy,
  type SendStatus,
} from "./datagram-sender.ts";
import { poison } from "../memory/poison.ts";
import { isIp } from "./udp-lookup.ts";

/**
 * All that sending datagrams needs beyond what Node documents, with a way to go on without.
 *
 * `socket.send` makes four objects for each datagram and tells its outcome in a later tick. The handle
 * beneath it answers at once: taken, waiting, or an error number. This file alone knows how to ask it. It
 * looks first whether this Node talks to the handle in the very way that is used here; if not, or with the
 * environment variable `ZOCALO_NO_DIRECT_SEND`, sockets send as documented.
 */

/**
 * Node's own part of a datagram socket. Positive: taken at once; 0: waits; negative: an error number of the
 * system.
 */
interface UdpHandle {
  send(request: object, parts: readonly Uint8Array[], count: number, reports: boolean): number;
  send(
    request: object,
    parts: readonly Uint8Array[],
    count: number,
    port: number,
    ip: string,
    reports: boolean,
  ): number;
}

/** What the handle keeps of a datagram that waits, and calls once it has left. */
interface SendRequest {
  oncomplete?: (status: number) => void;
  /** Keeps the bytes alive. */
  list?: readonly Uint8Array[];
}

type SendRequestClass = new () => SendRequest;

const NOTHING = Buffer.alloc(0);
const PROBE_PORT = 9;
const PROBE_IP = "127.0.0.1";

let isEnabled = process.env["ZOCALO_NO_DIRECT_SEND"] === undefined;

/** What was found out on the first socket of each kind; `null`: it cannot be done here. */
const found: { bound?: SendRequestClass | null; connected?: SendRequestClass | null } = {};

/** For tests and measurements: `false` makes sockets opened from now on send as Node documents it. */
export function enableDirectSend(enabled: boolean): void {
  isEnabled = enabled;
}

/** How to send on a socket that is bound, and connected or not. */
export function senderFor(socket: Socket, isConnected: boolean): DatagramSender {
  const handle = isEnabled ? handleOf(socket) : undefined;
  if (handle === undefined) return documentedSender(socket);
  const kind = isConnected ? "connected" : "bound";
  const request = (found[kind] ??= requestClass(socket, handle, isConnected));
  return request === null ? documentedSender(socket) : new DirectSender(socket, handle, request);
}

class DirectSender implements DatagramSender {
  readonly #handle: UdpHandle;
  readonly #documented: DatagramSender;
  readonly #Request: SendRequestClass;
  /** Both are used again unless a datagram has to wait. */
  #request: SendRequest;
  #parts: Uint8Array[] = [NOTHING];
  #waiting = 0;

  constructor(socket: Socket, handle: UdpHandle, Request: SendRequestClass) {
    this.#handle = handle;
    this.#documented = documentedSender(socket);
    this.#Request = Request;
    this.#request = new Request();
  }

  get queuedBytes(): number {
    return this.#waiting === 0 ? 0 : this.#documented.queuedBytes;
  }

  send(bytes: Uint8Array, host?: string, port = 0): SendStatus {
    // Hot path (bench: udp). A name has to be looked up; and at what is not as its type says the handle would
    // end the process, where Node throws.
    if (!ArrayBuffer.isView(bytes) || (host !== undefined && !(isPort(port) && isIp(host)))) {
      return this.#counted(this.#documented.send(bytes, host, port));
    }
    const parts = this.#parts;
    parts[0] = bytes;
    const status =
      host === undefined
        ? this.#handle.send(this.#request, parts, 1, true)
        : this.#handle.send(this.#request, parts, 1, port, host, true);
    if (status === 0) return this.#wait();
    parts[0] = NOTHING;
    return status > 0 ? "taken" : systemError(status, host, port);
  }

  /**
   * The handle says only after the call whether a datagram waits, and then has taken its memory for it. So
   * the datagram is copied before, to where the next one goes too if it does not have to wait.
   */
  trySend(bytes: Uint8Array, host?: string, port?: number): SendStatus {
    if (this.#waiting > 0 || !ArrayBuffer.isView(bytes) || bytes.byteLength > SCRATCH_BYTES) {
      return this.send(ownCopy(bytes), host, port); // Behind those that wait it will wait.
    }
    if (host !== undefined && !isIp(host)) return this.send(ownCopy(bytes), host, port);
    const length = bytes.byteLength;
    const copy = scratch.filled(bytes);
    const status = this.send(copy, host, port);
    if (status instanceof InFlight) scratch.keep(length);
    else poison(copy);
    return status;
  }

  #wait(): InFlight {
    const inFlight = new InFlight();
    const request = this.#request;
    request.list = this.#parts;
    request.oncomplete = (status) => inFlight.settle(status < 0 ? systemError(status) : null);
    this.#request = new this.#Request();
    this.#parts = [NOTHING];
    this.#counted(inFlight);
    return inFlight;
  }

  #counted(status: SendStatus): SendStatus {
    if (!(status instanceof InFlight)) return status;
    this.#waiting += 1;
    status.always = () => void (this.#waiting -= 1);
    return status;
  }
}

/** More than a datagram can be. */
const SCRATCH_BYTES = 65_536;
/** Views of up to so many bytes are kept: to make one costs more than to copy that much. */
const MAX_KEPT_VIEW = 512;

/**
 * Where datagrams stand that nobody waits for, while they are handed over. Guarded by `npm run bench -- udp`.
 */
class Scratch {
  #memory: Buffer = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  #views: (Buffer | undefined)[] = [];

  filled(bytes: Uint8Array): Uint8Array {
    const length = bytes.byteLength;
    if (length > this.#memory.length) this.#use(Buffer.allocUnsafeSlow(SCRATCH_BYTES));
    const view =
      length > MAX_KEPT_VIEW
        ? this.#memory.subarray(0, length)
        : (this.#views[length] ??= this.#memory.subarray(0, length));
    view.set(asBytes(bytes));
    return view;
  }

  /** The first so many bytes wait, and stay as they are: the next datagram goes behind them. */
  keep(length: number): void {
    this.#use(this.#memory.subarray(length));
  }

  #use(memory: Buffer): void {
    this.#memory = memory;
    this.#views = [];
  }
}

const scratch = new Scratch();

function isPort(port: number): boolean {
  return (port & 0xffff) === port && port !== 0;
}

function systemError(status: number, address?: string, port?: number): Error {
  const code = getSystemErrorName(status);
  return Object.assign(new Error(`send ${code}`), { code, errno: status, syscall: "send", address, port });
}

/** The handle lies in an object that the socket keeps under a symbol without a public name. */
function handleOf(socket: Socket): UdpHandle | undefined {
  for (const key of Object.getOwnPropertySymbols(socket)) {
    const state: unknown = Reflect.get(socket, key);
    if (typeof state !== "object" || state === null) continue;
    const handle: unknown = Reflect.get(state, "handle");
    if (typeof handle !== "object" || handle === null) continue;
    if (typeof Reflect.get(handle, "send") === "function") return handle as UdpHandle;
  }
  return undefined;
}

/**
 * Lets Node send nothing, with a function in the handle's place that only looks at what it is asked: is it
 * the question that `DirectSender` asks, then the class of its first argument is the one to use. No datagram
 * leaves.
 */
function requestClass(socket: Socket, handle: UdpHandle, isConnected: boolean): SendRequestClass | null {
  const own = Object.getOwnPropertyDescriptor(handle, "send");
  let asked: unknown[] = [];
  const value = (...args: unknown[]): number => {
    asked = args;
    return 1; // taken: 0 bytes, plus 1
  };
  Object.defineProperty(handle, "send", { value, configurable: true, writable: true });
  try {
    if (isConnected) socket.send(NOTHING);
    else socket.send(NOTHING, PROBE_PORT, PROBE_IP);
  } finally {
    if (own === undefined) Reflect.deleteProperty(handle, "send");
    else Object.defineProperty(handle, "send", own);
  }
  const [request, parts, ...rest] = asked;
  const expected = isConnected ? [1, false] : [1, PROBE_PORT, PROBE_IP, false];
  const isAsExpected =
    typeof request === "object" &&
    request !== null &&
    Array.isArray(parts) &&
    parts.length === 1 &&
    parts[0] === NOTHING &&
    rest.length === expected.length &&
    expected.every((value, at) => rest[at] === value);
  return isAsExpected ? (request.constructor as SendRequestClass) : null;
}
