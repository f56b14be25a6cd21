import { type ServerProcess, spawnServer } from "../measure.ts";
import { canPin, SERVER_CPU } from "../tcp-programs.ts";
import type { Session } from "./player.ts";
import { FIGURES, type ServerFigures } from "./wire.ts";

/** All of them, to be stopped whatever happens. */
const started: ServerProcess[] = [];

export async function startServer(nodeArgs: readonly string[] = [], cpu?: number): Promise<ServerProcess> {
  const file = new URL("./server.ts", import.meta.url);
  const server = await spawnServer(file, { nodeArgs, ...(cpu !== undefined && { cpu }) });
  started.push(server);
  return server;
}

/** On the core that the load leaves free. */
export function startPinned(nodeArgs: readonly string[] = []): Promise<ServerProcess> {
  return startServer(nodeArgs, canPin ? SERVER_CPU : undefined);
}

export async function stopServers(): Promise<void> {
  await Promise.all(started.map((server) => server.stop()));
}

export function figuresOf(session: Session): Promise<ServerFigures> {
  return session.call<ServerFigures>(FIGURES, {});
}
