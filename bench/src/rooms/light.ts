import { InputSender, type Lane, type LaneState } from "@zocalo/room";
import { game } from "./game.ts";
import { summed } from "./wire.ts";

/** How far an input is ahead of the newest snapshot that came, in ticks, and at most. */
const LEAD = 2;
const MOST_AHEAD = 5;
/** Room for a packet of inputs, in bytes. */
const PACKET_BYTES = 800;
/** The lower half of a tick, in the first two bytes of a snapshot. */
const HALF = 16;
const REMEMBERED = 32;

/**
 * A lane that can be taken over from the game that it was opened for. What comes is acknowledged from then on
 * and not read beyond its tick, and inputs are made without a picture or a prediction: a server has as much
 * to do as with a whole client, and the load a fraction of it.
 */
export class LightLane implements Lane {
  /** Messages since it was taken over. */
  readonly traffic = summed([]);
  readonly #lane: Lane;
  readonly #sender = new InputSender(game.input.cells);
  readonly #row = new Int32Array(game.input.cells.length);
  readonly #packet = new Uint8Array(PACKET_BYTES);
  readonly #frames = { tick: -1, bits: 0 };

  constructor(lane: Lane) {
    this.#lane = lane;
  }

  get carrier(): Lane["carrier"] {
    return this.#lane.carrier;
  }

  get state(): LaneState {
    return this.#lane.state;
  }

  get maxMessageBytes(): number {
    return this.#lane.maxMessageBytes;
  }

  /** The newest tick that came; -1 before it was taken over. */
  get tick(): number {
    return this.#frames.tick;
  }

  send(bytes: Uint8Array): boolean {
    return this.#lane.send(bytes);
  }

  onMessage(handler: (bytes: Uint8Array) => void): void {
    this.#lane.onMessage(handler);
  }

  onState(handler: (state: LaneState) => void): void {
    this.#lane.onState(handler);
  }

  acknowledged(ageMs: number): void {
    this.#lane.acknowledged?.(ageMs);
  }

  close(): void {
    this.#lane.close();
  }

  /** @param tick of a snapshot that came a moment ago */
  takeOver(tick: number): void {
    this.#frames.tick = tick;
    this.#lane.onMessage((bytes) => this.#heard(bytes));
  }

  /** Sends the next input. */
  input(given: Parameters<typeof game.input.toCells>[0]): void {
    const sender = this.#sender;
    const { tick } = this.#frames;
    const number = Math.max(sender.newest + 1, tick + LEAD);
    if (number > tick + MOST_AHEAD) return;
    game.input.toCells(given, this.#row, 0);
    sender.add(number, this.#row);
    const length = sender.write(this.#packet, this.#frames, tick - 1);
    if (!this.#lane.send(this.#packet.subarray(0, length))) return;
    this.traffic.messagesOut += 1;
    this.traffic.bytesOut += length;
  }

  /** One that comes after a newer one is late, and a whole client does not take it either. */
  #heard(bytes: Uint8Array): void {
    this.traffic.messagesIn += 1;
    this.traffic.bytesIn += bytes.length;
    const frames = this.#frames;
    const half = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0);
    const since = ((half - frames.tick) << HALF) >> HALF;
    if (since <= 0) return;
    frames.bits = since > REMEMBERED ? 0 : (shifted(frames.bits, since) | (1 << (since - 1))) >>> 0;
    frames.tick += since;
  }
}

/** A shift by 32 would be none. */
function shifted(bits: number, by: number): number {
  return by === REMEMBERED ? 0 : bits << by;
}
