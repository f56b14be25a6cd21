// Opens a store, publishes once in each of so many channels, says how long it took, and publishes until it is
// killed: `durable-start.ts DIRECTORY CHANNELS`.
import { durable } from "@zocalo/hub";

const AT_ONCE = 2_000;
const RETENTION = { publications: 100, bytes: 1e6, ttlMs: 86_400_000, keyTtlMs: 300_000 };
const [directory = "", channels = "0"] = process.argv.slice(2);
const begin = performance.now();
const engine = await durable(directory);
engine.start({ publication: () => undefined, replaced: () => undefined, presence: () => undefined });
const openMs = performance.now() - begin;
const publish = (number: number): Promise<unknown> =>
  engine.publish(`c:${number}`, { user: "u", data: JSON.stringify("x".repeat(198)) }, RETENTION);
await publish(0);
const firstMs = performance.now() - begin;
for (let from = 1; from < Number(channels); from += AT_ONCE) {
  const count = Math.min(AT_ONCE, Number(channels) - from);
  await Promise.all(Array.from({ length: count }, (_, index) => publish(from + index)));
}
console.log(JSON.stringify({ openMs, firstMs }));
for (let number = 0; ; number++) await publish(number % 1_000);
