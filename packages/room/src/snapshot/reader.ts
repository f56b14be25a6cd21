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

/** What a snapshot brought. Lent until the next is read. */
export interface SnapshotNews {
  /** It was read. */
  readonly ok: true;
  /** What is known now. */
  readonly frame: SnapshotFrame;
  /** What was known before, for `changesBetween`. */
  readonly before: SnapshotFrame | undefined;
  /** What the server says of the inputs, if it does. */
  readonly report: Readonly<InputReport> | undefined;
}

/** Why a snapshot is of no use: older than what is known, against what is not known, or not one at all. */
export type SnapshotFault = "late" | "base_unknown" | "malformed";

/** A snapshot that changed nothing. */
export interface UnusableSnapshot {
  /** It was not taken. */
  readonly ok: false;
  /** Why. */
  readonly reason: SnapshotFault;
}

/**
 * Reads the snapshots of one receiver, and keeps what it was shown at each of the last 64 ticks. What came
 * from the wire never makes it throw, and changes nothing if it cannot be used.
 *
 * @example
 * const reader = new SnapshotReader(game.layout);
 * lane.onMessage((bytes) => {
 *   const news = reader.read(bytes);
 *   if (news.ok) console.log(news.frame.tick, news.frame.isWhole);
 * });
 */
export class SnapshotReader {
  /** How many snapshots were of no use, by reason. */
  readonly unusable: Record<SnapshotFault, number> = { late: 0, base_unknown: 0, malformed: 0 };
  /** What came last; it stays as it is for 64 ticks. */
  newest: SnapshotFrame | undefined;
  readonly #layout: Layout;
  readonly #body: BodyReader;
  readonly #header = newHeader();
  readonly #report = new InputReport();
  readonly #frames: (SnapshotFrame | undefined)[] = [];
  /** Where the next is read. */
  #spare: SnapshotFrame;
  /** Counts silences, so that who is there after one is nobody who was there before. */
  #era = 0;
  readonly #ago = (distance: number): SnapshotFrame | undefined => this.frame(this.#header.tick - distance);

  /** @param layout of the game; of another one nothing can be read. */
  constructor(layout: Layout, limits: SnapshotLimits = {}) {
    this.#layout = layout;
    this.#body = new BodyReader(layout, limits.maxEntities ?? 4_096);
    this.#spare = new SnapshotFrame(layout);
  }

  /** What was shown at this tick, if it came and is at most 63 ticks older than the newest. */
  frame(tick: number): SnapshotFrame | undefined {
    const frame = this.#frames[tick & RING_MASK];
    return frame?.tick === tick && tick > this.#newestTick - RING ? frame : undefined;
  }

  /** What to tell the server. */
  get acknowledgement(): Acknowledgement {
    const tick = this.#newestTick;
    let bits = 0;
    for (let i = 0; i < 32; i++) if (this.frame(tick - 1 - i) !== undefined) bits |= 1 << i;
    return { tick, bits: bits >>> 0 };
  }

  /** Reads a snapshot, whose bytes are not kept. */
  read(bytes: Uint8Array): SnapshotNews | UnusableSnapshot {
    const before = this.newest;
    const frame = this.#spare;
    const reason = this.#read(new BitReader(bytes), frame, before);
    if (reason !== undefined) {
      this.unusable[reason]++;
      return { ok: false, reason };
    }
    const place = frame.tick & RING_MASK;
    this.#spare = this.#frames[place] ?? new SnapshotFrame(this.#layout);
    this.#frames[place] = this.newest = frame;
    return { ok: true, frame, before, report: this.#header.hasReport ? this.#report : undefined };
  }

  get #newestTick(): number {
    return this.newest?.tick ?? -1;
  }

  #read(bits: BitReader, frame: SnapshotFrame, newest: SnapshotFrame | undefined): SnapshotFault | undefined {
    const header = this.#header;
    if (!readHeader(bits, header, this.#newestTick, this.#report)) return "malformed";
    const since = header.tick - this.#newestTick;
    if (since <= 0) return "late";
    const isNew = newest !== undefined && !header.isPart && header.ahead === 0 && since >= RING;
    const era = this.#era + (isNew ? 1 : 0);
    const fault = this.#body.read(bits, header, frame, newest, era, this.#ago);
    if (fault !== undefined) return fault;
    this.#era = era;
    frame.tick = header.tick;
    frame.isWhole = !header.isPart || header.completes;
    return undefined;
  }
}
