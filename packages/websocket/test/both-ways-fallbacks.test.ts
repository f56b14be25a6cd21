// The same where sockets are read on `data` events.
import { enableReadBuffer } from "@zocalo/net/transport";

enableReadBuffer(false);
await import("./both-ways.test.ts");
await import("./first-bytes.test.ts");
await import("./upgrade.test.ts");
await import("./upgrade-doors.test.ts");
