// The same connections where the read buffer cannot be shared: on `data` events.
import { setReusedReadBuffer } from "../src/reused-read-buffer.ts";

setReusedReadBuffer(false);
await import("./conn.test.ts");
await import("./drain.test.ts");
