import type { TestContext } from "node:test";
import { connect, type ConnectOptions, type Session } from "@zocalo/client";
import { type Engine, Hub, type HubOptions } from "@zocalo/hub";
import { type RoomMode, roomNamespaces, Rooms, type RoomsOptions } from "@zocalo/room";
import * as websocket from "@zocalo/websocket";
import { squareRoom } from "./square.ts";
import { Told, toldClock } from "./told.ts";

/** A server with rooms, at a port of its own. */
export interface RoomServer {
  readonly hub: Hub;
  readonly rooms: Rooms;
  readonly address: string;
  readonly errors: unknown[];
  /** A new session; it is closed with the test. */
  session(options?: Partial<ConnectOptions>): Session;
  /** Resolves once this holds; it is asked after each call, and each timer of its rooms. */
  readonly until: (holds: () => boolean) => Promise<void>;
  close(): Promise<void>;
}

export interface RoomServerOptions {
  readonly engine?: Engine;
  readonly modes?: { readonly [mode: string]: RoomMode };
  readonly rooms?: RoomsOptions;
  readonly authenticate?: HubOptions["authenticate"];
  /** Is told of each call before it is answered. */
  readonly called?: (method: string) => void;
  /** Default: a free port. */
  readonly address?: string;
}

/** Opens one, and closes it with the test. */
export async function serveRooms(t: TestContext, options: RoomServerOptions = {}): Promise<RoomServer> {
  const errors: unknown[] = [];
  const { engine, authenticate, called, modes = { square: squareRoom } } = options;
  const hub = new Hub({
    namespaces: { ...roomNamespaces },
    ...(engine && { engine }),
    ...(authenticate && { authenticate }),
  });
  const told = new Told();
  const handle = hub.handle.bind(hub);
  hub.handle = (method, handler) =>
    handle(method, (context, data) => {
      called?.(method);
      setImmediate(told.look);
      return handler(context, data);
    });
  const rooms = new Rooms(hub, modes, {
    onError: (error) => errors.push(error),
    ...options.rooms,
    clock: toldClock(told, options.rooms?.clock),
  });
  await rooms.open();
  const listener = await websocket.listen(options.address ?? "127.0.0.1:0");
  const serving = hub.serve(listener);
  const sessions: Session[] = [];
  let closing: Promise<void> | undefined;
  const server: RoomServer = {
    hub,
    rooms,
    address: String(listener.addr),
    errors,
    until: (holds) => told.until(holds),
    session(given = {}) {
      const session = connect(`ws://${String(listener.addr)}`, { dial: websocket.dial, ...given });
      sessions.push(session);
      return session;
    },
    close() {
      closing ??= (async () => {
        await rooms.close();
        await hub.close();
        await serving;
      })();
      return closing;
    },
  };
  t.after(async () => {
    await Promise.all(sessions.map((session) => session.close()));
    await server.close();
  });
  return server;
}
