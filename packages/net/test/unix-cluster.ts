// Two workers of node:cluster listen at one path or abstract name, one after the other:
// `unix-cluster.ts PATH`. How that went is told on a line for each. When its input ends, both close, and how
// often a worker has had its primary bind is told.
import cluster, { type Worker } from "node:cluster";
import { once } from "node:events";
import { type Listener, listen, NetError } from "@zocalo/net";

const [, , path = ""] = process.argv;
if (cluster.isPrimary) await fork();
else await work();

async function fork(): Promise<void> {
  const workers: Worker[] = [];
  let bound = 0;
  cluster.on("listening", () => bound++);
  for (let count = 0; count < 2; count++) {
    const worker = cluster.fork();
    workers.push(worker);
    const [said] = (await once(worker, "message")) as [string];
    console.log(said);
  }
  await once(process.stdin.resume(), "end");
  console.log(bound);
  for (const worker of workers) worker.send("close");
}

async function work(): Promise<void> {
  const closed = once(process, "message");
  let listener: Listener | undefined;
  try {
    listener = await listen("unix", path, { mode: 0o600 });
    process.send?.("listening");
  } catch (error) {
    process.send?.(error instanceof NetError ? error.code : String(error));
  }
  await closed;
  await listener?.close();
  process.disconnect();
}
