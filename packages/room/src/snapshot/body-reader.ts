import { readMarks, widthOf } from "../bits/marks.ts";
import type { BitReader } from "../bits/reader.ts";
import { readGamma } from "../bits/rice.ts";
import type { KindLayout, Layout } from "../contracts/layout.ts";
import { ColumnsReader } from "./columns-reader.ts";
import { foretell } from "./foretell.ts";
import type { SnapshotFrame } from "./frame.ts";
import type { Header } from "./header.ts";

/** Why a body cannot be read: it is against what is not known, or not one at all. */
export type BodyFault = "base_unknown" | "malformed";

/** Reads what `BodyWriter` and `PartWriter` wrote into a frame, which is of no use if it cannot be read. */
export class BodyReader {
  readonly #layout: Layout;
  readonly #kindWidth: number;
  readonly #maxEntities: number;
  readonly #columns: ColumnsReader;
  readonly #list: Int32Array;
  /** Ids that entered, and of a part those that are told against a base of their own. */
  readonly #entered: Int32Array;
  #enteredCount = 0;
  readonly #updated: Int32Array;
  readonly #moving: Int32Array;
  readonly #resting: Int32Array;

  constructor(layout: Layout, maxEntities: number) {
    this.#layout = layout;
    this.#kindWidth = widthOf(layout.kinds.length - 1);
    this.#maxEntities = maxEntities;
    this.#columns = new ColumnsReader(maxEntities);
    this.#list = new Int32Array(maxEntities);
    this.#entered = new Int32Array(maxEntities);
    this.#updated = new Int32Array(maxEntities);
    this.#moving = new Int32Array(maxEntities);
    this.#resting = new Int32Array(maxEntities);
  }

  /**
   * Reads what is shown at a tick.
   *
   * @param frame Becomes it.
   * @param newest What was known before: a part changes that.
   * @param era Stands above the marks in generations.
   * @param ago Finds the frame of so many ticks before this one.
   * @returns Why it cannot be.
   */
  read(
    reader: BitReader,
    header: Header,
    frame: SnapshotFrame,
    newest: SnapshotFrame | undefined,
    era: number,
    ago: (distance: number) => SnapshotFrame | undefined,
  ): BodyFault | undefined {
    frame.clear();
    this.#enteredCount = 0;
    return header.isPart
      ? this.#readPart(reader, frame, newest, era, ago)
      : this.#readWhole(reader, frame, header.ahead, era, ago);
  }

  #readWhole(
    reader: BitReader,
    frame: SnapshotFrame,
    ahead: number,
    era: number,
    ago: (distance: number) => SnapshotFrame | undefined,
  ): BodyFault | undefined {
    const hasBase = ahead > 0;
    const isUsual = hasBase && reader.read(1) === 1;
    const behind = isUsual ? 1 : hasBase ? readGamma(reader) : 0;
    const base = hasBase ? ago(ahead) : undefined;
    const previous = behind > 0 ? ago(ahead + behind) : undefined;
    if ((hasBase && base === undefined) || (behind > 0 && previous === undefined)) return "base_unknown";
    if (base !== undefined && !this.#readLeft(reader, frame, base, isUsual)) return "malformed";
    if (!isUsual && !this.#readEntered(reader, frame, era)) return "malformed";
    for (const [k, kind] of this.#layout.kinds.entries()) {
      const hasStayed =
        base === undefined || this.#readStayed(reader, kind, k + 1, frame, base, previous, ahead);
      if (!hasStayed || !this.#readRows(reader, kind, k + 1, frame)) return "malformed";
    }
    return reader.isAtEnd ? undefined : "malformed";
  }

  #readPart(
    reader: BitReader,
    frame: SnapshotFrame,
    newest: SnapshotFrame | undefined,
    era: number,
    ago: (distance: number) => SnapshotFrame | undefined,
  ): BodyFault | undefined {
    if (newest !== undefined) frame.copy(newest);
    const list = this.#list;
    const end = readGamma(reader);
    if (end > this.#maxEntities) return "malformed";
    frame.reach(end);
    const left = readMarks(reader, end, list);
    for (let i = 0; i < left; i++) frame.kinds[list[i] as number] = 0;
    this.#enteredCount = readMarks(reader, end, this.#entered);
    for (let i = 0; i < this.#enteredCount; i++) {
      if (reader.isPast || !this.#readEntity(reader, frame, era, this.#entered[i] as number))
        return "malformed";
    }
    const updated = readMarks(reader, end, this.#updated);
    if (left < 0 || this.#enteredCount < 0 || updated < 0) return "malformed";
    const isOne = updated > 1 && reader.read(1) === 1;
    let distance = 0;
    for (let i = 0; i < updated; i++) {
      if (i === 0 || !isOne) distance = reader.read(6);
      if (reader.isPast) return "malformed";
      const base = ago(distance);
      if (base === undefined) return "base_unknown";
      if (!take(frame, base, this.#updated[i] as number)) return "malformed";
    }
    for (const [k, kind] of this.#layout.kinds.entries()) {
      const count = this.#select(frame, k + 1, this.#updated, updated);
      const isRead =
        count === 0 || this.#columns.readMeasured(reader, kind, frame, count, 0, undefined, undefined);
      if (!isRead || !this.#readRows(reader, kind, k + 1, frame)) return "malformed";
    }
    return reader.isAtEnd ? undefined : "malformed";
  }

  /** Takes over from the base who did not leave. */
  #readLeft(reader: BitReader, frame: SnapshotFrame, base: SnapshotFrame, isUsual: boolean): boolean {
    let total = 0;
    for (let id = 0; id < base.end; id++) if (base.kinds[id] !== 0) total++;
    const left = isUsual ? 0 : readMarks(reader, total, this.#list);
    if (left < 0) return false;
    frame.reach(base.end);
    let index = 0;
    let next = 0;
    for (let id = 0; id < base.end; id++) {
      if (base.kinds[id] === 0) continue;
      if (next < left && this.#list[next] === index) next++;
      else take(frame, base, id);
      index++;
    }
    return true;
  }

  #readEntered(reader: BitReader, frame: SnapshotFrame, era: number): boolean {
    let id = 0;
    while (reader.read(1) === 1) {
      let gap = readGamma(reader);
      while (gap > 0 || (id < frame.end && frame.kinds[id] !== 0)) {
        if (id >= this.#maxEntities) return false;
        if (id >= frame.end || frame.kinds[id] === 0) gap--;
        id++;
      }
      if (id >= this.#maxEntities || reader.isPast) return false;
      frame.reach(id + 1);
      if (!this.#readEntity(reader, frame, era, id)) return false;
      this.#entered[this.#enteredCount++] = id++;
    }
    return true;
  }

  #readEntity(reader: BitReader, frame: SnapshotFrame, era: number, id: number): boolean {
    const kind = reader.read(this.#kindWidth) + 1;
    frame.kinds[id] = kind;
    frame.generations[id] = (era << 8) | reader.read(8);
    return kind <= this.#layout.kinds.length;
  }

  /** What those of a kind are that entered. */
  #readRows(reader: BitReader, kind: KindLayout, kindNumber: number, frame: SnapshotFrame): boolean {
    const count = this.#select(frame, kindNumber, this.#entered, this.#enteredCount);
    return count === 0 || this.#columns.readWhole(reader, kind, frame, count);
  }

  /** Has the columns be those of `ids` that are of this kind. */
  #select(frame: SnapshotFrame, kindNumber: number, ids: Int32Array, count: number): number {
    const { which } = this.#columns;
    let length = 0;
    for (let i = 0; i < count; i++) {
      if (frame.kinds[ids[i] as number] === kindNumber) which[length++] = ids[i] as number;
    }
    return length;
  }

  /** What those of a kind are that stayed. */
  #readStayed(
    reader: BitReader,
    kind: KindLayout,
    kindNumber: number,
    frame: SnapshotFrame,
    base: SnapshotFrame,
    previous: SnapshotFrame | undefined,
    ahead: number,
  ): boolean {
    let moving = 0;
    let resting = 0;
    for (let id = 0; id < base.end; id++) {
      if (base.kinds[id] !== kindNumber || !frame.shares(base, id)) continue;
      const isKnown = previous !== undefined && base.shares(previous, id);
      if (isKnown && move(kind, frame, base, previous, id, ahead)) this.#moving[moving++] = id;
      else this.#resting[resting++] = id;
    }
    if (moving + resting === 0) return true;
    const moved = this.#pick(reader, this.#moving, moving, 0);
    const count = this.#pick(reader, this.#resting, resting, moved);
    if (count < 0) return false;
    return count === 0 || this.#columns.readMeasured(reader, kind, frame, count, moved, base, previous);
  }

  /** Has the columns, from `at` on, be those of `ids` that are told of. Returns how many there are, or -1. */
  #pick(reader: BitReader, ids: Int32Array, total: number, at: number): number {
    const count = at < 0 ? -1 : readMarks(reader, total, this.#list);
    for (let i = 0; i < count; i++) this.#columns.which[at + i] = ids[this.#list[i] as number] as number;
    return count < 0 ? count : at + count;
  }
}

/** Takes an entity over from another frame. Says whether it has it. */
function take(frame: SnapshotFrame, from: SnapshotFrame, id: number): boolean {
  const kind = id < from.end ? (from.kinds[id] as number) : 0;
  if (kind === 0) return false;
  frame.kinds[id] = kind;
  frame.generations[id] = from.generations[id] as number;
  const { stride } = frame.layout;
  for (let at = id * stride; at < (id + 1) * stride; at++) frame.cells[at] = from.cells[at] as number;
  return true;
}

/** Sets a row to where it is foretold to be. Says whether it moved before. */
function move(
  kind: KindLayout,
  frame: SnapshotFrame,
  base: SnapshotFrame,
  previous: SnapshotFrame,
  id: number,
  ahead: number,
): boolean {
  let isMoving = false;
  const from = id * frame.layout.stride;
  for (let c = 0; c < kind.cells.length; c++) {
    const cell = kind.cells[c];
    if (cell?.moves !== true) continue;
    const is = base.cells[from + c] as number;
    const was = previous.cells[from + c] as number;
    if (is === was) continue;
    isMoving = true;
    frame.cells[from + c] = foretell(cell, is, was, ahead, base.tick - previous.tick);
  }
  return isMoving;
}
