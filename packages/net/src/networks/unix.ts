import { unixAddr } from "../contracts/addr.ts";
import { checkUnixDialOptions, checkUnixListenOptions } from "../options/check-options.ts";
import type { Conn, StreamListener } from "../contracts/conn.ts";
import type { DialOptions } from "../options/dial-options.ts";
import { withinLimits } from "./dial-limits.ts";
import type { UnixListenOptions } from "../options/listen-options.ts";
import { Inherited, type InheritedSocket, isInherited } from "./inherited.ts";
import { connOf } from "./socket-conn.ts";
import { race } from "./race.ts";
import { connectConn } from "./socket-dial.ts";
import { SocketFile } from "./socket-file.ts";
import { type ListenerKind, listenOn } from "./socket-listener.ts";
import { nodePath } from "../options/socket-options.ts";
import { parseAddr } from "../contracts/parse-addr.ts";

/** The dialing side of a Unix socket has no name of its own. */
const unnamed = unixAddr("");

/** Listens on a Unix socket. See `listen`. */
export async function listenUnix(
  path: string | InheritedSocket,
  options: UnixListenOptions = {},
): Promise<StreamListener> {
  if (isInherited(path)) return listenInherited(path, options);
  const addr = parseAddr("unix", path, "listen");
  checkUnixListenOptions(options);
  const site = { op: "listen", network: "unix", localAddr: addr } as const;
  // An abstract name is no file, and neither is a named pipe of Windows.
  const hasFile = !addr.path.startsWith("@") && process.platform !== "win32";
  const file = hasFile ? new SocketFile(addr.path, options, site) : undefined;
  const { backlog } = options;
  const kind: ListenerKind = {
    network: "unix",
    addr,
    bind(server) {
      const path = file?.prepare() ?? nodePath(addr.path);
      // Else a worker of node:cluster would have its primary bind, which knows nothing of the file.
      const exclusive = file !== undefined;
      server.listen({ path, exclusive, ...(backlog === undefined ? {} : { backlog }) });
    },
    publish: () => file?.publish(),
    release: () => file?.remove(),
    boundAddr: () => addr,
    describe: (socket) => ({ socket, localAddr: addr, remoteAddr: unnamed }),
    open: { now: connOf },
  };
  return listenOn(kind, options);
}

/** On a socket that is bound already. Its file is whose that made it: nobody removes it here. */
async function listenInherited(socket: InheritedSocket, options: UnixListenOptions): Promise<StreamListener> {
  checkUnixListenOptions(options);
  const inherited = new Inherited("unix", socket, options, ["mode", "replaceStale", "unlinkOnClose"]);
  const addr = inherited.unixAddr();
  const kind: ListenerKind = {
    network: "unix",
    addr,
    bind: (server) => inherited.bind(server, options.backlog),
    publish: () => inherited.check(),
    explain: (error) => inherited.explain(error),
    boundAddr: () => addr,
    describe: (accepted) => ({ socket: accepted, localAddr: addr, remoteAddr: unnamed }),
    open: { now: connOf },
  };
  return listenOn(kind, options);
}

/** Connects to a Unix socket. See `dial`. */
export async function dialUnix(path: string, options: DialOptions = {}): Promise<Conn> {
  const addr = parseAddr("unix", path, "dial");
  checkUnixDialOptions(options);
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
