// Bun's own server, for `websocket.ts`: echo on /echo, broadcast on /all. Run by Bun; prints its port as
// JSON.

interface BunSocket {
  readonly data: { readonly isEcho: boolean };
  send(message: string | Uint8Array): number;
  subscribe(topic: string): void;
}
interface BunServer {
  readonly port: number;
  upgrade(request: unknown, options: { data: BunSocket["data"] }): boolean;
  publish(topic: string, message: string | Uint8Array): number;
}
declare const Bun: { serve(options: unknown): BunServer; gc(isSynchronous: boolean): void };

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch(request: { url: string }, self: BunServer) {
    const isUpgraded = self.upgrade(request, { data: { isEcho: request.url.endsWith("/echo") } });
    return isUpgraded ? undefined : new Response("WebSocket only", { status: 426 });
  },
  websocket: {
    perMessageDeflate: false,
    maxPayloadLength: 16 * 1024 * 1024,
    backpressureLimit: 64 * 1024 * 1024,
    open(socket: BunSocket) {
      if (!socket.data.isEcho) socket.subscribe("all");
    },
    message(socket: BunSocket, message: string | Uint8Array) {
      if (socket.data.isEcho) socket.send(message);
      else server.publish("all", message);
    },
  },
});
console.log(JSON.stringify({ port: server.port }));
process.on("SIGUSR2", () => Bun.gc(true));
