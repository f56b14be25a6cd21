import { ProtocolError } from "@zocalo/protocol";
import type { Retention } from "../src/engine/engine.ts";
import { MemoryEngine, type MemoryEngineOptions } from "../src/memory/memory-engine.ts";
import { FakeClock } from "./fake-clock.ts";

/** Keeps more than a test publishes. */
export const keepAll: Retention = { publications: 1_000, bytes: 1_000_000, ttlMs: 60_000, keyMs: 30_000 };

export const hello = { user: "ana", data: '"hola"' };

/** An engine whose clock the test moves. */
export function make(options: MemoryEngineOptions = {}): { engine: MemoryEngine; clock: FakeClock } {
  const clock = new FakeClock();
  return { engine: new MemoryEngine({ clock, ...options }), clock };
}

/** What is refused for a limit of an engine. */
export const isFull = (error: unknown): boolean =>
  error instanceof ProtocolError && error.code === "limit_reached";

/** Publications kept of a channel. */
export async function keptOf(engine: MemoryEngine, channel: string): Promise<number> {
  return (await engine.read(channel, 0, 1_000)).publications.length;
}
