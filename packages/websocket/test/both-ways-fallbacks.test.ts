// The same where sockets are accepted by Node and read on `data` events.
import { setAcceptSockets } from "../src/server/accept-sockets.ts";
import { enableReadBuffer } from "@zocalo/net/transport";

setAcceptSockets(false);
enableReadBuffer(false);
await import("./both-ways.test.ts");
await import("./first-bytes.test.ts");
await import("./upgrade.test.ts");
