import { chmodSync, existsSync } from "node:fs";
import type { Server, Socket } from "node:net";
import { dirname } from "node:path";
import { parseAddr, unixAddr } from "./addr.ts";
import type { Conn, Listener } from "./conn.ts";
import type { DialOptions } from "./dial-options.ts";
import { withinLimits } from "./dial-limits.ts";
import { NetError } from "./error.ts";
import type { UnixListenOptions } from "./listen-options.ts";
import { connOf } from "./socket-conn.ts";
import { race } from "./race.ts";
import { connectConn } from "./socket-dial.ts";
import { listenOn } from "./socket-listener.ts";
import { nodePath } from "./socket-options.ts";

/** The dialing side of a Unix socket has no name of its own. */
const unnamed = unixAddr("");

/** Listens on a Unix socket. See `listen`. */
export async function listenUnix(
  path: string,
  options: UnixListenOptions | undefined,
): Promise<Listener<Conn>> {
  const addr = parseAddr("unix", path, "listen");
  const kind = {
    network: "unix",
    addr,
    bind(server: Server) {
      const backlog = options?.backlog;
      server.listen({ path: nodePath(addr.path), ...(backlog === undefined ? {} : { backlog }) });
      // The file exists as soon as `listen` returns, if it could be made; if not, that error follows.
      if (options?.mode !== undefined && server.listening && !addr.path.startsWith("@"))
        chmodSync(addr.path, options.mode);
    },
    boundAddr: () => addr,
    describe: (socket: Socket) => ({ socket, localAddr: addr, remoteAddr: unnamed }),
    open: { now: connOf },
  };
  try {
    return await listenOn(kind, options);
  } catch (error) {
    throw withTrueReason(error, addr.path);
  }
}

/** libuv says EACCES where the system said that there is no such directory. */
function withTrueReason(error: unknown, path: string): unknown {
  const directory = dirname(path);
  if (!(error instanceof NetError) || error.code !== "permission" || existsSync(directory)) return error;
  const { op, network, localAddr, cause } = error;
  const reason = `no such directory: ${directory}`;
  return new NetError({ op, network, localAddr, code: "not_found", reason, cause });
}

/** Connects to a Unix socket. See `dial`. */
export async function dialUnix(path: string, options: DialOptions | undefined): Promise<Conn> {
  const addr = parseAddr("unix", path, "dial");
  const site = { op: "dial", network: "unix", remoteAddr: addr } as const;
  return withinLimits(options, site, ({ signal }) => {
    const attempt = connectConn(
      {
        socket: { path: nodePath(addr.path) },
        site,
        describe: (socket) => ({ socket, localAddr: unnamed, remoteAddr: addr }),
      },
      options,
    );
    return race([addr], () => attempt, { delayMs: 0, remainingMs: Number.POSITIVE_INFINITY, signal });
  });
}
