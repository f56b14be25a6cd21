import type { Scenario } from "@zocalo/integrity";
import { Links } from "./links.ts";
import { messagesScenario } from "./messages.ts";

/** All scenarios of this package, and what undoes what they share. */
export async function makeScenarios(): Promise<{ scenarios: Scenario[]; dispose(): Promise<void> }> {
  const links = await Links.open();
  return { scenarios: [messagesScenario(links)], dispose: () => links.dispose() };
}
