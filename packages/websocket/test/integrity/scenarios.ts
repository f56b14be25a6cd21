import { canSlowLinks, type Scenario } from "@zocalo/integrity";
import { trialsOver } from "@zocalo/net/transport";
import { groupScenario } from "./group.ts";
import { Links } from "./links.ts";
import { messagesScenario } from "./messages.ts";
import { webSocketOverSlowLink } from "./slow-link.ts";
import { webSocketScenario } from "./web-socket.ts";
import { webStreamScenario } from "./web-stream.ts";

/** All scenarios of this package, and what undoes what they share. */
export async function makeScenarios(): Promise<{ scenarios: Scenario[]; dispose(): Promise<void> }> {
  await trialsOver(); // A case that is repeated alone must not meet other steps than among many.
  const links = await Links.open();
  return {
    scenarios: [
      messagesScenario(links),
      groupScenario(links),
      webSocketScenario(links),
      webStreamScenario(links),
      ...(canSlowLinks() ? [webSocketOverSlowLink()] : []),
    ],
    dispose: () => links.dispose(),
  };
}
