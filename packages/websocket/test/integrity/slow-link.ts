import { type Scenario, slowLinkScenario, type SlowLinkCase } from "@zocalo/integrity";
import { drawSlowMessages, type MessagesCase, simplerMessages } from "./messages.ts";

/** Messages that cannot leave as fast as they are handed over, while others come. */
export function webSocketOverSlowLink(): Scenario<SlowLinkCase<MessagesCase>> {
  return slowLinkScenario({
    drive: new URL("drive.ts", import.meta.url),
    kilobitsPerSecond: 40_000,
    draw: drawSlowMessages,
    simpler: simplerMessages,
  });
}
