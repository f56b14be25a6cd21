// Every example that dials, with servers that reset and that answer rubbish. It may throw, as every program
// may; nothing may end in a rejection that no line could have caught.
import { describe, test } from "node:test";
import { bundle, dialing, ended, start } from "./examples/examples.ts";
import { hostileServers } from "./examples/hostile-peers.ts";

await bundle(dialing);

describe("examples that dial", { concurrency: 2 }, () => {
  for (const example of dialing) {
    test(example.place, async () => {
      using servers = await hostileServers();
      const child = start(example, "dialing", JSON.stringify(servers.ports));
      await ended(child, example);
    });
  }
});
