import type { Acknowledgement } from "../contracts/acknowledgement.ts";
import type { Cell } from "../contracts/layout.ts";
import { widthOf } from "../bits/marks.ts";
import { DISPLAYED_BITS, DISPLAYED_HALF, INPUTS_PER_PACKET, PARTS_PER_TICK } from "./packet.ts";
import { RowRing } from "./row-ring.ts";

/** How many inputs are kept, until the server has said what became of them. */
export const KEPT_INPUTS = 64;

/**
 * The client's half of inputs: keeps them, and writes each into three packets.
 *
 * @example
 * const sender = new InputSender(game.input.cells);
 * const row = new Int32Array(game.input.cells.length);
 * game.input.toCells({ move: [1, 0] }, row, 0);
 * sender.add(1, row); // each tick
 * lane.send(bytes.subarray(0, sender.write(bytes, reader.acknowledgement, 0)));
 */
export class InputSender {
  readonly #cells: readonly Cell[];
  readonly #ring: RowRing;
  /** The newest that was added; 0 before the first. */
  newest = 0;

  /** @param cells What an input consists of. */
  constructor(cells: readonly Cell[]) {
    this.#cells = cells;
    this.#ring = new RowRing(KEPT_INPUTS, cells.length);
  }

  /**
   * Keeps a copy of the input of tick `number`.
   *
   * @param number Above all before it; those left out have no input.
   * @param row As `Game.input.toCells` makes it: each cell is in its range.
   * @throws RangeError if the number is not above.
   */
  add(number: number, row: Int32Array): void {
    if (!(number > this.newest)) throw new RangeError(`input ${number} comes after ${this.newest}`);
    this.#ring.set(number, row);
    this.newest = number;
  }

  /** The input of tick `number`, lent, if there was one and it is kept: the last 64 ticks are. */
  row(number: number): Int32Array | undefined {
    return number > this.newest ? undefined : this.#ring.get(number);
  }

  /**
   * Writes the packet of the newest input: with the two before it, with the frames that came, and with what
   * is shown at this moment.
   *
   * @param out 783 bytes are enough for any input. What is not used of it becomes 0.
   * @param frames `SnapshotReader.acknowledgement`.
   * @param displayed The displayed time in ticks.
   * @returns How many bytes it has; 0 before the first input.
   * @throws RangeError if `out` has no room for it.
   */
  write(out: Uint8Array, frames: Acknowledgement, displayed: number): number {
    const { newest } = this;
    if (newest === 0) return 0;
    let at = 0;
    const put = (value: number, bits: number): void => {
      for (let bit = bits - 1; bit >= 0; bit--, at++) {
        if (((value >>> bit) & 1) === 1) out[at >> 3] = (out[at >> 3] ?? 0) | (128 >> (at & 7));
      }
    };
    out.fill(0);
    put(newest, 32);
    put(frames.tick, 32);
    put(frames.bits, 32);
    const shown = Math.round((frames.tick - displayed) * PARTS_PER_TICK) + DISPLAYED_HALF;
    put(shown > 0 && shown < 2 * DISPLAYED_HALF ? shown : 0, DISPLAYED_BITS);
    let after: Int32Array | undefined;
    for (let back = 0; back < INPUTS_PER_PACKET; back++) {
      const row = this.row(newest - back);
      if (row === undefined) put(0, 2);
      else if (row.every((value, index) => value === after?.[index])) put(1, 1);
      else {
        put(1, 2);
        for (const [index, cell] of this.#cells.entries())
          put((row[index] ?? 0) - cell.min, widthOf(cell.max - cell.min));
      }
      after = row ?? after;
    }
    if (at > 8 * out.length) throw new RangeError(`an input has more than ${out.length} bytes`);
    return (at + 7) >> 3;
  }
}
