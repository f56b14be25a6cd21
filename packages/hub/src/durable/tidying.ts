import type { Channels } from "./channels.ts";
import type { Keys } from "./keys.ts";
import { pragma } from "./schema.ts";
import type { StoreFile } from "./store-file.ts";

/** After this time a step begins nothing more, in milliseconds: publications wait for it. */
const STEP_MS = 4;
/** Pages that are given back to the system in one go, and how many are left for what comes. */
const PAGES_AT_ONCE = 64;
const SPARE_PAGES = 1_024;

/** Removes, in small steps, what is past its time where nobody publishes or reads, and gives room back. */
export class Tidying {
  readonly #file: StoreFile;
  readonly #channels: Channels;
  readonly #keys: Keys;

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
    const endsAt = performance.now() + STEP_MS;
    const isOver = (): boolean => performance.now() >= endsAt;
    // In each step a part of everything: much of one kind does not hold up the others.
    const isMoreOf = [this.#keys.forgetExpired(time), this.#channels.removeSetAside()];
    isMoreOf.push(this.#tidyChannels(time, isOver), this.#giveBack(isQuiet, isOver));
    while (!isOver() && this.#keys.forgetExpired(time));
    return isMoreOf.includes(true);
  }

  #tidyChannels(time: number, isOver: () => boolean): boolean {
    const due = this.#channels.due(time);
    for (const log of due) {
      if (log.tidy(time) || isOver()) return true;
    }
    return due.length > 0;
  }

  #giveBack(isQuiet: boolean, isOver: () => boolean): boolean {
    const least = isQuiet ? 0 : SPARE_PAGES;
    for (;;) {
      const spare = pragma(this.#file.database, "freelist_count");
      if (spare <= least) return false;
      this.#file.database.exec(`PRAGMA incremental_vacuum(${Math.min(PAGES_AT_ONCE, spare - least)})`);
      if (isOver()) return true;
    }
  }
}
