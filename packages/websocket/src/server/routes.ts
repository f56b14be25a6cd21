import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import { pathOf } from "../handshake/target.ts";
import { refuse } from "./refuse.ts";

/** A path of a server, and who takes its upgrades. */
export interface Route {
  readonly path: string | undefined;
  accept(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** All listeners attached to one server: somebody has to answer when no path fits. */
interface Routes {
  readonly list: Route[];
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

const routesOf = new WeakMap<Server, Routes>();

export function addRoute(server: Server, route: Route): void {
  let routes = routesOf.get(server);
  if (routes === undefined) {
    const list: Route[] = [];
    const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
      const found = list.find((candidate) => isAt(candidate.path, request.url));
      if (found !== undefined) {
        found.accept(request, socket, head);
      } else if (server.listenerCount("upgrade") === 1) {
        refuse(socket, { status: 404, reason: "no WebSocket here" });
      }
    };
    routes = { list, onUpgrade };
    routesOf.set(server, routes);
    server.on("upgrade", onUpgrade);
  }
  routes.list.push(route);
}

export function removeRoute(server: Server, route: Route): void {
  const routes = routesOf.get(server);
  if (routes === undefined) return;
  const at = routes.list.indexOf(route);
  if (at !== -1) routes.list.splice(at, 1);
  if (routes.list.length > 0) return;
  server.off("upgrade", routes.onUpgrade);
  routesOf.delete(server);
}

export function isAt(path: string | undefined, url: string | undefined): boolean {
  return path === undefined || pathOf(url) === path;
}
