// A server that keeps what it accepts, run with few file descriptors. It greets each connection; asked for
// it, it tells how busy it was since it was last asked.
import { performance } from "node:perf_hooks";
import { dial, listen, NetError } from "@zocalo/net";

/** What it tells. */
export interface CrowdedState {
  readonly accepted: number;
  readonly failedAccepts: number;
  /** The share of the time in which the event loop had something to do. */
  readonly utilization: number;
  /** Code and operation of the error of its own dial. */
  readonly ownDial: readonly string[];
}

let accepted = 0;
let failedAccepts = 0;
const listener = await listen("tcp", "127.0.0.1:0", {
  onRefuse({ reason }) {
    if (reason === "too_many_files") failedAccepts++;
  },
});
process.send?.({ address: String(listener.addr) });

let last = performance.eventLoopUtilization();
process.on("message", () => void tell());

async function tell(): Promise<void> {
  const { utilization } = performance.eventLoopUtilization(last);
  const ownDial = await dial("tcp", String(listener.addr)).then(
    (conn) => {
      conn.abort();
      return [];
    },
    (error: unknown) => (error instanceof NetError ? [error.code, error.op] : [String(error)]),
  );
  const state: CrowdedState = { accepted, failedAccepts, utilization, ownDial };
  process.send?.(state);
  last = performance.eventLoopUtilization();
}

for await (const conn of listener) {
  accepted++;
  conn.write(Buffer.from("hello")).catch((error: unknown) => {
    if (!(error instanceof NetError)) throw error;
  });
  conn.serve({ data() {} });
}
