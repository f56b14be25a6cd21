// The four ways in which this package lets an upgrade in, each on a server of its own, and a client that
// writes what it likes.
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { connect as connectTls } from "node:tls";
import { joinHostPort, type Listener } from "@zocalo/net";
import {
  attach,
  listen,
  type ListenOptions,
  Upgrader,
  type WebSocketConn,
  type WebSocketRefusal,
} from "../src/index.ts";
import { listenByHttp } from "./both-ways.ts";
import { portOf } from "./peers.ts";

export const DOORS = ["listen", "listen by node:http", "attach", "Upgrader"] as const;

export interface Door extends AsyncDisposable {
  readonly port: number;
  /** Why upgrades failed. */
  readonly refused: readonly Error[];
}

/** Opens a door at `/ws` (`Upgrader` knows no paths) on a free port of `host`. */
export async function openDoor(
  kind: (typeof DOORS)[number],
  options: ListenOptions = {},
  host = "127.0.0.1",
): Promise<Door> {
  const refused: Error[] = [];
  const onRefused = (error: Error): void => void refused.push(error);
  const onRefuse = ({ error }: WebSocketRefusal): void => onRefused(error as Error);
  const withPath = { path: "/ws", ...options, onRefuse };
  if (kind === "listen" || kind === "listen by node:http") {
    const start = kind === "listen" ? listen : listenByHttp;
    const listener = await start(joinHostPort(host, 0), withPath);
    void serveAll(listener);
    return { port: portOf(listener), refused, [Symbol.asyncDispose]: () => listener.abort() };
  }
  const server = createServer((_request, response) => void response.end("a page")).listen(0, host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  if (kind === "attach") {
    void serveAll(attach(server, withPath));
  } else {
    const upgrader = new Upgrader(options);
    server.on("upgrade", (request, socket, head) => {
      upgrader.upgrade(request, socket, head).then(serve, onRefused);
    });
  }
  return {
    port,
    refused,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function serveAll(listener: Listener<WebSocketConn>): Promise<void> {
  for await (const conn of listener) serve(conn);
}

function serve(conn: WebSocketConn): void {
  conn.serve({ message: () => undefined });
}

/** The answer to one request: its status, and all of it. */
export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Writes `request` on a connection of its own, and reads until the server ends it or has upgraded it. */
export async function answerOf(
  port: number,
  request: string,
  host = "127.0.0.1",
  isSecure = false,
): Promise<Answer> {
  const socket = isSecure ? connectTls({ port, host, rejectUnauthorized: false }) : connect({ port, host });
  let text = "";
  socket.setEncoding("latin1").on("error", () => undefined);
  socket.on("data", (chunk: string) => {
    text += chunk;
    if (/^HTTP\/1\.1 101 [^]*\r\n\r\n/.test(text)) socket.destroy();
  });
  socket.write(request, "latin1");
  await once(socket, "close");
  return { status: Number(text.split(" ")[1]), text };
}
