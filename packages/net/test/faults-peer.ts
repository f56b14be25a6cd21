// `faults-peer.ts HOST`: the far end of a bad link. Echoes TCP, answers and counts datagrams, and tells of it
// when asked.
import { type IpAddr, listen, listenPacket, NetError } from "@zocalo/net";

/** What this program says first. */
export interface PeerAddresses {
  readonly tcp: string;
  readonly udp: string;
  /** Takes one datagram, holds `HELD`, and drops the others. */
  readonly lazy: string;
}

/** What it says whenever it is told anything. */
export interface PeerCounts {
  /** Datagrams that came to `udp`. */
  readonly received: number;
  readonly lazyTaken: number;
  readonly lazyDropped: number;
  /** How TCP connections have ended: codes of errors, or `""`. */
  readonly ends: readonly string[];
}

/** How many datagrams the lazy socket holds. */
export const HELD = 16;

const host = process.argv[2];
if (host !== undefined) await answer(host);

async function answer(at: string): Promise<void> {
  const listener = await listen("tcp", `${at}:0`, { keepAliveIdleMs: 1000 });
  const packets = await listenPacket("udp4", `${at}:0`);
  const lazy = await listenPacket("udp4", `${at}:0`, { receiveLimitDatagrams: HELD });
  let received = 0;
  let lazyTaken = 0;
  const ends: string[] = [];

  packets.serve({
    message({ bytes, addr }: { bytes: Uint8Array; addr: IpAddr }) {
      received++;
      packets.trySend(bytes, addr);
    },
  });
  void lazy.receive().then(() => lazyTaken++);
  process.on("message", () => {
    const counts: PeerCounts = { received, lazyTaken, lazyDropped: lazy.dropped, ends };
    process.send?.(counts);
  });
  const addresses: PeerAddresses = {
    tcp: String(listener.addr),
    udp: String(packets.localAddr),
    lazy: String(lazy.localAddr),
  };
  process.send?.(addresses);
  for await (const conn of listener) {
    conn.serve({
      data: (bytes) => conn.write(bytes),
      close(error) {
        ends.push(error instanceof NetError ? error.code : (error?.message ?? ""));
      },
    });
  }
}
