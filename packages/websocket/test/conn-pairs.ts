import { dial, type ListenOptions, type WebSocketConn } from "../src/index.ts";
import { accepting, RawPeer } from "./peers.ts";

/** A connected pair: [the client's end, the server's]. */
export async function pair(
  options: ListenOptions = {},
  clientOptions = {},
): Promise<{ client: WebSocketConn; server: WebSocketConn } & AsyncDisposable> {
  const { listener, url } = await accepting(options);
  const accepted = listener.accept();
  const client = await dial(url, clientOptions);
  return {
    client,
    server: await accepted,
    async [Symbol.asyncDispose]() {
      client.abort();
      await listener.abort();
    },
  };
}

/** An accepted connection whose client is a raw socket. */
export async function rawPair(
  options: ListenOptions = {},
): Promise<{ peer: RawPeer; server: WebSocketConn } & AsyncDisposable> {
  const { listener, port } = await accepting(options);
  const accepted = listener.accept();
  const peer = await RawPeer.upgraded(port);
  return {
    peer,
    server: await accepted,
    async [Symbol.asyncDispose]() {
      peer.socket.destroy();
      await listener.abort();
    },
  };
}

/** Waits until the sender has got no further for many turns of the event loop. */
export async function standsStill(progress: () => number): Promise<void> {
  for (let before = -1; before !== progress(); ) {
    before = progress();
    for (let turns = 0; turns < 50; turns++) await new Promise((resolve) => setImmediate(resolve));
  }
}
