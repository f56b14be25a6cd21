import { BitWriter } from "../bits/writer.ts";
import type { Acknowledgement } from "../contracts/acknowledgement.ts";
import type { Cell } from "../contracts/layout.ts";
import { INPUTS_PER_PACKET, InputPacket, writePacket } from "./packet.ts";
import type { InputReport } from "./report.ts";
import { RowRing } from "./row-ring.ts";

/**
 * What became of an input.
 * - `applied`: the server applied it, once, and after all that were applied before it.
 * - `lost`: it came too late or not at all, and the server does not apply it any more.
 * - `unknown`: the server went past it, and no frame came that said how.
 */
export type InputOutcome = "applied" | "lost" | "unknown";

/** How many inputs are kept until the server says what became of them. */
export const KEPT_INPUTS = 64;
/** How many inputs a report tells of. */
const TOLD = 32;

/** The client's half of inputs: keeps them, writes each into three packets, and learns what became of it. */
export class InputSender {
  readonly #packet: InputPacket;
  readonly #ring: RowRing;
  readonly #bits = new BitWriter();
  #newest = 0;
  #settled = 0;

  /** @param cells What an input consists of. */
  constructor(cells: readonly Cell[]) {
    this.#packet = new InputPacket(cells);
    this.#ring = new RowRing(KEPT_INPUTS, cells.length);
  }

  /** The newest that was added; 0 before the first. */
  get newest(): number {
    return this.#newest;
  }

  /**
   * Keeps a copy of the input of tick `number`.
   *
   * @param number Above all before it; those left out have no input.
   * @throws RangeError if it is not.
   */
  add(number: number, row: Int32Array): void {
    if (!(number > this.#newest)) throw new RangeError(`input ${number} comes after ${this.#newest}`);
    if (this.#newest === 0) this.#settled = number - 1;
    this.#ring.set(number, row);
    this.#newest = number;
  }

  /** The input of tick `number`, lent, if there was one and it is kept: the last 64 ticks are. */
  row(number: number): Int32Array | undefined {
    return number > this.#newest ? undefined : this.#ring.get(number);
  }

  /**
   * Writes the packet of the newest input: with the two before it, with the frames that came, and with what
   * is shown at this moment.
   *
   * @param out 783 bytes are enough for any input.
   * @param frames `SnapshotReader.acknowledgement`.
   * @param displayed The displayed time in ticks.
   * @returns How many bytes it has; 0 before the first input.
   * @throws RangeError if `out` has no room for it.
   */
  write(out: Uint8Array, frames: Acknowledgement, displayed: number): number {
    const packet = this.#packet;
    const bits = this.#bits;
    if (this.#newest === 0) return 0;
    packet.number = this.#newest;
    packet.newest = frames.tick;
    packet.before = frames.bits;
    packet.displayed = displayed;
    for (let back = 0; back < INPUTS_PER_PACKET; back++) {
      const row = this.row(this.#newest - back);
      packet.isHere[back] = row !== undefined;
      if (row !== undefined) packet.rows[back]?.set(row);
    }
    bits.reset(out.length);
    writePacket(packet, bits);
    bits.finish();
    if (bits.overflowed) throw new RangeError(`an input has more than ${out.length} bytes`);
    out.set(bits.bytes.subarray(0, bits.length));
    return bits.length;
  }

  /** Learns from a report what became of inputs; each outcome is told once, in the order of the inputs. */
  learn(report: Readonly<InputReport>, tell: (number: number, outcome: InputOutcome) => void): void {
    const last = Math.min(report.taken, this.#newest);
    // Of those that are not kept any more nothing is told.
    const first = Math.max(this.#settled + 1, this.#newest - KEPT_INPUTS + 1);
    if (last > this.#settled) this.#settled = last;
    for (let number = first; number <= last; number++) {
      if (!this.#ring.has(number)) continue;
      const age = report.taken - number;
      if (age >= TOLD) tell(number, "unknown");
      else tell(number, ((report.applied >>> age) & 1) === 1 ? "applied" : "lost");
    }
  }
}
