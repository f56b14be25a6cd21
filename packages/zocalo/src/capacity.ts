import { readFileSync } from "node:fs";
import type { Settings } from "./settings.ts";

/** Connections of one address beyond its clients: they ask for pages, or are told that there are too many. */
const SPARE_CONNECTIONS = 100;

/** How many connections a server takes. */
export interface Capacity {
  readonly maxClients: number;
  readonly maxClientsPerAddress: number;
  /** Of one address at one door, clients included. */
  readonly maxConnectionsPerAddress: number;
  /** How many files this process may have open, if the settings would need more. */
  readonly tooFewFiles: number | undefined;
}

/**
 * What the settings ask for, or less: a connection is an open file, and where those are few, one address
 * would take all of them long before its limit. So it gets a quarter for its clients, and an eighth at each
 * door for what is no client.
 */
export function capacityFor(settings: Settings, files = maxOpenFiles()): Capacity {
  const most = files ?? Number.POSITIVE_INFINITY;
  const maxClients = Math.min(settings.maxClients, share(most, 3 / 4));
  const maxClientsPerAddress = Math.min(settings.maxClientsPerAddress, share(most, 1 / 4));
  const isLess = maxClients < settings.maxClients || maxClientsPerAddress < settings.maxClientsPerAddress;
  return {
    maxClients,
    maxClientsPerAddress,
    maxConnectionsPerAddress: maxClientsPerAddress + Math.min(SPARE_CONNECTIONS, share(most, 1 / 8)),
    tooFewFiles: isLess ? files : undefined,
  };
}

function share(files: number, part: number): number {
  return Math.max(1, Math.floor(files * part));
}

/** `ulimit -n`, which Node has raised as far as it may by now; `undefined` where the system does not say. */
function maxOpenFiles(): number | undefined {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined; // Not Linux: the settings count as they are.
  }
}
