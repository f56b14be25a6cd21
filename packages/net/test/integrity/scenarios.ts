import type { Scenario } from "@zocalo/integrity";
import { flowScenario } from "./flow.ts";
import { Links } from "./links.ts";
import { relayScenario } from "./relay.ts";

/** All scenarios of this package, and what undoes what they share. */
export async function makeScenarios(): Promise<{ scenarios: Scenario[]; dispose(): Promise<void> }> {
  const links = await Links.open();
  return { scenarios: [flowScenario(links), relayScenario(links)], dispose: () => links.dispose() };
}
