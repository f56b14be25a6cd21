// What the load of `rooms.ts` asks its server, as calls over a session.

/** Begins to measure. */
export const BEGIN = "bench.begin";
/** Answers with `ServerFigures`, since the beginning. */
export const FIGURES = "bench.figures";
/** Opens `{ count }` rooms of the mode `hall`; answers with their ids. */
export const OPEN = "bench.open";

/** The modes of rooms: 100 seats, 10, and one. The last ones stay when nobody is there. */
export type Mode = "crowd" | "ten" | "hall";

/** How late something began, in milliseconds. */
export interface Late {
  readonly p50: number;
  readonly p99: number;
  readonly worst: number;
}

export interface ServerFigures {
  /** Ticks of all rooms. */
  readonly ticks: number;
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
