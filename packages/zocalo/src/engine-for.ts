import { durable, type Engine, MemoryEngine, StoreError } from "@zocalo/hub";
import { resolve } from "node:path";
import { UserError } from "./exit-code.ts";
import type { Logger } from "./log.ts";
import type { Settings } from "./settings.ts";

/**
 * The engine that the settings ask for.
 *
 * @throws UserError when its directory cannot be used; it says who has it, or why not
 */
export async function engineFor(settings: Settings, log: Logger): Promise<Engine> {
  const { maxKeysPerChannel } = settings;
  if (settings.engine === "memory") {
    return new MemoryEngine({
      maxChannels: settings.maxChannels,
      maxChannelsPerAddress: settings.maxChannelsPerAddress,
      maxKeysPerChannel,
      maxBytes: settings.maxMemoryBytes,
      maxBytesPerAddress: settings.maxMemoryBytesPerAddress,
    });
  }
  const data = resolve(settings.data);
  try {
    const onNotice = (sentence: string): void => log.warn({ data }, sentence);
    return await durable(data, { maxBytes: settings.maxDiskBytes, maxKeysPerChannel, onNotice });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    throw new UserError(`${error.message}; ${ADVICE[error.code]}`);
  }
}

const IN_MEMORY = "--engine memory keeps everything in memory, until the server stops";

/** What to do about it. */
const ADVICE: Readonly<Record<StoreError["code"], string>> = {
  in_use: "stop that, or give another directory by --data",
  newer_format: `or give another directory by --data`,
  no_sqlite: `or ${IN_MEMORY}`,
  unusable: `--data gives another directory, and ${IN_MEMORY}`,
};
