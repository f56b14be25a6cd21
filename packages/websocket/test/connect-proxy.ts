// An HTTP proxy that notes what it was asked.
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";

/** A small HTTP proxy. */
export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** Each CONNECT: where to, and with which credentials. */
  readonly asked: string[];
}

/** Starts one on a free port that connects to this machine, whatever name it is asked for. @param password what it wants to see; `undefined`: nothing. */
export async function connectProxy(password?: string, server: Server = createServer()): Promise<Proxy> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  server.on("connect", ({ url = "", headers }, socket: Socket, head: Buffer) => {
    const credentials = headers["proxy-authorization"];
    asked.push(`${url} ${credentials ?? "-"}`);
    sockets.add(socket);
    socket.on("error", () => undefined);
    if (password !== undefined && credentials !== `Basic ${Buffer.from(password).toString("base64")}`) {
      socket.end("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    const port = Number(url.slice(url.lastIndexOf(":") + 1));
    const onward = connect(port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      if (head.length > 0) onward.write(head);
      onward.pipe(socket);
      socket.pipe(onward);
    });
    sockets.add(onward);
    onward.on("error", () => socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n"));
    onward.on("close", () => socket.destroy());
    socket.on("close", () => onward.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
