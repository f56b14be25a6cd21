import { type CloseInfo, type DatagramConn, dial, listenPacket, type MessageConn, peers } from "@zocalo/net";
import type { Flags } from "./flags.ts";
import type { Door, MessageLink, Messages } from "./link.ts";
import type { Target } from "./target.ts";

/** Listens on `udp://`: every source address is a peer. */
export async function listenDatagrams({ address }: Target, flags: Flags): Promise<Door> {
  const { echo, broadcast, relay, exec, timeout, trustSources } = flags;
  const isService = echo === true || broadcast === true || relay === true || exec !== undefined;
  const isJoined = relay === true || exec !== undefined;
  const isBelieved = !isService || trustSources === true;
  const packets = await listenPacket("udp", address);
  const listener = peers(packets, {
    messages: "binary",
    // A peer of a conversation never counts as gone only because it is silent.
    ...(isService ? {} : { idleTimeoutMs: Number.POSITIVE_INFINITY }),
    // Silence in one direction is none where the other goes on: what joins them has a timer of its own.
    ...(isJoined && timeout !== undefined ? { idleTimeoutMs: Number.POSITIVE_INFINITY } : {}),
  });
  return {
    address: String(listener.addr),
    port: listener.addr.port,
    async *links() {
      for await (const conn of listener) yield peerLink(conn, isBelieved);
    },
    close: () => listener.close(),
    drain: (deadline) => listener.drain(deadline),
  };
}

/** Dials `udp://`. */
export async function dialDatagrams(
  { address }: Target,
  { timeout, source }: Flags,
  signal: AbortSignal,
): Promise<MessageLink> {
  const deadline = timeout === undefined ? null : Date.now() + timeout;
  const conn = await dial("udp", address, { signal, deadline, localAddress: source });
  return { form: "messages", peer: String(conn.remoteAddr), conn: asMessages(conn), hasEnd: false };
}

function peerLink(conn: MessageConn, isBelieved: boolean): MessageLink {
  const { verification } = conn.peer;
  // A person who talks to one peer decides whom to answer. What answers by itself never sends more than it
  // got to an address that may be forged.
  if (isBelieved) verification?.verify(verification.cookie);
  return { form: "messages", peer: String(conn.peer.addr), conn, hasEnd: false };
}

/** What the network says about a peer that nobody is (ICMP) ends the conversation. */
function asMessages(conn: DatagramConn): Messages {
  let failure: Error | undefined;
  const close = async (error?: Error): Promise<void> => {
    failure ??= error;
    await conn.close();
  };
  return {
    serve(handler) {
      conn.serve({
        message: (bytes) => handler.message(bytes),
        error: (error) => void close(error),
        close: (error) => handler.close?.(closeInfo(failure ?? error)),
      });
    },
    send: (message, options) => conn.send(message as Uint8Array, options),
    trySend: (message) => conn.trySend(message as Uint8Array),
    close: () => close(),
    abort: () => void close(),
  };
}

function closeInfo(error: Error | undefined): CloseInfo {
  return error === undefined
    ? { code: 1000, reason: "", wasClean: true }
    : { code: 1006, reason: error.message, wasClean: false, error };
}
