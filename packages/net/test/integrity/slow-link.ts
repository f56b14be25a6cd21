import { type Scenario, slowLinkScenario, type SlowLinkCase } from "@zocalo/integrity";
import { type DatagramCase, drawSlowDatagram, simplerDatagrams } from "./datagram.ts";
import { drawSlowFlow, type FlowCase, simplerFlows } from "./flow.ts";
import { drawSlowFraming, type FramingCase, simplerFramings } from "./framing.ts";

type InnerCase = DatagramCase | FlowCase | FramingCase;

/** Datagrams, streams and framed messages that cannot leave as fast as they are handed over. */
export function netOverSlowLink(): Scenario<SlowLinkCase<InnerCase>> {
  return slowLinkScenario<InnerCase>({
    drive: new URL("drive.ts", import.meta.url),
    kilobitsPerSecond: 40_000,
    draw(decks) {
      const draw = decks.deal("slow inner", [drawSlowDatagram, drawSlowFlow, drawSlowFraming]);
      return draw(decks);
    },
    *simpler(inner) {
      if ("sending" in inner) yield* simplerDatagrams(inner);
      else if ("framing" in inner) yield* simplerFramings(inner);
      else yield* simplerFlows(inner);
    },
  });
}
