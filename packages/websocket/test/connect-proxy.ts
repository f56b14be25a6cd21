// An HTTP proxy and a SOCKS one that note what they were asked.
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";

/** A small HTTP proxy. */
export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** Each CONNECT: where to, and, of HTTP, with which credentials. */
  readonly asked: string[];
}

/**
 * Starts one on a free port that connects to this machine, whatever name it is asked for.
 *
 * @param password what it wants to see; `undefined`: nothing.
 */
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

/** The same of SOCKS 5, for names alone, and with a login (RFC 1928, RFC 1929). */
export async function socksProxy(user: string, password: string): Promise<Proxy> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const login = Buffer.concat(
    [user, password].map((text) => Buffer.from(`${String.fromCharCode(Buffer.byteLength(text))}${text}`)),
  );
  const serve = async (socket: Socket): Promise<void> => {
    const portions = socket.iterator({ destroyOnReturn: false });
    const next = async (): Promise<Buffer> => (await portions.next()).value ?? Buffer.alloc(0);
    await next();
    socket.write(Buffer.of(5, 2));
    const isRight = (await next()).equals(Buffer.concat([Buffer.of(1), login]));
    socket.write(Buffer.of(1, isRight ? 0 : 1));
    const request = await next();
    if (request.length === 0) return;
    const port = request.readUInt16BE(request.length - 2);
    asked.push(`${request.toString("latin1", 5, request.length - 2)}:${port}`);
    const onward = connect(port, "127.0.0.1", () => {
      socket.write(Buffer.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
      onward.pipe(socket);
    });
    sockets.add(onward.on("error", () => socket.destroy()));
    onward.on("close", () => socket.destroy());
    socket.on("close", () => onward.destroy());
    // As long as it is iterated over, a stream cannot be piped.
    for (let bytes = await next(); bytes.length > 0; bytes = await next()) onward.write(bytes);
    onward.end();
  };
  const server = createTcpServer((socket) => {
    sockets.add(socket.on("error", () => undefined));
    void serve(socket).catch(() => socket.destroy());
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
