// The same connections where the read buffer cannot be shared: on `data` events.
import { enableReadBuffer } from "../../net/src/node-internals.ts";

enableReadBuffer(false);
await import("./conn.test.ts");
await import("./drain.test.ts");
