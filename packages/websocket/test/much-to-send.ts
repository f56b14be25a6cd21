import { once } from "node:events";
import type { Socket } from "node:net";
import type { ListenOptions, WebSocketConn } from "../src/index.ts";
import { accepting, RawPeer } from "./peers.ts";

export const MIB = 1_048_576;
export const limits = { sendLimitBytes: 64 * MIB, maxMessageBytes: 64 * MIB } as const;

/** A connection whose peer is a socket that nobody reads. */
export async function unread(
  options: ListenOptions = limits,
): Promise<{ peer: Socket; conn: WebSocketConn } & AsyncDisposable> {
  const { listener, port } = await accepting(options);
  const accepted = listener.accept();
  const { socket: peer } = await RawPeer.upgraded(port);
  peer.pause();
  return {
    peer,
    conn: await accepted,
    async [Symbol.asyncDispose]() {
      peer.destroy();
      await listener.abort();
    },
  };
}

export async function drain(peer: Socket): Promise<void> {
  peer.resume();
  if (!peer.destroyed) await once(peer, "close");
}
