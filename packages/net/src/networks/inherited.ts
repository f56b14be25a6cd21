import { fstatSync, readFileSync } from "node:fs";
import type { Server } from "node:net";
import { type UnixAddr, unixAddr } from "../contracts/addr.ts";
import { NetError } from "../contracts/error.ts";
import { argumentError } from "../contracts/failures.ts";
import { checkNames, shown } from "../options/check-values.ts";

/** A listening socket that this process was started with. */
export interface InheritedSocket {
  /** Its descriptor, 3 or more: the first three are standard input, output and error. */
  readonly fd: number;
  /**
   * What whoever started the process calls it: `FileDescriptorName=` of systemd, by default the name of the
   * socket unit.
   */
  readonly name?: string | undefined;
}

/** The first descriptor that is passed (`SD_LISTEN_FDS_START`). */
const FIRST_FD = 3;
/** Most that are looked for; the system allows as many open files unless told otherwise. */
const MAX_SOCKETS = 1024;
/** Of those that were not named, as sd_listen_fds_with_names(3) has it. */
const UNNAMED = "unknown";

/**
 * The sockets that systemd, or another starter that speaks its protocol, has passed to this process
 * (sd_listen_fds(3)): those of `LISTEN_FDS`, if `LISTEN_PID` is this process, with the names of
 * `LISTEN_FDNAMES`. None where the process was started in another way. The environment is left as it is: a
 * child has another process id.
 *
 * @param env The environment. Default: that of the process.
 * @throws NetError `invalid_argument` for an environment that contradicts itself.
 * @example
 * const web = inheritedSockets().find(({ name }) => name === "web");
 * const listener = await listen("tcp", web ?? ":8080");
 */
export function inheritedSockets(
  env: Readonly<Record<string, string | undefined>> = process.env,
): readonly InheritedSocket[] {
  const { LISTEN_PID: pid, LISTEN_FDS: fds, LISTEN_FDNAMES: fdNames } = env;
  if (fds === undefined || pid !== String(process.pid)) return [];
  const count = /^\d{1,4}$/.test(fds) ? Number(fds) : Number.NaN;
  if (!(count <= MAX_SOCKETS)) {
    throw argumentError("listen", `LISTEN_FDS ${shown(fds)} is not a number from 0 to ${MAX_SOCKETS}`);
  }
  const names = fdNames === undefined || count === 0 ? undefined : fdNames.split(":");
  if (names !== undefined && names.length !== count) {
    const reason = `LISTEN_FDNAMES ${shown(fdNames)} has ${names.length} names for ${count} sockets`;
    throw argumentError("listen", reason);
  }
  return Array.from({ length: count }, (_, i) => ({ fd: FIRST_FD + i, name: names?.[i] || UNNAMED }));
}

/** Whether a listener was given such a socket in place of an address. @throws NetError `invalid_argument`. */
export function isInherited(address: string | InheritedSocket): address is InheritedSocket {
  if (typeof address !== "object" || address === null) return false;
  checkNames("listen", "an inherited socket", address, { fd: 1, name: 1 });
  checkFd(address.fd);
  return true;
}

function checkFd(fd: number): void {
  if (Number.isInteger(fd) && fd >= FIRST_FD && fd < 2 ** 31) return;
  throw argumentError("listen", `fd ${shown(fd)} is not a descriptor of at least ${FIRST_FD}`);
}

/** How a listener takes such a socket over. */
export class Inherited {
  readonly #network: "tcp" | "tls" | "unix";
  readonly #fd: number;
  #server: Server | undefined;

  /**
   * @param refused options that are said when a socket is made: here they would do nothing.
   * @throws NetError `invalid_argument`, also for what is not a socket.
   */
  constructor(network: string, { fd }: InheritedSocket, options: object, refused: readonly string[]) {
    if (network !== "tcp" && network !== "tls" && network !== "unix") {
      throw argumentError(
        "listen",
        `an inherited socket has its IP version: use "tcp", not ${shown(network)}`,
      );
    }
    for (const name of refused) {
      if (Reflect.get(options, name) === undefined) continue;
      throw argumentError("listen", `${name} is said when a socket is made, and fd ${fd} is there already`);
    }
    if (!isSocket(fd)) throw argumentError("listen", `fd ${fd} is not a socket`);
    this.#network = network;
    this.#fd = fd;
  }

  bind(server: Server, backlog: number | undefined): void {
    this.#server = server;
    // Else a worker of node:cluster would ask its primary, which has another socket there.
    server.listen({ fd: this.#fd, exclusive: true, ...(backlog === undefined ? {} : { backlog }) });
  }

  /** @throws NetError `invalid_argument` if it is a socket of another network. */
  check(): Promise<void> {
    const isIp = typeof this.#server?.address() === "object" && this.#server.address() !== null;
    if (isIp === (this.#network !== "unix")) return Promise.resolve();
    return Promise.reject(
      this.#unfit(`is ${isIp ? "a TCP socket" : "a Unix socket"}, and no ${shown(this.#network)}`),
    );
  }

  /** A socket that cannot listen is an "invalid argument" to Node and to the system. */
  explain(error: unknown): unknown {
    if (!(error instanceof Error && "code" in error && error.code === "EINVAL")) return error;
    return this.#unfit("cannot listen: it is a connection (Accept=yes), or of datagrams", error);
  }

  #unfit(what: string, cause?: unknown): NetError {
    const reason = `fd ${this.#fd} ${what}`;
    return new NetError({ op: "listen", network: this.#network, code: "invalid_argument", reason, cause });
  }

  /** The path of a Unix socket, if the system tells: on Linux; else `""`. */
  unixAddr(): UnixAddr {
    return unixAddr(pathOf(this.#fd));
  }
}

function isSocket(fd: number): boolean {
  try {
    return fstatSync(fd).isSocket();
  } catch {
    return false; // Whoever listens is told.
  }
}

/** By its inode in Linux's list of Unix sockets (proc(5)); abstract names begin with `@` there, too. */
function pathOf(fd: number): string {
  try {
    const inode = String(fstatSync(fd).ino);
    for (const line of readFileSync("/proc/net/unix", "utf8").split("\n")) {
      const [, found, path] = /^(?:\S+ +){6}(\d+)(?: (.*))?$/.exec(line) ?? [];
      if (found === inode) return path ?? "";
    }
  } catch {
    // Not Linux, or nobody may look: the name is for people alone.
  }
  return "";
}
