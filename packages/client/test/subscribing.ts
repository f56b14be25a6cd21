import type { Publications, SubscriptionHandlers } from "../src/index.ts";
import type { FakeServer } from "./fake-server.ts";

export const name = "plaza:general";

/** Handlers that write down what they are told. */
export function notes() {
  const log: unknown[] = [];
  const handlers: SubscriptionHandlers = {
    publication: ({ offset }) => void log.push(offset),
    gap: (gap) => void log.push(gap),
    recovered: ({ since, missed }) => void log.push(`recovered ${missed} since ${since.offset}`),
    error: (error) => void log.push(error),
  };
  return { log, handlers };
}

export function fill(server: FakeServer, count: number): void {
  for (let index = 0; index < count; index++) server.publish(name, index);
}

export async function take(subscription: Publications, count: number): Promise<number[]> {
  const offsets: number[] = [];
  while (offsets.length < count) {
    const { value } = await subscription.next();
    offsets.push(value?.offset ?? Number.NaN);
  }
  return offsets;
}
