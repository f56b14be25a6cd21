import { parentPort, workerData } from "node:worker_threads";
import type { FromWorker, ToWorker, WorkerData } from "./messages.ts";
import { packOutcome, unpackBatch } from "./packing.ts";
import { findSqlite } from "./sqlite.ts";
import { Store } from "./store.ts";
import { StoreError } from "./store-error.ts";

// The thread that has the store. One batch comes at a time; `DurableEngine` is the other side.
const port = parentPort;
if (!port) throw new Error("this is started by durable()");
const tell = (message: FromWorker): void => port.postMessage(message);

const { settings, boot, now } = workerData as WorkerData;
const notices: string[] = [];
try {
  const store = new Store(findSqlite(), settings, boot, now, notices);
  tell({ opened: store.notices });
  port.on("message", (message: ToWorker) => {
    if (!("close" in message)) {
      tell({ outcome: packOutcome(store.run(unpackBatch(message))) });
      return;
    }
    store.close(message.close);
    tell({ closed: store.notices });
    port.close();
  });
} catch (error) {
  if (!(error instanceof StoreError)) throw error;
  tell({ refused: { code: error.code, message: error.message, cause: error.cause }, notices });
}
