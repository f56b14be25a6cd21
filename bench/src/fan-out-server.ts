import { once } from "node:events";
import { createServer } from "node:http";
import { setImmediate as turn } from "node:timers/promises";
import { Hub } from "@zocalo/hub";
import { lines, listen as listenTcp } from "@zocalo/net";
import { listen as listenWebSocket } from "@zocalo/websocket";
import { WebSocketServer } from "ws";

// One of the contenders of the fan-out benchmark. On SIGUSR2 it publishes; the last publication says so.

const [contender = "", count = "0"] = process.argv.slice(2);
const BURST = 16;
const TEXT = "x".repeat(64);

/** A socket that is told everything. */
interface Square {
  readonly port: number;
  publish(text: string): void;
}

async function hub(transport: "websocket" | "tcp"): Promise<Square> {
  const square = new Hub({ namespaces: { plaza: { subscribe: "anyone", publish: "anyone" } } });
  const address = "127.0.0.1:0";
  const listener =
    transport === "tcp" ? lines(await listenTcp("tcp", address)) : await listenWebSocket(address, {});
  void square.serve(listener);
  return {
    port: Number(String(listener.addr).split(":")[1]),
    publish: (text) => void square.publish("plaza:x", { text }),
  };
}

/**
 * What one writes with ws: everything to everybody, without offsets, history or a limit on what a slow reader
 * costs.
 */
async function bareWs(): Promise<Square> {
  const http = createServer();
  const server = new WebSocketServer({ server: http });
  server.on("connection", (socket) => socket.on("message", () => socket.send('{"type":"subscribed"}')));
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  const address = http.address();
  let offset = 0;
  return {
    port: typeof address === "object" && address ? address.port : 0,
    publish(text) {
      offset++;
      const data = JSON.stringify({
        type: "publication",
        channel: "plaza:x",
        offset,
        at: Date.now(),
        user: "server",
        data: { text },
      });
      for (const client of server.clients) client.send(data);
    },
  };
}

const square =
  contender === "ws" ? await bareWs() : await hub(contender === "hub over TCP" ? "tcp" : "websocket");
process.on("SIGUSR2", () => void publishAll());
console.log(JSON.stringify({ port: square.port }));

async function publishAll(): Promise<void> {
  for (let left = Number(count); left > 0; left--) {
    square.publish(left === 1 ? "END" : TEXT);
    if (left % BURST === 0) await turn();
  }
}
