// The server that transcripts are recorded from and replayed to.
import { guests, Hub, streamFraming } from "@zocalo/hub";
import { framed, lines, listen, listenPacket, peers } from "@zocalo/net";
import * as websocket from "@zocalo/websocket";
import type { Transcript, Transport } from "./transcript.ts";

/** The token that is not accepted. */
export const BAD_TOKEN = "not-accepted";

/** A hub behind one door. */
export interface TranscriptServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Opens a server for the clients of a transcript. */
export async function openServer({
  transport,
  namespaces,
}: Pick<Transcript, "transport" | "namespaces">): Promise<TranscriptServer> {
  const believe = guests();
  const hub = new Hub({
    namespaces,
    authenticate: (request, peer) => (request.token === BAD_TOKEN ? null : believe(request, peer)),
  });
  const listener = await LISTEN[transport]();
  void hub.serve(listener);
  return {
    port: "port" in listener.addr ? listener.addr.port : 0,
    close: () => hub.close(),
  };
}

const ANY_PORT = "127.0.0.1:0";
const LISTEN = {
  websocket: () => websocket.listen(ANY_PORT),
  tcp: async () => lines(await listen("tcp", ANY_PORT)),
  binary: async () => framed(await listen("tcp", ANY_PORT), streamFraming),
  udp: async () => peers(await listenPacket("udp", ANY_PORT), { newlines: true }),
} as const satisfies Record<Transport, () => Promise<unknown>>;
