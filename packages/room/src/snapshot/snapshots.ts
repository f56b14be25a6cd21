import type { Layout } from "../contracts/layout.ts";
import type { Rows } from "../contracts/rows.ts";
import { BitWriter } from "../bits/writer.ts";
import { Bodies, type Writers } from "./bodies.ts";
import { BodyWriter } from "./body-writer.ts";
import { History } from "./history.ts";
import { PartWriter } from "./part-writer.ts";
import { Receiver } from "./receiver.ts";
import { ShownEntities } from "./shown.ts";
import { TickRows } from "./tick-rows.ts";

/** Room for one snapshot in a datagram that no network splits. */
export const DEFAULT_BUDGET_BYTES = 1_150;
/** What a datagram can hold. */
const MAX_BUDGET_BYTES = 65_507;
const MAX_TICK = 2 ** 32 - 2;

/** How a client of a view is told. */
export interface ReceiverOptions {
  /** No snapshot has more bytes. Default 1,150; at least 64 and 8 for each cell of the widest kind. */
  readonly budgetBytes?: number;
}

/** Which entities of a world some clients are shown. Those of one view share what is encoded. */
export class SnapshotView {
  readonly #rows: Rows;
  readonly #history: History;
  readonly #shown: ShownEntities;
  readonly #bodies: Bodies;
  readonly #close: (view: SnapshotView) => void;

  /** Made by `Snapshots.view()`. @internal */
  constructor(rows: Rows, history: History, writers: Writers, close: (view: SnapshotView) => void) {
    this.#rows = rows;
    this.#history = history;
    this.#shown = new ShownEntities(history);
    this.#bodies = new Bodies(history, this.#shown, writers);
    this.#close = close;
  }

  /**
   * Shows the entity that is in this slot, from the next commit on, until it is hidden or removed.
   *
   * @throws RangeError if there is none.
   */
  show(slot: number): void {
    if (!(slot < this.#rows.end) || (this.#rows.kinds[slot] ?? 0) === 0) {
      throw new RangeError(`no entity is in slot ${slot}`);
    }
    this.#shown.show(this.#rows, slot);
  }

  /** Hides what is in this slot, from the next commit on. */
  hide(slot: number): void {
    this.#shown.hide(slot);
  }

  /** Whether what is in this slot is to be shown. */
  isShown(slot: number): boolean {
    return this.#shown.isShown(this.#rows, slot);
  }

  /**
   * By which id the clients of this view know what was in this slot at the last commit, or -1 if it was not
   * shown. It keeps its id until it is hidden.
   */
  idOf(slot: number): number {
    return this.#shown.idOf(slot);
  }

  /** Shows everything that is there. */
  showAll(): void {
    const { kinds, end } = this.#rows;
    for (let slot = 0; slot < end; slot++) if (kinds[slot] !== 0) this.#shown.show(this.#rows, slot);
  }

  /** One more client of it. @throws RangeError for a budget that is none. */
  receiver(options: ReceiverOptions = {}): Receiver {
    const budgetBytes = options.budgetBytes ?? DEFAULT_BUDGET_BYTES;
    const least = 64 + 8 * this.#rows.layout.stride;
    if (!(budgetBytes >= least && budgetBytes <= MAX_BUDGET_BYTES)) {
      throw new RangeError(`budgetBytes is ${budgetBytes}; it is from ${least} to ${MAX_BUDGET_BYTES}`);
    }
    return new Receiver(this.#history, this.#bodies, budgetBytes);
  }

  /** Forgets it; its receivers are of no use any more. */
  close(): void {
    this.#close(this);
  }

  /** Called by `Snapshots.commit`. @internal */
  commit(): void {
    this.#shown.commit();
  }
}

/**
 * What a world tells its clients, tick by tick.
 *
 * @example
 * const snapshots = new Snapshots(world);
 * const receiver = snapshots.everything.receiver(); // one for each client
 * snapshots.commit(1); // each tick, after everything has changed
 * const length = receiver.encode(bytes); // and a lane sends so many of them
 */
export class Snapshots {
  readonly #rows: Rows;
  readonly #history: History;
  readonly #writers: Writers;
  readonly #views: SnapshotView[] = [];
  #everything: SnapshotView | undefined;
  readonly #close = (view: SnapshotView): void => {
    const at = this.#views.indexOf(view);
    if (at >= 0) this.#views.splice(at, 1);
    if (view === this.#everything) this.#everything = undefined;
  };

  /** @param rows of a world; they are read at each `commit`. */
  constructor(rows: Rows) {
    this.#rows = rows;
    this.#history = new History(rows.layout);
    this.#writers = sharedWriters(rows.layout);
  }

  /** The last committed tick, or -1. */
  get tick(): number {
    return this.#history.tick;
  }

  /**
   * Remembers what the rows are at this tick, and who is shown.
   *
   * @param tick The one after the last; the first may be any up to 2^32 - 2.
   * @throws RangeError for another one.
   */
  commit(tick: number): void {
    const last = this.#history.tick;
    if (!Number.isInteger(tick) || tick < 0 || tick > MAX_TICK || (last >= 0 && tick !== last + 1)) {
      throw new RangeError(
        `tick is ${tick}; ${last < 0 ? "it is from 0 on" : `after ${last} comes ${last + 1}`}`,
      );
    }
    this.#history.commit(this.#rows, tick);
    this.#everything?.showAll();
    for (const view of this.#views) view.commit();
  }

  /** The oldest of the committed ticks that are remembered, 64 at most, or -1. */
  get oldest(): number {
    return this.#history.oldest;
  }

  /**
   * Copies what the rows were at a tick.
   *
   * @param into Is overwritten and returned. Default: new ones.
   * @returns undefined for a tick that is not remembered; then nothing was copied.
   */
  rowsAt(tick: number, into: TickRows = new TickRows(this.#rows.layout)): TickRows | undefined {
    if (!Number.isInteger(tick) || tick < 0 || tick < this.oldest || tick > this.tick) return undefined;
    this.#history.read(tick, into);
    return into;
  }

  /** A view that shows nothing yet. */
  view(): SnapshotView {
    const view = new SnapshotView(this.#rows, this.#history, this.#writers, this.#close);
    this.#views.push(view);
    return view;
  }

  /** The view that shows everything, whatever comes. */
  get everything(): SnapshotView {
    this.#everything ??= this.view();
    return this.#everything;
  }
}

const writersOf = new WeakMap<Layout, Writers>();

/** Rooms of one layout share what they write with: it is memory to work in. */
function sharedWriters(layout: Layout): Writers {
  let writers = writersOf.get(layout);
  if (writers === undefined) {
    writers = { body: new BodyWriter(layout), part: new PartWriter(layout), scratch: new BitWriter() };
    writersOf.set(layout, writers);
  }
  return writers;
}
