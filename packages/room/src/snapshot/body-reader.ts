import { readMarks, widthOf } from "../bits/marks.ts";
import type { BitReader } from "../bits/reader.ts";
import { readGamma } from "../bits/rice.ts";
import type { KindLayout, Layout } from "../contracts/layout.ts";
import { ColumnsReader } from "./columns-reader.ts";
import { foretell } from "./foretell.ts";
import type { SnapshotFrame } from "./frame.ts";

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
   * What a whole with a base begins with: how many ticks before the base the one before it is, 0 for none; -1
   * for the tick right before it, and nobody came or went.
   */
  readBehind(reader: BitReader): number {
    return reader.read(1) === 1 ? -1 : readGamma(reader);
  }

  /**
   * Reads all that is shown at a tick.
   *
   * @param frame Becomes it.
   * @param era Stands above the marks in generations.
   * @param base What it is told against.
   * @param previous What was before the base.
   * @param ahead Ticks since the base.
   * @param isUsual Nobody came or went.
   * @returns Whether it can be.
   */
  readWhole(
    reader: BitReader,
    frame: SnapshotFrame,
    era: number,
    base: SnapshotFrame | undefined,
    previous: SnapshotFrame | undefined,
    ahead: number,
    isUsual: boolean,
  ): boolean {
    frame.clear();
    this.#enteredCount = 0;
    if (base !== undefined && !this.#readLeft(reader, frame, base, isUsual)) return false;
    if (!isUsual && !this.#readEntered(reader, frame, era)) return false;
    for (let k = 0; k < this.#layout.kinds.length; k++) {
      const kind = this.#layout.kinds[k] as KindLayout;
      if (base !== undefined && !this.#readStayed(reader, kind, k + 1, frame, base, previous, ahead))
        return false;
      if (!this.#readRows(reader, kind, k + 1, frame)) return false;
    }
    return reader.isAtEnd;
  }

  /**
   * Reads a part of what is shown.
   *
   * @param frame What was known before; becomes what is known now.
   * @param frameAt Finds the frame of so many ticks ago.
   * @returns Whether it can be, or false for want of a base.
   */
  readPart(
    reader: BitReader,
    frame: SnapshotFrame,
    era: number,
    frameAt: (distance: number) => SnapshotFrame | undefined,
  ): boolean | "base_unknown" {
    const list = this.#list;
    const end = readGamma(reader);
    if (end > this.#maxEntities) return false;
    frame.reach(end);
    const left = readMarks(reader, end, list);
    if (left < 0) return false;
    for (let i = 0; i < left; i++) frame.kinds[list[i] as number] = 0;
    this.#enteredCount = readMarks(reader, end, this.#entered);
    for (let i = 0; i < this.#enteredCount; i++) {
      if (reader.isPast || !this.#readEntity(reader, frame, era, this.#entered[i] as number)) return false;
    }
    const updated = readMarks(reader, end, this.#updated);
    if (this.#enteredCount < 0 || updated < 0) return false;
    const isOne = updated > 1 && reader.read(1) === 1;
    let distance = 0;
    for (let i = 0; i < updated; i++) {
      if (i === 0 || !isOne) distance = reader.read(6);
      if (reader.isPast) return false;
      const base = frameAt(distance);
      if (base === undefined) return "base_unknown";
      if (!take(frame, base, this.#updated[i] as number)) return false;
    }
    for (let k = 0; k < this.#layout.kinds.length; k++) {
      const kind = this.#layout.kinds[k] as KindLayout;
      const count = this.#select(frame, k + 1, this.#updated, updated);
      if (count > 0 && !this.#columns.readMeasured(reader, kind, frame, count, 0, undefined, undefined))
        return false;
      if (!this.#readRows(reader, kind, k + 1, frame)) return false;
    }
    return reader.isAtEnd;
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
    const { which } = this.#columns;
    let moving = 0;
    let resting = 0;
    for (let id = 0; id < base.end; id++) {
      if (base.kinds[id] !== kindNumber || !frame.shares(base, id)) continue;
      const isKnown = previous !== undefined && base.shares(previous, id);
      if (isKnown && move(kind, frame, base, previous, id, ahead)) this.#moving[moving++] = id;
      else this.#resting[resting++] = id;
    }
    if (moving + resting === 0) return true;
    let count = readMarks(reader, moving, this.#list);
    if (count < 0) return false;
    const moved = count;
    for (let i = 0; i < count; i++) which[i] = this.#moving[this.#list[i] as number] as number;
    const more = readMarks(reader, resting, this.#list);
    if (more < 0) return false;
    for (let i = 0; i < more; i++) which[count++] = this.#resting[this.#list[i] as number] as number;
    return count === 0 || this.#columns.readMeasured(reader, kind, frame, count, moved, base, previous);
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
