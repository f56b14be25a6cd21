import { readFileSync } from "node:fs";

/**
 * Counts what Linux throws away of the datagrams for a port of this network, since it was made: those that
 * found the socket's buffer full, see proc_net(5), and those of all ports that found a processor's queue
 * full. Nothing else is lost on a loopback.
 */
export class LostDatagrams {
  readonly #port: number;
  readonly #before: number;

  constructor(port: number) {
    this.#port = port;
    this.#before = droppedByProcessors() ?? 0;
  }

  /** Most datagrams that may be missing; `undefined` where nobody knows, which is anywhere but on Linux. */
  get count(): number | undefined {
    const bySocket = droppedBySocket(this.#port);
    const byProcessors = droppedByProcessors();
    if (bySocket === undefined || byProcessors === undefined) return undefined;
    return bySocket + byProcessors - this.#before;
  }
}

function droppedBySocket(port: number): number | undefined {
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  for (const line of linesOf("/proc/net/udp")) {
    const fields = line.trim().split(/\s+/);
    if (fields[1]?.endsWith(local) !== true) continue;
    const drops = Number(fields.at(-1));
    return fields.length >= 13 && Number.isInteger(drops) ? drops : undefined;
  }
  return undefined;
}

function droppedByProcessors(): number | undefined {
  const lines = linesOf("/proc/net/softnet_stat");
  if (lines.length === 0) return undefined;
  return lines.reduce((sum, line) => sum + Number.parseInt(line.split(" ")[1] ?? "0", 16), 0);
}

function linesOf(path: string): string[] {
  try {
    return readFileSync(path, "latin1").trim().split("\n");
  } catch {
    return []; // not Linux: the caller goes without
  }
}
