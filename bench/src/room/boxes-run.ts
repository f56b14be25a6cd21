import assert from "node:assert/strict";
import { DEFAULT_BUDGET_BYTES, type Rows, SnapshotReader, Snapshots } from "@zocalo/room";
import { BITS_OF_A_BOX, BOX_CELLS, BOX_LAYOUT, BOXES, BOXES_PER_SECOND } from "./boxes.ts";
import { Link } from "./link.ts";

/** What came back to a client lies six frames back, or more where something was lost. */
const LINK = { roundTripMs: 100, loss: 0.05, ticksPerSecond: BOXES_PER_SECOND, areInStep: true } as const;
/** A second: all boxes, which do not fit in one datagram, and all acknowledged. */
const SKIPPED = BOXES_PER_SECOND;

/** What boxes cost one client. */
export interface BoxesRun {
  /** 32 bits a number, and quantised; both without any delta. */
  readonly rawKbits: number;
  readonly quantizedKbits: number;
  readonly kbits: number;
  /** Bytes of the longest snapshot. */
  readonly longest: number;
  /** The share of ticks that did not fit in a datagram, and were told in parts. */
  readonly parts: number;
}

/** Tells the recording to a client over a link that loses, and compares what it has with the recording. */
export function tellBoxes(frames: readonly Rows[], seed: number): BoxesRun {
  const rows: Rows & { cells: Int32Array } = {
    layout: BOX_LAYOUT,
    end: BOXES,
    kinds: new Uint8Array(BOXES).fill(1),
    generations: new Uint32Array(BOXES).fill(1),
    cells: new Int32Array(BOXES * BOX_CELLS),
  };
  const snapshots = new Snapshots(rows);
  const receiver = snapshots.everything.receiver();
  const reader = new SnapshotReader(BOX_LAYOUT);
  const link = new Link(1, LINK, seed);
  const out = new Uint8Array(DEFAULT_BUDGET_BYTES);
  let [bytes, longest, parts, received] = [0, 0, 0, 0];
  for (const [tick, frame] of frames.entries()) {
    const acknowledged = link.acknowledged(0, tick);
    if (acknowledged) receiver.acknowledge(acknowledged.newest, acknowledged.before);
    rows.cells.set(frame.cells);
    snapshots.commit(tick);
    const length = receiver.encode(out);
    if (tick >= SKIPPED) [bytes, longest] = [bytes + length, Math.max(longest, length)];
    if (!link.send(0, tick)) continue;
    const news = reader.read(out.subarray(0, length));
    if (!news.ok) throw new Error(`the snapshot of frame ${tick} could not be used: ${news.reason}`);
    if (tick < SKIPPED) continue;
    received++;
    if (!news.frame.isWhole) parts++;
    else assert.deepEqual(boxesIn(reader.newest), boxesIn(frame), `frame ${tick}`);
  }
  const kbits = (bits: number): number => (bits * BOXES_PER_SECOND) / 1000;
  return {
    rawKbits: kbits(BITS_OF_A_BOX * BOXES),
    quantizedKbits: kbits(80 * BOXES),
    kbits: kbits((8 * bytes) / (frames.length - SKIPPED)),
    longest,
    parts: parts / received,
  };
}

/** All boxes, in an order that does not depend on where they lie. */
function boxesIn(rows: Rows | undefined): string[] {
  const found: string[] = [];
  for (let at = 0; at < (rows?.end ?? 0); at++) {
    if (rows?.kinds[at] !== 0)
      found.push(rows?.cells.subarray(at * BOX_CELLS, (at + 1) * BOX_CELLS).join() ?? "");
  }
  return found.sort();
}
