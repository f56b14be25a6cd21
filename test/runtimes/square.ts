// A hub and two sessions in one process: what is published arrives. Runs on Node, Bun and Deno alike.
import { connect } from "@zocalo/client";
import { Hub } from "@zocalo/hub";
import { dial, lines, listen } from "@zocalo/net";
import { PROTOCOL_VERSION } from "@zocalo/protocol";
import * as websocket from "@zocalo/websocket";

const DATA = { text: "¡hola!" };

/** What `heardInSquare` gives if all is well. */
export const HEARD = `${JSON.stringify(DATA)} in version 1`;

/** Publishes over a WebSocket. @returns what a session over TCP receives. */
export async function heardInSquare(): Promise<string> {
  const hub = new Hub({
    namespaces: { plaza: { subscribe: "anyone", publish: "anyone", history: { publications: 1 } } },
  });
  const web = await websocket.listen("127.0.0.1:0");
  const tcp = await listen("tcp", "127.0.0.1:0");
  void hub.serve(web);
  void hub.serve(lines(tcp));
  const ana = connect(`ws://${String(web.addr)}`, { dial: websocket.dial });
  const luis = connect(String(tcp.addr), {
    dial: async (address, options) =>
      lines(await dial("tcp", address, options), { maxMessageBytes: 1_048_576 }),
  });
  await ana.channel("plaza:general").publish(DATA);
  let heard = "";
  for await (const { json } of luis.channel("plaza:general").subscribe({ last: 1 })) {
    heard = json;
    break;
  }
  await Promise.all([ana.close(), luis.close()]);
  await hub.close();
  return `${heard} in version ${PROTOCOL_VERSION}`;
}
