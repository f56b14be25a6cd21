import type { Scenario } from "@zocalo/integrity";
import { datagramScenario } from "./datagram.ts";
import { flowScenario } from "./flow.ts";
import { framingScenario } from "./framing.ts";
import { Links } from "./links.ts";
import { relayScenario } from "./relay.ts";
import { canSlowLinks, slowLinkScenario } from "./slow-link.ts";

/** All scenarios of this package, and what undoes what they share. */
export async function makeScenarios(): Promise<{ scenarios: Scenario[]; dispose(): Promise<void> }> {
  const links = await Links.open();
  return {
    scenarios: [
      flowScenario(links),
      relayScenario(links),
      framingScenario(links),
      datagramScenario(),
      ...(canSlowLinks() ? [slowLinkScenario()] : []),
    ],
    dispose: () => links.dispose(),
  };
}
