import { Random } from "@zocalo/integrity";
import { MemoryEngine } from "../src/index.ts";
import { lastingStore, temporaryStore } from "./durable-store.ts";
import { engineContract } from "./engine-contract.ts";
import { FakeClock } from "./fake-clock.ts";
import { FaultyEngine } from "./faulty-engine.ts";
import { lastingEngineContract } from "./lasting-engine-contract.ts";

engineContract("memory", () => new MemoryEngine());

// The engine of the simulation has to keep the contract too, or the simulation would prove nothing.
engineContract(
  "faulty, on a calm day",
  () => {
    const engine = new FaultyEngine(new FakeClock(), new Random(1), {
      maxDelayMs: 5,
      readFails: 0,
      publishFails: 0,
    });
    engine.isCalm = true;
    return engine;
  },
  () => new Promise((resolve) => setImmediate(resolve)),
);

engineContract("durable", () => temporaryStore());
lastingEngineContract("durable", () => lastingStore());
