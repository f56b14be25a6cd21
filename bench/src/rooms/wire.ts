// What the load of `rooms.ts` asks its server, as calls over a session.

/** Begins to measure. */
export const BEGIN = "bench.begin";
/** Answers with `ServerFigures`, since the beginning. */
export const FIGURES = "bench.figures";
/** Opens `{ count }` rooms of the mode `hall`; answers with their ids. */
export const OPEN = "bench.open";

/**
 * The modes of rooms: 100 seats, 10, 10 of which bots have those that nobody takes, and one. The last ones
 * stay when nobody is there.
 */
export type Mode = "crowd" | "ten" | "filled" | "hall";

/** How late something began, in milliseconds. */
export interface Late {
  readonly p50: number;
  readonly p99: number;
  readonly worst: number;
}

export interface ServerFigures {
  /** Ticks that rooms ran, and those of them that a timer began of which `late` tells. */
  readonly ticks: number;
  readonly timed: number;
  readonly rooms: number;
  readonly late: Late;
  /** Of a ticker of the same rate in the same process, which has nothing to do. */
  readonly control: Late;
  /** Datagrams of the lanes. */
  readonly received: number;
  readonly sent: number;
  /** Not sent, as a limit or the system refused them. */
  readonly refused: number;
  /** Of JavaScript objects, and of the memory that arrays hold. */
  readonly heapBytes: number;
}

/** Messages of lanes, without seals and what is below them. */
export interface Traffic {
  messagesIn: number;
  bytesIn: number;
  messagesOut: number;
  bytesOut: number;
}

/** What several have had together. */
export function summed(all: Iterable<Readonly<Traffic>>): Traffic {
  const sum: Traffic = { messagesIn: 0, bytesIn: 0, messagesOut: 0, bytesOut: 0 };
  for (const one of all) {
    sum.messagesIn += one.messagesIn;
    sum.bytesIn += one.bytesIn;
    sum.messagesOut += one.messagesOut;
    sum.bytesOut += one.bytesOut;
  }
  return sum;
}

/** What a load process is told: who comes, that it is to say what came and went, and that all leave. */
export type LoadRequest =
  | {
      readonly task: "enter";
      readonly port: number;
      readonly mode: Mode;
      readonly clients: number;
      readonly seed: number;
    }
  | { readonly task: "count" }
  | { readonly task: "leave" };
