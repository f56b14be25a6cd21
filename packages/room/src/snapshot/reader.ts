import { BitReader } from "../bits/reader.ts";
import type { Acknowledgement } from "../contracts/acknowledgement.ts";
import type { Layout } from "../contracts/layout.ts";
import { InputReport } from "../input/report.ts";
import { BodyReader } from "./body-reader.ts";
import { SnapshotFrame } from "./frame.ts";
import { newHeader, readHeader } from "./header.ts";
import { RING, RING_MASK } from "./ring.ts";

/** What a client can be made to keep. */
export interface SnapshotLimits {
  /** How many entities it can be shown at once. Default 4,096. */
  readonly maxEntities?: number;
}

/** What a snapshot brought, since the last one. Lent until the next is read. */
export interface SnapshotNews {
  readonly ok: true;
  readonly tick: number;
  /** Everything that is shown at this tick is now known as it was then. */
  readonly isWhole: boolean;
  /** Ids, ascending. One whose entity is another now is in both. */
  readonly entered: readonly number[];
  readonly left: readonly number[];
  /** Ids of those that stayed and have another cell. */
  readonly changed: readonly number[];
  /** What the server says of the inputs, if it does. */
  readonly report: Readonly<InputReport> | undefined;
}

/** Why a snapshot is of no use: older than what is known, against what is not known, or not one at all. */
export type SnapshotFault = "late" | "base_unknown" | "malformed";

/** A snapshot that changed nothing. */
export interface UnusableSnapshot {
  readonly ok: false;
  readonly reason: SnapshotFault;
}

const UNUSABLE: Readonly<Record<SnapshotFault, UnusableSnapshot>> = {
  late: { ok: false, reason: "late" },
  base_unknown: { ok: false, reason: "base_unknown" },
  malformed: { ok: false, reason: "malformed" },
};

/**
 * Reads the snapshots of one receiver, and keeps what it was shown at each of the last 64 ticks. What came
 * from the wire never makes it throw, and changes nothing if it cannot be used.
 */
export class SnapshotReader {
  /** How many snapshots were of no use, by reason. */
  readonly unusable: Record<SnapshotFault, number> = { late: 0, base_unknown: 0, malformed: 0 };
  readonly #layout: Layout;
  readonly #body: BodyReader;
  readonly #header = newHeader();
  readonly #report = new InputReport();
  readonly #frames: (SnapshotFrame | undefined)[] = Array.from({ length: RING });
  #newest: SnapshotFrame | undefined;
  /** Where the next is read. */
  #spare: SnapshotFrame;
  /** Counts silences, so that who is there after one is nobody who was there before. */
  #era = 0;
  readonly #acknowledgement = { tick: -1, bits: 0 };
  readonly #news = {
    ok: true as const,
    tick: -1,
    isWhole: false,
    entered: [] as number[],
    left: [] as number[],
    changed: [] as number[],
    report: undefined as InputReport | undefined,
  };
  readonly #ago = (distance: number): SnapshotFrame | undefined => this.frame(this.#header.tick - distance);

  constructor(layout: Layout, limits: SnapshotLimits = {}) {
    this.#layout = layout;
    this.#body = new BodyReader(layout, limits.maxEntities ?? 4_096);
    this.#spare = new SnapshotFrame(layout);
  }

  /** What came last; it stays as it is for 64 ticks. */
  get newest(): SnapshotFrame | undefined {
    return this.#newest;
  }

  /** What was shown at this tick, if it came and is at most 63 ticks older than the newest. */
  frame(tick: number): SnapshotFrame | undefined {
    const frame = this.#frames[tick & RING_MASK];
    // What is forgotten, and not replaced yet, has -1.
    if (frame?.tick !== tick || tick < 0 || (this.#newest?.tick ?? 0) - tick >= RING) return undefined;
    return frame;
  }

  /** What to tell the server. */
  get acknowledgement(): Acknowledgement {
    return this.#acknowledgement;
  }

  /** Reads a snapshot, whose bytes are not kept. */
  read(bytes: Uint8Array): SnapshotNews | UnusableSnapshot {
    const fault = this.#read(bytes);
    if (fault === undefined) return this.#news;
    this.unusable[fault]++;
    return UNUSABLE[fault];
  }

  #read(bytes: Uint8Array): SnapshotFault | undefined {
    const header = this.#header;
    const newest = this.#newest;
    const length = readHeader(bytes, header, newest?.tick ?? -1, this.#report);
    if (length === 0) return "malformed";
    const { tick, isPart, ahead } = header;
    if (newest !== undefined && tick <= newest.tick) return "late";
    const frame = this.#spare;
    const bits = new BitReader(bytes.subarray(length));
    let era = this.#era;
    if (isPart) {
      if (newest === undefined) frame.clear();
      else frame.copy(newest);
      const outcome = this.#body.readPart(bits, frame, era, this.#ago);
      if (outcome !== true) return outcome === false ? "malformed" : outcome;
    } else {
      let base: SnapshotFrame | undefined;
      let previous: SnapshotFrame | undefined;
      let isUsual = false;
      if (ahead > 0) {
        const told = this.#body.readBehind(bits);
        isUsual = told < 0;
        const behind = Math.abs(told);
        base = this.frame(tick - ahead);
        previous = behind === 0 ? undefined : this.frame(tick - ahead - behind);
        if (base === undefined || (behind > 0 && previous === undefined)) return "base_unknown";
      } else if (newest !== undefined && tick - newest.tick >= RING) era++;
      if (!this.#body.readWhole(bits, frame, era, base, previous, ahead, isUsual)) return "malformed";
    }
    this.#era = era;
    frame.tick = tick;
    frame.isWhole = !isPart || header.completes;
    this.#keep(frame, newest);
    return undefined;
  }

  #keep(frame: SnapshotFrame, last: SnapshotFrame | undefined): void {
    const place = frame.tick & RING_MASK;
    this.#compare(frame, last);
    const acknowledged = this.#acknowledgement;
    const since = last === undefined ? RING : frame.tick - last.tick;
    // Shifts of 32 and more would be others.
    const bits =
      since > 32 ? 0 : ((since === 32 ? 0 : acknowledged.bits << since) | (1 << (since - 1))) >>> 0;
    acknowledged.tick = frame.tick;
    acknowledged.bits = bits;
    if (since >= RING) for (const old of this.#frames) if (old !== undefined) old.tick = -1;
    this.#spare = this.#frames[place] ?? new SnapshotFrame(this.#layout);
    this.#spare.tick = -1;
    this.#frames[place] = frame;
    this.#newest = frame;
  }

  /** Says what is not as it was. */
  #compare(frame: SnapshotFrame, last: SnapshotFrame | undefined): void {
    const news = this.#news;
    news.tick = frame.tick;
    news.isWhole = frame.isWhole;
    news.report = this.#header.hasReport ? this.#report : undefined;
    news.entered.length = 0;
    news.left.length = 0;
    news.changed.length = 0;
    const end = Math.max(frame.end, last?.end ?? 0);
    for (let id = 0; id < end; id++) {
      const is = id < frame.end && frame.kinds[id] !== 0;
      const was = last !== undefined && id < last.end && last.kinds[id] !== 0;
      if (is && was && frame.shares(last, id)) {
        if (!haveSameCells(frame, last, id)) news.changed.push(id);
        continue;
      }
      if (is) news.entered.push(id);
      if (was) news.left.push(id);
    }
  }
}

function haveSameCells(one: SnapshotFrame, other: SnapshotFrame, id: number): boolean {
  const { stride } = one.layout;
  for (let at = id * stride; at < (id + 1) * stride; at++)
    if (one.cells[at] !== other.cells[at]) return false;
  return true;
}
