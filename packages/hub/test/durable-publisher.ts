// Publishes twenty times eight at once, and says when: `durable-publisher.ts DIRECTORY DURABILITY`.
import { writeSync } from "node:fs";
import { durable } from "../src/index.ts";
import { keepAll } from "./durable-crash.ts";

const [directory = "", durability] = process.argv.slice(2);
const engine = await durable(directory, { durability: durability === "disk" ? "disk" : "process" });
engine.start({ publication: () => undefined, replaced: () => undefined, presence: () => undefined });
for (let round = 0; round < 20; round++) {
  writeSync(1, "publish\n");
  await Promise.all(
    Array.from({ length: 8 }, () => engine.publish("c:1", { user: "u", data: "1" }, keepAll)),
  );
  writeSync(1, "acknowledged\n");
}
await engine.close();
