// The same where all requests are left to `node:http`.
import { setOwnUpgrades } from "../src/server/door.ts";

setOwnUpgrades(false);
await import("./upgrade.test.ts");
await import("./upgrade-doors.test.ts");
await import("./listen.test.ts");
