// The same connections where the read buffer cannot be shared: on `data` events.
import { enableReadBuffer } from "@zocalo/net/transport";

enableReadBuffer(false);
await import("./conn.test.ts");
await import("./conn-close.test.ts");
await import("./dial-answers.test.ts");
await import("./keepalive.test.ts");
await import("./drain.test.ts");
