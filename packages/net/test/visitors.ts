// What tests of one visitor share: a greedy and an honest one, and a listener that tells whom it refuses.
import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Conn, Listener, Refusal } from "@zocalo/net";

/** Two addresses of this machine. `exemptAddresses: []` makes them visitors as any other. */
export const GREEDY = "127.0.0.2";
export const HONEST = "127.0.0.1";
export const exemptAddresses: readonly string[] = [];

export function portOf(listener: Pick<Listener, "addr">): number {
  const { addr } = listener;
  if (!("port" in addr)) throw new Error("no port");
  return addr.port;
}

/** Connected, or refused already: a reset may be here before the connection is known to be made. */
export async function connectFrom(localAddress: string, port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", localAddress });
  socket.on("error", () => undefined);
  await new Promise<void>((resolve) => {
    socket.once("connect", () => resolve());
    socket.once("close", () => resolve());
  });
  return socket;
}

/** Not by `once`, which a reset would reject. */
export function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.resume().on("close", () => resolve());
  });
}

/** An echo there and back, in milliseconds on a clock that tests do not take away. */
export async function roundTrip(socket: Socket, text = "hola"): Promise<string> {
  const startedAt = process.hrtime.bigint();
  socket.write(text);
  const [bytes] = (await once(socket, "data")) as [Buffer];
  assert.equal(String(bytes), text);
  return `${(Number(process.hrtime.bigint() - startedAt) / 1e6).toFixed(2)} ms`;
}

/** Echoes on each connection; tells "end" when one is over. */
export function echoAll(listener: Listener<Conn>): EventEmitter {
  const ends = new EventEmitter();
  void (async () => {
    for await (const conn of listener) {
      conn.serve({ data: (bytes) => conn.write(bytes), close: () => void ends.emit("end") });
    }
  })();
  return ends;
}

/** Writes down who was refused, and why. */
export function refusals() {
  const log: string[] = [];
  const onRefuse = ({ reason, remoteAddr }: Refusal): void => {
    const host = remoteAddr !== undefined && "host" in remoteAddr ? remoteAddr.host : remoteAddr?.network;
    log.push(`${reason} ${host}`);
  };
  return { log, onRefuse };
}
