import { Hub, type HubOptions } from "../src/index.ts";
import { FakeClock } from "./fake-clock.ts";
import { FakeConn, type FakeConnOptions } from "./fake-conn.ts";

/** A hub on a clock of its own, with connections for the asking. */
export interface Square {
  readonly hub: Hub;
  readonly clock: FakeClock;
  /** What the hub reported. */
  readonly errors: unknown[];
  readonly conn: (options?: FakeConnOptions) => FakeConn;
}

/** What may be done where, in most tests. */
export const namespaces = {
  /** Everything is allowed. */
  plaza: { subscribe: "anyone", publish: "anyone", presence: true },
  /** The same without presence. */
  quiet: { subscribe: "anyone", publish: "anyone" },
  /** Ten publications are kept. */
  short: { subscribe: "anyone", publish: "anyone", history: { publications: 10 } },
  /** Only the server publishes. */
  news: { subscribe: "anyone" },
  /** Nobody may do anything. */
  closed: {},
} as const;

export function square({
  clock = new FakeClock(),
  ...options
}: Partial<HubOptions> & { clock?: FakeClock } = {}): Square {
  const errors: unknown[] = [];
  const hub = new Hub({ namespaces, clock, onError: (error) => errors.push(error), ...options });
  return {
    hub,
    clock,
    errors,
    conn(given) {
      const conn = new FakeConn(given);
      hub.accept(conn);
      return conn;
    },
  };
}
