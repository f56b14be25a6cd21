// A server that keeps what it accepts, run with few file descriptors. It greets each connection; asked for it, it tells how busy it
// was since it was last asked.
import { performance } from "node:perf_hooks";
import { listen, NetError } from "@zocalo/net";

let accepted = 0;
let failedAccepts = 0;
const listener = await listen("tcp", "127.0.0.1:0", {
  onRefuse({ reason }) {
    if (reason === "too_many_files") failedAccepts++;
  },
});
process.send?.({ address: String(listener.addr) });

let last = performance.eventLoopUtilization();
process.on("message", () => {
  const { utilization } = performance.eventLoopUtilization(last);
  last = performance.eventLoopUtilization();
  process.send?.({ accepted, failedAccepts, utilization });
});

for await (const conn of listener) {
  accepted++;
  conn.write(Buffer.from("hello")).catch((error: unknown) => {
    if (!(error instanceof NetError)) throw error;
  });
  conn.serve({ data() {} });
}
