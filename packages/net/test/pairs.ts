import { mkdtempSync, rmSync } from "node:fs";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Conn, dial, fromNodeStream, listen, type Listener, pipe } from "@zocalo/net";
import { StreamConn } from "../src/stream/stream-conn.ts";
import { TestCertificates } from "@zocalo/integrity";
import type { Pair } from "./conn-contract/subject.ts";
import { SlicingTransport } from "./slicing-transport.ts";

/** Why a test of Unix sockets is skipped here. */
export const noUnixSockets =
  process.platform === "win32" && "Windows has pipes in their place, without half-closing";

/** Makes pairs over each network; `dispose` removes what they needed. */
export class Pairs {
  #certificates: TestCertificates | undefined;
  readonly #directory = mkdtempSync(join(tmpdir(), "zocalo-pairs-"));
  #count = 0;

  dispose(): void {
    this.#certificates?.remove();
    rmSync(this.#directory, { recursive: true });
  }

  tcp = async (): Promise<Pair> => {
    const listener = await listen("tcp", "127.0.0.1:0");
    return joined(listener, dial("tcp", String(listener.addr)));
  };

  tcp6 = async (): Promise<Pair> => {
    const listener = await listen("tcp6", "[::1]:0");
    return joined(listener, dial("tcp6", String(listener.addr)));
  };

  unix = async (): Promise<Pair> => {
    const listener = await listen("unix", join(this.#directory, `${this.#count++}.sock`));
    return joined(listener, dial("unix", String(listener.addr)));
  };

  tls = async (): Promise<Pair> => {
    this.#certificates ??= new TestCertificates();
    const identity = this.#certificates.issue(`pair-${this.#count++}`, ["127.0.0.1"]);
    const listener = await listen("tls", "127.0.0.1:0", identity);
    return joined(listener, dial("tls", String(listener.addr), { ca: this.#certificates.ca.cert }));
  };

  /** Two sockets of Node's own, each made a connection again. */
  nodeStream = async (): Promise<Pair> => {
    const server = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const accepted = once(server, "connection") as Promise<[Socket]>;
    const { port } = server.address() as AddressInfo;
    const socket = connect({ port, host: "127.0.0.1" });
    await once(socket, "connect");
    const [other] = await accepted;
    server.close();
    return { a: fromNodeStream(socket), b: fromNodeStream(other), tidy: () => Promise.resolve() };
  };

  pipe = (): Promise<Pair> => {
    const [a, b] = pipe();
    return Promise.resolve({ a, b, tidy: () => Promise.resolve() });
  };
}

/**
 * How much of what a sliced end receives is cut; the rest of a big transfer comes as it is, for a test's time
 * is not endless.
 */
const SLICED_BYTES = 32 * 1024;

/**
 * The same pair, whose ends receive in pieces cut by `cut`, `delay` turns of the event loop after each other.
 */
export function sliced(
  make: () => Promise<Pair>,
  cut: (length: number) => number,
  delay: () => number,
): () => Promise<Pair> {
  const wrap = (conn: Conn): Conn => {
    if (!(conn instanceof StreamConn)) throw new Error("not a StreamConn");
    let sliced = 0;
    const cutAtFirst = (length: number): number => {
      const size = sliced < SLICED_BYTES ? cut(length) : length;
      sliced += size;
      return size;
    };
    return new StreamConn(new SlicingTransport(conn.transport, cutAtFirst, delay), { network: conn.network });
  };
  return async () => {
    const pair = await make();
    return { ...pair, a: wrap(pair.a), b: wrap(pair.b) };
  };
}

async function joined(listener: Listener<Conn>, dialing: Promise<Conn>): Promise<Pair> {
  const [a, b] = await Promise.all([dialing, listener.accept()]);
  return { a, b, tidy: () => listener.close() };
}
