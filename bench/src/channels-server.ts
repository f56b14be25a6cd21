// An engine with so many channels, for `channels.ts`: `channels-server.ts COUNT PUBLICATIONS [DIRECTORY]`;
// in memory without a directory. Publishes once in each channel if they are not there yet, then so many
// times in any of them, and says what that took. Then it publishes until it is killed.
import { durable, type Engine, MemoryEngine } from "@zocalo/hub";
import { channelName } from "./hub-load.ts";
import { rssBytes } from "./measure.ts";

const AT_ONCE = 64;
const FILLED_AT_ONCE = 2_000;
const RETENTION = { publications: 100, bytes: 1e6, ttlMs: 86_400_000, keyMs: 300_000 };
const DATA = JSON.stringify("x".repeat(198));
/** Of the sequence by which channels are drawn: it comes past each number once in 2^32. */
const [MULTIPLIER, INCREMENT] = [1_664_525, 1_013_904_223];

const [channels, publications] = process.argv.slice(2, 4).map(Number) as [number, number];
const directory = process.argv[4];

const engine: Engine =
  directory === undefined
    ? new MemoryEngine({ maxChannels: 2 * channels, maxBytes: 2 ** 38 })
    : await durable(directory);
engine.start({ publication: () => undefined, replaced: () => undefined, presence: () => undefined });
const publish = (number: number): Promise<unknown> =>
  engine.publish(channelName(number), { user: "u", data: DATA }, RETENTION);

/** Calls `work` so many times, some at a time. */
async function times(
  count: number,
  atOnce: number,
  work: (number: number) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

let drawn = 1;
function draw(): number {
  drawn = (Math.imul(drawn, MULTIPLIER) + INCREMENT) >>> 0;
  return Math.floor((drawn / 2 ** 32) * channels);
}

const rssBefore = rssBytes(process.pid);
const isFilled = channels === 0 || (await engine.read(channelName(channels - 1), 0, 1)).head > 0;
const begin = performance.now();
if (!isFilled) await times(channels, FILLED_AT_ONCE, publish);
const filledMs = performance.now() - begin;
const bytes = rssBytes(process.pid) - rssBefore;
await times(publications / 4, AT_ONCE, () => publish(draw())); // Until it is warm.
const before = process.cpuUsage();
const beganAt = performance.now();
await times(publications, AT_ONCE, () => publish(draw()));
const perSecond = (publications * 1_000) / (performance.now() - beganAt);
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ filledMs, bytes, perSecond, cpuUs: (user + system) / publications }));
for (;;) await times(1_000, AT_ONCE, () => publish(draw()));
