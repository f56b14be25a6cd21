import { RoomError } from "../contracts/errors.ts";
import type { ApplyInput } from "../input/buffer.ts";
import { PARTS_PER_TICK } from "../input/packet.ts";
import type { Fields, KindName, Kinds } from "../schema/types.ts";
import { restoreMatch } from "./checkpoint.ts";
import type { Command, TickSource, TickWriter } from "./commands.ts";
import { defaultRoomDefinition, type RoomDefinition } from "./definition.ts";
import type { Match } from "./match.ts";

/** Bytes that are reserved behind the checkpoint at first. */
const FIRST_BYTES = 4_096;
/** An integer of seven bits a byte takes at most so many. */
const VARINT_BYTES = 5;

/**
 * A match from one of its ticks on: a checkpoint, and what came from outside into each tick since. That is
 * all it takes to play it again: of each tick how many commands there were and each as JSON, with its length;
 * how many inputs, and of each its seat, how long ago it was that its player saw, and, if they are other
 * ones, its cells, each as the difference to that seat's last. Integers take seven bits a byte.
 *
 * @example
 * const recording = new Recording(saveMatch(match));
 * match.writer = recording;
 * // … ticks run
 * const replay = new Replay(definition, recording.bytes());
 */
export class Recording implements TickWriter {
  readonly #most: number;
  #bytes: Uint8Array;
  #length: number;
  #ticks = 0;
  #isFull = false;
  /** Of the tick at hand. */
  #commands: readonly Command[] = [];
  #inputs: { readonly seat: number; readonly row: Int32Array; readonly ago: number }[] = [];
  readonly #last = new Map<number, Int32Array>();

  /**
   * @param checkpoint of the match as it is, between two ticks
   * @param maxBytes what would be longer is not recorded. Default 1,048,576.
   */
  constructor(checkpoint: Uint8Array, maxBytes: number = defaultRoomDefinition.maxRecordingBytes) {
    this.#most = maxBytes;
    this.#bytes = new Uint8Array(checkpoint.length + FIRST_BYTES);
    this.#bytes.set(checkpoint);
    this.#length = checkpoint.length;
  }

  /** How many ticks it has. */
  get ticks(): number {
    return this.#ticks;
  }

  /** It is as long as it may be: what came later is not in it. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** A copy of what was recorded so far. */
  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** A tick begins, with these commands. Called by `Match.run`. */
  begin(_tick: number, commands: readonly Command[]): void {
    this.#commands = commands;
    this.#inputs = [];
  }

  /**
   * One input of this tick. Called by `Match.run`.
   *
   * @param ago how long before the tick it was that its player saw, in sixteenths of a tick
   */
  input(seat: number, row: Int32Array, ago: number): void {
    if (!this.#isFull) this.#inputs.push({ seat, row: row.slice(), ago });
  }

  /** A tick is written whole, or the recording ends before it. */
  end(): void {
    if (this.#isFull) return;
    const start = this.#length;
    this.#write(this.#commands.length);
    for (const command of this.#commands) {
      const text = new TextEncoder().encode(JSON.stringify(command));
      this.#write(text.length);
      this.#reserve(text.length);
      this.#bytes.set(text, this.#length);
      this.#length += text.length;
    }
    this.#write(this.#inputs.length);
    for (const { seat, row, ago } of this.#inputs) {
      const last = this.#last.get(seat);
      const isSame = last !== undefined && row.every((cell, i) => cell === last[i]);
      this.#write(seat);
      this.#write(ago * 2 + (isSame ? 0 : 1));
      if (isSame) continue;
      for (let i = 0; i < row.length; i++) this.#write(zigzag(((row[i] ?? 0) - (last?.[i] ?? 0)) | 0));
      this.#last.set(seat, row);
    }
    this.#isFull = this.#length > this.#most;
    if (this.#isFull) this.#length = start;
    else this.#ticks += 1;
  }

  #write(value: number): void {
    this.#reserve(VARINT_BYTES);
    let rest = value >>> 0;
    while (rest > 0x7f) {
      this.#bytes[this.#length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#bytes[this.#length++] = rest;
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const bytes = new Uint8Array(2 * (this.#length + more));
    bytes.set(this.#bytes);
    this.#bytes = bytes;
  }
}

/**
 * Plays a recorded match again, tick by tick: the same rows at each.
 *
 * @example
 * const replay = new Replay(definition, recorded); // what `play.recording()` gave
 * while (replay.next()) console.log(replay.match.tick, replay.match.world.size);
 */
export class Replay<K extends Kinds, I extends Fields, P extends KindName<K>> {
  /** As it is after the last tick that was run. */
  readonly match: Match<K, I, P>;
  readonly #bytes: Uint8Array;
  #at: number;
  readonly #last = new Map<number, Int32Array>();
  readonly #cells: number;

  /** @throws RoomError `invalid_value` for what is no recording, `other_schema` for one of another version */
  constructor(definition: RoomDefinition<K, I, P>, bytes: Uint8Array) {
    const { match, length } = restoreMatch(definition, bytes);
    this.match = match;
    this.#bytes = bytes;
    this.#at = length;
    this.#cells = definition.game.input.cells.length;
  }

  /**
   * Runs one more tick.
   *
   * @returns false at the end, where nothing runs
   * @throws RoomError `invalid_value` for a recording that ends in the middle of a tick; what the game throws
   */
  next(): boolean {
    if (this.#at >= this.#bytes.length) return false;
    const commands: Command[] = [];
    for (let left = this.#read(); left > 0; left--) {
      const length = this.#read();
      commands.push(JSON.parse(new TextDecoder().decode(this.#take(length))) as Command);
    }
    const inputs: { readonly seat: number; readonly row: Int32Array; readonly ago: number }[] = [];
    for (let left = this.#read(); left > 0; left--) inputs.push(this.#input());
    const take = (seat: number, tick: number, apply: ApplyInput): void => {
      for (const input of inputs) {
        if (input.seat === seat) apply(input.row, tick, tick - input.ago / PARTS_PER_TICK, false);
      }
    };
    const source: TickSource = { commands, take };
    this.match.run(this.match.tick + 1, source);
    return true;
  }

  #input(): { readonly seat: number; readonly row: Int32Array; readonly ago: number } {
    const seat = this.#read();
    const told = this.#read();
    const last = this.#last.get(seat) ?? new Int32Array(this.#cells);
    if ((told & 1) === 0) return { seat, row: last, ago: told >>> 1 };
    const row = last.map((cell) => cell + unzigzag(this.#read()));
    this.#last.set(seat, row);
    return { seat, row, ago: told >>> 1 };
  }

  #read(): number {
    let value = 0;
    for (let shift = 0; shift < 7 * VARINT_BYTES; shift += 7) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) break;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw new RoomError("invalid_value", "this recording ends in the middle of a tick");
  }

  #take(length: number): Uint8Array {
    const part = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return part;
  }
}

function zigzag(value: number): number {
  return ((value << 1) ^ (value >> 31)) >>> 0;
}

function unzigzag(value: number): number {
  return (value >>> 1) ^ -(value & 1);
}
