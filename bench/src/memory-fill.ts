// `memory-fill.ts FILLING MAX-BYTES TIMES`: fills a memory engine and prints what memory this process took.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { MemoryEngine, type NewPublication, type Retention } from "@zocalo/hub";
import { FILLINGS, type Filled, type Filling } from "./memory-fillings.ts";

const name = process.argv[2] ?? "";
const maxBytes = Number(process.argv[3]);
const times = Number(process.argv[4]);
const filling = FILLINGS[name];
if (!filling) throw new Error(`unknown: ${name}`);

const keepAll: Retention = { publications: 1e9, bytes: 1e12, ttlMs: 1e12, keyMs: 1e12 };
/** Bytes that are published without a pause. */
const TOGETHER = 100_000;
/** What a small publication takes beside its data, so that as much is published of each size. */
const OVERHEAD = 112;
/** What is published before the measurement: code is compiled, and the room for new objects has its size. */
const WARM_UP_BYTES = 32 * 1_048_576;
const WARM_UP_MAX_BYTES = 1_048_576;

/** Texts, or bytes, as they come from a socket: each is decoded, or copied, anew. */
function contents(kind: Filling): (number: number) => string | Uint8Array {
  const { length, character = "x", otherLength = length, isBytes } = kind;
  const frames = [length, otherLength].map((each) => Buffer.from(JSON.stringify(character.repeat(each - 2))));
  return (number) => {
    const frame = frames[Math.floor(number / 1_000) % 2] as Buffer;
    frame.write(`${number}`.padStart(10, "0"), 1, "latin1");
    return isBytes ? new Uint8Array(frame) : frame.toString();
  };
}

function engineOf(most: number): MemoryEngine {
  return new MemoryEngine({ maxBytes: most, maxBytesPerAddress: most, maxChannels: 1e9 });
}

/** Publishes so many bytes; calls `look` now and then. */
async function publish(engine: MemoryEngine, bytes: number, look: () => void): Promise<number> {
  const { channels = 100, isKeyed, hasAddress, info } = filling as Filling;
  const contentOf = contents(filling as Filling);
  let number = 0;
  let hasRoomForKeys = isKeyed === true;
  for (let left = bytes; left > 0; ) {
    for (let together = 0; together < TOGETHER && left > 0; number++) {
      const data = contentOf(number);
      together += data.length + OVERHEAD;
      left -= data.length + OVERHEAD;
      const id = number.toString(36).padStart(12, "0");
      const publication: NewPublication = {
        user: `u${id}`,
        info,
        data,
        key: hasRoomForKeys ? `${id}-${id}-0123456789` : undefined,
        address: hasAddress ? `2001:db8:${id.slice(-8, -4)}:${id.slice(-4)}` : undefined,
      };
      const channel = `c:${channels === Number.POSITIVE_INFINITY ? id : number % channels}`;
      try {
        await engine.publish(channel, publication, keepAll);
      } catch (error) {
        if (!hasRoomForKeys) throw error;
        hasRoomForKeys = false;
      }
    }
    look();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return number;
}

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc") as () => void;
/** V8 gives pages that are free back to the system about 8 s after a collection (Node 26). */
const SETTLE_MS = 10_000;

/** Lets go what has passed through: the texts are the caller's, and V8 collects them when it likes. */
async function settle(): Promise<void> {
  gc();
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  gc();
}

const warm = engineOf(WARM_UP_MAX_BYTES);
await publish(warm, WARM_UP_BYTES, () => undefined);
await warm.close();
await settle();

const engine = engineOf(maxBytes);
const before = process.memoryUsage.rss();
const cpuBefore = process.cpuUsage();
const grown = (): number => (process.memoryUsage.rss() - before) / maxBytes;
let most = 0;
let full: number | undefined;
let counted = 0;
const published = await publish(engine, maxBytes * times, () => {
  const now = grown();
  most = Math.max(most, now);
  if (engine.bytes < counted) full ??= now;
  counted = engine.bytes;
});
const { user, system } = process.cpuUsage(cpuBefore);
await settle();
const filled: Filled = {
  full: full ?? Number.NaN,
  most,
  settled: grown(),
  counted: engine.bytes / maxBytes,
  published,
  cpuUs: (user + system) / published,
};
console.log(JSON.stringify(filled));
await engine.close();
