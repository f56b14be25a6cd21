// What a fragment leaves to its reader: the package it stands in, and the names that speak for themselves.
import { once } from "node:events";
import { createServer } from "node:http";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import * as client from "@zocalo/client";
import * as clientNode from "@zocalo/client/node";
import * as hub from "@zocalo/hub";
import * as net from "@zocalo/net";
import * as transport from "@zocalo/net/transport";
import * as protocol from "@zocalo/protocol";
import * as websocket from "@zocalo/websocket";

const packages: Record<string, object> = {
  client: { ...clientNode, ...client },
  hub,
  net: { ...transport, ...net },
  protocol,
  websocket,
};

/**
 * Makes globals of what the fragment `code` uses and does not make itself.
 *
 * @param home the package the fragment is about.
 */
export async function surround(code: string, home: string): Promise<void> {
  const names: Record<string, unknown> = {
    ...net,
    ...protocol,
    ...hub,
    ...client,
    ...packages[home],
    ...functions,
  };
  const uses = (name: string): boolean =>
    new RegExp(`(?<![.\\w])${name}\\b(?!:)`).test(code) &&
    !new RegExp(`\\b(?:const|let) (?:\\{[^}]*)?${name}\\b`).test(code);
  if (uses("listener")) names["listener"] = await listenerOf(home);
  if (uses("server")) {
    const server = createServer((_request, response) => void response.end("a page"));
    names["server"] = server.listen(0, "127.0.0.1");
    await once(server, "listening");
  }
  Object.assign(globalThis, names);
  // Not made before the fragment asks for them: they dial.
  if (uses("conn")) Object.assign(globalThis, { conn: await connOf(home) });
  if (uses("socket")) {
    const socket = connect(8080, "localhost");
    Object.assign(globalThis, { socket: socket.on("error", ignore) });
  }
  if (uses("room")) {
    const session = client.connect("ws://localhost:8080/ws", { dial: websocket.dial });
    Object.assign(globalThis, { room: session.channel("plaza:general") });
  }
}

const ignore = (): void => undefined;

const functions = {
  /**
   * What a handler of one connection does: it sends back what comes, and rejects when the connection breaks.
   */
  handle: echo,
  serve: echo,
  greet: echo,
  echo,
  report: (error: unknown) => console.error(String(error)),
  show: (...what: unknown[]) => console.log(...what),
  allowed: () => Promise.resolve(true),
  token: "a long random text",
  fetchToken: () => Promise.resolve("a long random text"),
  showBadge: ignore,
  showNotice: ignore,
  showUsers: ignore,
  showError: ignore,
  message: "hola",
  decode: (bytes: Uint8Array) => Buffer.from(bytes),
  cookieIn: (text: string) => text.replace("cookie ", "").trim(),
  answerAtLength: (conn: net.MessageConn, text: string) => void conn.trySend(`${text} at length`),
  file: { write: () => Promise.resolve() },
  pipeline,
  createReadStream: () => Readable.from([Buffer.alloc(100_000), Buffer.alloc(100_000)]),
};

async function echo(conn: net.Conn | net.MessageConn): Promise<void> {
  if ("readFull" in conn) for await (const bytes of conn) await conn.write(bytes);
  else for await (const message of conn) await conn.send(message);
}

async function listenerOf(home: string): Promise<unknown> {
  if (home === "websocket") return websocket.listen("127.0.0.1:0");
  const listener = await net.listen("tcp", "127.0.0.1:0");
  return home === "hub" ? net.lines(listener) : listener;
}

async function connOf(home: string): Promise<unknown> {
  return home === "websocket" ? websocket.dial("ws://localhost:8080") : net.dial("tcp", "localhost:8080");
}
