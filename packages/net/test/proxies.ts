import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { inspect } from "node:util";
import type { TestCertificates } from "@zocalo/integrity";
import { type Conn, listen, NetError } from "@zocalo/net";

export const USER = "ana";
export const PASSWORD = "s/ésamo:1";
export const LOGIN = `${USER}:${encodeURIComponent(PASSWORD)}`;

/** An error, its causes and all its fields hold nothing of user and password. */
export function hidesSecrets(error: unknown): void {
  const whole = inspect(error, { depth: 9, showHidden: true });
  const basic = Buffer.from(`${USER}:${PASSWORD}`).toString("base64");
  for (const secret of [PASSWORD, encodeURIComponent(PASSWORD), basic]) {
    assert.ok(!whole.includes(secret), whole);
  }
}

export async function fails(dialed: Promise<Conn>, code: string, message: RegExp): Promise<void> {
  await assert.rejects(dialed, (error: unknown) => {
    assert.ok(error instanceof NetError, String(error));
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    hidesSecrets(error);
    return true;
  });
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

export const basic = Buffer.from(`${USER}:${PASSWORD}`).toString("base64");

/** What a proxy answers that has made the tunnel. */
export const granted = {
  socks5: Buffer.of(5, 0, 0, 3, 4, ...Buffer.from("host"), 0, 80),
  http: Buffer.from("HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 200 OK\r\nVia: x\r\n\r\n"),
} as const;

export function closed(sockets: Iterable<Socket>): Promise<unknown> {
  const over = (socket: Socket) =>
    new Promise<void>((resolve) => (socket.closed ? resolve() : socket.once("close", () => resolve())));
  return Promise.all([...sockets].map(over));
}

/** A proxy written here: told of each connection, and of each portion of bytes. */
export async function handmade(
  serve: (socket: Socket, portion: AsyncIterator<Buffer>) => Promise<void> | void,
) {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    const portions = socket.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>;
    void (async () => serve(socket, portions))().catch(() => socket.destroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    open: sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** A server that echoes; its certificate is for localhost. */
export async function echoing(
  certificates: TestCertificates,
  network: "tcp" | "tls" = "tcp",
  host = "127.0.0.1",
) {
  const { cert, key } = certificates.issue("localhost", ["localhost"]);
  const listener = await (network === "tcp"
    ? listen("tcp", `${host}:0`)
    : listen("tls", `${host}:0`, { cert, key }));
  void (async () => {
    for await (const conn of listener) conn.serve({ data: (bytes) => conn.write(bytes) });
  })();
  return { port: listener.addr.port, [Symbol.asyncDispose]: () => listener.abort() };
}

export async function echoesOnce(conn: Conn): Promise<void> {
  const sent = Buffer.alloc(300_000, "hola");
  const received = conn.readFull(sent.length);
  await conn.write(sent);
  const echoed = await received;
  assert.ok(echoed !== null && sent.equals(echoed));
}

export async function echoes(conn: Conn): Promise<void> {
  await echoesOnce(conn);
  await conn.closeWrite();
  assert.equal(await conn.read(), null);
  await conn.close();
}
