import type { KeptEntry, NewEntry, OpenOutbox, OutboxStore } from "@zocalo/client";
import type { Random } from "@zocalo/integrity";
import type { VirtualTime } from "./virtual-time.ts";

interface Row extends KeptEntry {
  readonly owner: number;
}

interface Operation {
  readonly apply: () => void;
}

/** What a user's browser keeps, for all tabs. It outlives each of them. */
export class OutboxDisk {
  readonly number: number;
  /** All tabs have one wall clock. */
  wallAheadMs = 1_700_000_000_000;
  isCalm = false;
  readonly #time: VirtualTime;
  readonly #random: Random;
  readonly #rows = new Map<number, Row>();
  readonly #living = new Map<number, Tab>();
  #lastId = 0;

  constructor(number: number, time: VirtualTime, random: Random) {
    this.number = number;
    this.#time = time;
    this.#random = random;
  }

  /** The store as one tab has it. */
  tab(number: number): Tab {
    const tab = new Tab(number, this, this.#time, this.#random);
    return tab;
  }

  come(tab: Tab): void {
    this.#living.set(tab.number, tab);
    this.#inherit(tab);
  }

  /** Another tab goes on with what this one left. */
  leave(tab: Tab): void {
    this.#living.delete(tab.number);
    const heir = this.#random.pick([...this.#living.values()]);
    if (heir !== undefined) this.#inherit(heir);
  }

  add(entries: readonly NewEntry[], owner: number): number[] {
    return entries.map((entry) => {
      const id = ++this.#lastId;
      this.#rows.set(id, { ...entry, id, owner });
      return id;
    });
  }

  begin(id: number, owner: number, sentAt: number): boolean {
    const row = this.#rows.get(id);
    if (row?.owner !== owner) return false;
    this.#rows.set(id, { ...row, sentAt });
    return true;
  }

  remove(id: number, owner: number): void {
    if (this.#rows.get(id)?.owner === owner) this.#rows.delete(id);
  }

  #inherit(heir: Tab): void {
    const found = [...this.#rows.values()].filter(({ owner }) => !this.#living.has(owner));
    for (const row of found) this.#rows.set(row.id, { ...row, owner: heir.number });
    if (found.length > 0) heir.inherit(found);
  }
}

/** One tab's access to it: everything takes its time, and fails now and then. */
export class Tab implements OutboxStore {
  readonly number: number;
  readonly #disk: OutboxDisk;
  readonly #time: VirtualTime;
  readonly #random: Random;
  /** On their way to the disk, in order. */
  readonly #operations: Operation[] = [];
  #left: ((entries: readonly KeptEntry[]) => void) | undefined;
  #isUp = true;

  constructor(number: number, disk: OutboxDisk, time: VirtualTime, random: Random) {
    this.number = number;
    this.#disk = disk;
    this.#time = time;
    this.#random = random;
  }

  async open(left: (entries: readonly KeptEntry[]) => void): Promise<OpenOutbox> {
    await this.#time.sleep(this.#random.below(100));
    if (!this.#isUp) return new Promise(() => {});
    this.#left = left;
    this.#disk.come(this);
    const { number } = this;
    return {
      add: (entries) => this.#write(() => this.#disk.add(entries, number)),
      begin: (ids, at) => this.#write(() => ids.map((id) => this.#disk.begin(id, number, at))),
      remove: (ids) => this.#write(() => ids.forEach((id) => this.#disk.remove(id, number))),
      close: async () => this.#end(),
    };
  }

  inherit(entries: readonly KeptEntry[]): void {
    this.#left?.(entries);
  }

  /** The tab crashes. What was being written is on the disk up to some point. */
  crash(): void {
    if (!this.#isUp) return;
    this.#isUp = false;
    for (const { apply } of this.#operations.splice(0, this.#random.below(this.#operations.length + 1)))
      apply();
    this.#operations.length = 0;
    this.#left = undefined;
    this.#disk.leave(this);
  }

  #end(): void {
    if (!this.#isUp) return;
    this.#isUp = false;
    this.#left = undefined;
    this.#disk.leave(this);
  }

  #write<T>(run: () => T): Promise<T> {
    if (!this.#isUp) return new Promise(() => {});
    const isFailing = !this.#disk.isCalm && this.#random.chance(0.03);
    return new Promise((resolve, reject) => {
      const operation: Operation = {
        apply: () => {
          if (isFailing) return reject(new Error("the disk failed"));
          const result = run();
          this.#time.after(this.#random.below(10), () => resolve(result));
        },
      };
      this.#operations.push(operation);
      this.#time.after(this.#random.below(30), () => {
        // Those before it come first.
        while (this.#operations.includes(operation)) this.#operations.shift()?.apply();
      });
    });
  }
}
