import type { CaseBase, Scenario } from "@zocalo/integrity";
import { flowScenario } from "./flow.ts";
import { Links } from "./links.ts";
import { relayScenario } from "./relay.ts";

/** All scenarios of this package, and what undoes what they share. */
export function makeScenarios(): { scenarios: Scenario[]; dispose(): Promise<void> } {
  const links = new Links();
  return {
    scenarios: [anyCase(flowScenario(links)), anyCase(relayScenario(links))],
    dispose: () => links.dispose(),
  };
}

/** A scenario is only given cases that it has drawn itself, or that say that they are its own. */
function anyCase<C extends CaseBase>(scenario: Scenario<C>): Scenario {
  return scenario as unknown as Scenario;
}
