import type { Channels } from "./channels.ts";
import type { Keys } from "./keys.ts";
import { pragma } from "./schema.ts";
import type { StoreFile } from "./store-file.ts";

/** Channels that one step looks at: a few milliseconds. */
const CHANNELS_AT_ONCE = 64;
/** Pages that one step gives back to the system, and how many it leaves for what comes. */
const PAGES_AT_ONCE = 256;
const SPARE_PAGES = 1_024;

/** Removes, in small steps, what is past its time where nobody publishes or reads, and gives room back. */
export class Tidying {
  readonly #file: StoreFile;
  readonly #channels: Channels;
  readonly #keys: Keys;
  /** The last channel that was looked at. */
  #at = 0;

  constructor(file: StoreFile, channels: Channels, keys: Keys) {
    this.#file = file;
    this.#channels = channels;
    this.#keys = keys;
  }

  /**
   * One step, within the transaction.
   *
   * @param isQuiet nobody has published since the last one
   * @returns true if the next one has something to do, too
   */
  step(time: number, isQuiet: boolean): boolean {
    const hasKeys = this.#keys.forgetExpired(time);
    const some = this.#channels.after(this.#at, CHANNELS_AT_ONCE);
    this.#at = some.at(-1)?.id ?? 0;
    let isMoreToDo = hasKeys || some.length === CHANNELS_AT_ONCE;
    for (const log of some) {
      log.letAgedGo(time);
      if (log.removeGone()) {
        this.#at = log.id - 1;
        isMoreToDo = true;
        break;
      }
    }
    return this.#giveBack(isQuiet) || isMoreToDo;
  }

  #giveBack(isQuiet: boolean): boolean {
    const spare = pragma(this.#file.database, "freelist_count");
    if (spare <= (isQuiet ? 0 : SPARE_PAGES)) return false;
    this.#file.database.exec(`PRAGMA incremental_vacuum(${PAGES_AT_ONCE})`);
    return spare > PAGES_AT_ONCE;
  }
}
