import type { SnapshotFrame } from "./frame.ts";

/** What is not as it was. Ids ascend; one whose entity is another now is in both of the first two. */
export interface FrameChanges {
  /** Those that were not there. */
  readonly entered: readonly number[];
  /** Those that are there no more. */
  readonly left: readonly number[];
  /** Those that stayed and have another cell. */
  readonly changed: readonly number[];
}

/**
 * Compares two frames of one `SnapshotReader`; before the first there was nothing.
 *
 * @example
 * const news = reader.read(bytes);
 * if (news.ok) console.log(changesBetween(news.before, news.frame).entered); // ids
 */
export function changesBetween(before: SnapshotFrame | undefined, after: SnapshotFrame): FrameChanges {
  const entered: number[] = [];
  const left: number[] = [];
  const changed: number[] = [];
  for (let id = 0; id < Math.max(after.end, before?.end ?? 0); id++) {
    const is = id < after.end && after.kinds[id] !== 0;
    const was = before !== undefined && id < before.end && before.kinds[id] !== 0;
    if (is && was && after.shares(before, id)) {
      if (!haveSameCells(after, before, id)) changed.push(id);
      continue;
    }
    if (is) entered.push(id);
    if (was) left.push(id);
  }
  return { entered, left, changed };
}

function haveSameCells(one: SnapshotFrame, other: SnapshotFrame, id: number): boolean {
  const { stride } = one.layout;
  for (let at = id * stride; at < (id + 1) * stride; at++)
    if (one.cells[at] !== other.cells[at]) return false;
  return true;
}
