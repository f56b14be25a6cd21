import { printable } from "@zocalo/net";
import { checkCount, checkKind, checkNames, checkOneOf, type Names } from "@zocalo/net/transport";
import { checkClock } from "../primitives/clock.ts";
import { DurableEngine } from "./engine.ts";
import { machineClock, type StoreClock } from "./moment.ts";
import { StoreThread } from "./store-thread.ts";

/** What a durable engine keeps, and how surely. */
export interface DurableOptions {
  /**
   * What survives when `publish` has resolved. `"disk"`: a loss of power, since the disk has confirmed it.
   * `"process"`: the end of this process, however it ends, but not of the machine; **risk**: a loss of power
   * takes what was acknowledged in the last seconds, and every epoch turns. Default `"disk"`.
   */
  readonly durability?: "disk" | "process";
  /**
   * What the file of the store may take, in bytes, without its log of changes and files that were set aside.
   * At the limit a publication is answered `limit_reached`, until others are past their retention. What one
   * address published may take a quarter of it. Default 10 GiB.
   */
  readonly maxBytes?: number;
  /**
   * Channels at once, unused ones included. At the limit some that are empty and not open are forgotten; a
   * subscriber who comes back to one is told `reset`. If none is found, a publication in a new channel is
   * answered `limit_reached`. One address may have begun a quarter of them. Default 10,000,000.
   */
  readonly maxChannels?: number;
  /**
   * Idempotency keys known for each channel. At the limit a publication with another one is answered
   * `limit_reached`, until the time of some is over: none is forgotten before. One address may have a quarter
   * as many, in all channels together. Default 1,000,000.
   */
  readonly maxKeysPerChannel?: number;
  /**
   * What may wait to be committed or read, in bytes, with names, keys and half a kilobyte for each. Past it a
   * publication, and a read, is answered `unavailable`. What one address publishes may take a quarter of it.
   * Default 64 MiB.
   */
  readonly maxWaitingBytes?: number;
  /**
   * How often what is past its time is removed where nobody publishes or reads, in milliseconds. It is done
   * in steps, which begin nothing more after four milliseconds. Default 10,000.
   */
  readonly tidyMs?: number;
  /**
   * Called with a sentence for whoever runs the server: the disk is full, or has room again; something was
   * damaged and is set aside; the store's thread has ended. Default: writes it to standard error. Must not
   * throw.
   */
  readonly onNotice?: (sentence: string) => void;
  /** For tests. Default: the machine's. */
  readonly clock?: StoreClock;
}

/** Used where `DurableOptions` leaves a field out. */
export const defaultDurableOptions = {
  durability: "disk",
  maxBytes: 10 * 1024 ** 3,
  maxChannels: 10_000_000,
  maxKeysPerChannel: 1_000_000,
  maxWaitingBytes: 64 * 1024 ** 2,
  tidyMs: 10_000,
} as const;

const optionNames: Names<DurableOptions> = {
  durability: 1,
  maxBytes: 1,
  maxChannels: 1,
  maxKeysPerChannel: 1,
  maxWaitingBytes: 1,
  tidyMs: 1,
  onNotice: 1,
  clock: 1,
};

/** The least that some of them may be. */
const LEAST = {
  maxBytes: 1_048_576,
  maxChannels: 1,
  maxKeysPerChannel: 1,
  maxWaitingBytes: 65_536,
  tidyMs: 1,
};
/** No timer is longer. */
const MOST_TIDY_MS = 2 ** 31 - 1;

/**
 * An engine that keeps logs and idempotency keys in a directory, by SQLite in a thread of its own. What it
 * has acknowledged is on the disk.
 *
 * The directory is made if it is not there, so that nobody else may read it (0700). One engine has it at a
 * time. It has to be on a disk of this machine: SQLite cannot share a log of changes over a network.
 *
 * @example
 * const hub = new Hub({ engine: await durable("./data"), namespaces });
 * @throws StoreError `in_use`, `newer_format`, `no_sqlite`, `unusable`
 * @throws NetError `invalid_argument` for a name of an option that is not known, and a value that cannot be
 */
export async function durable(directory: string, options: DurableOptions = {}): Promise<DurableEngine> {
  const { tidyMs, maxWaitingBytes, ...settings } = checked(options);
  const { clock = machineClock(), onNotice = toStandardError } = options;
  const start = (): Promise<StoreThread> => {
    const now = { wall: Math.round(clock.wall()), uptime: Math.round(clock.uptime()) };
    return StoreThread.open({ settings: { directory, ...settings }, boot: clock.boot, now }, onNotice);
  };
  const { durability } = settings;
  const parts = { durability, clock, maxWaitingBytes, tidyMs, onNotice, start };
  return new DurableEngine(await start(), parts);
}

/** Nothing is left out, or given as `undefined`. */
type Checked = { durability: "disk" | "process" } & { [Name in keyof typeof LEAST]: number };

function checked(options: DurableOptions): Checked {
  checkNames("set", "durable", options, optionNames);
  const { durability = defaultDurableOptions.durability, clock } = options;
  checkOneOf("set", "durability", durability, ["disk", "process"]);
  checkKind("set", "onNotice", options.onNotice, "function");
  checkClock(clock, ["wall", "uptime"]);
  if (clock !== undefined) checkKind("set", "clock.boot", clock.boot ?? null, "string");
  const settings: Checked = { ...defaultDurableOptions, durability };
  for (const name of Object.keys(LEAST) as (keyof typeof LEAST)[]) {
    const { [name]: value = defaultDurableOptions[name] } = options;
    const most = name === "tidyMs" ? MOST_TIDY_MS : Number.MAX_SAFE_INTEGER;
    settings[name] = checkCount("set", name, value, most, LEAST[name]);
  }
  return settings;
}

function toStandardError(sentence: string): void {
  console.error(`zocalo hub: ${printable(sentence)}`);
}
