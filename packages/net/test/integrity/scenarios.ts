import { canSlowLinks, type Scenario } from "@zocalo/integrity";
import { trialsOver } from "@zocalo/net/transport";
import { datagramScenario } from "./datagram.ts";
import { flowScenario } from "./flow.ts";
import { foreignProgramScenario } from "./foreign-program.ts";
import { framingScenario } from "./framing.ts";
import { Links } from "./links.ts";
import { relayScenario } from "./relay.ts";
import { netOverSlowLink } from "./slow-link.ts";

/** All scenarios of this package, and what undoes what they share. */
export async function makeScenarios(): Promise<{ scenarios: Scenario[]; dispose(): Promise<void> }> {
  await trialsOver(); // A case that is repeated alone must not meet other steps than among many.
  const links = await Links.open();
  const foreign = foreignProgramScenario(links);
  return {
    scenarios: [
      flowScenario(links),
      relayScenario(links),
      framingScenario(links),
      datagramScenario(),
      ...(foreign === undefined ? [] : [foreign]),
      ...(canSlowLinks() ? [netOverSlowLink()] : []),
    ],
    dispose: () => links.dispose(),
  };
}
