import type { Rows } from "../contracts/rows.ts";
import type { InputReport } from "../input/report.ts";
import { InputSender } from "../input/sender.ts";
import type { Lane } from "../lanes/lane.ts";
import { PredictedWorld } from "../play/predicted-world.ts";
import { Prediction } from "../play/prediction.ts";
import type { Game } from "../schema/game.ts";
import type { Fields, Frame, InputOf, KindName, Kinds } from "../schema/types.ts";
import { SnapshotReader } from "../snapshot/reader.ts";
import { ClientTime } from "../timing/client-time.ts";
import type { DisplayState } from "../timing/display.ts";
import { DisplayFrame } from "../timing/interpolation.ts";
import { ByteFlow, type Figures, WINDOW_TICKS } from "./figures.ts";
import type { PlayOptions } from "./options.ts";

/** No generation of its own entity was seen yet. */
const UNSEEN = -1;
/** Room for any packet of inputs, in bytes. */
const PACKET_BYTES = 800;

/**
 * What a client has of a room: the frames that came, its inputs, what is predicted of its own entity, and
 * what is shown of all that. Each incarnation of the room has another one.
 */
export class Replica<K extends Kinds, I extends Fields, Player extends KindName<K>> {
  /** What is shown, by the names of its fields. */
  readonly frame: Frame<K>;
  /** Ticks whose frame came, and whose time the last `advance` has passed. */
  readonly passed: number[] = [];
  readonly #game: Game<K, I, Player>;
  readonly #reader: SnapshotReader;
  readonly #time: ClientTime;
  readonly #shown: DisplayFrame;
  readonly #frameAt = (tick: number): Rows | undefined => this.#reader.frame(tick);

  readonly #sender: InputSender;
  readonly #packet = new Uint8Array(PACKET_BYTES);
  readonly #neutral: Int32Array;
  readonly #row: Int32Array;

  readonly #world: PredictedWorld<K, I, Player>;
  readonly #prediction: Prediction;
  readonly #tag: number;
  /** Its own entity: the id and the generation it has, or last had, and whether it is there. */
  #own = -1;
  #generation = UNSEEN;
  #isThere = false;
  #isTimed = false;
  readonly #ownCells: Float64Array;

  readonly #in = new ByteFlow();
  readonly #out = new ByteFlow();
  #firstTick = -1;
  #depth = 0;
  /** The newest input of which the server said that it came. */
  #came = 0;

  constructor(game: Game<K, I, Player>, options: PlayOptions) {
    const { layout, input, ticksPerSecond, player } = game;
    this.#game = game;
    this.#reader = new SnapshotReader(layout, options);
    this.#time = new ClientTime({ ...options, ticksPerSecond });
    this.#shown = new DisplayFrame(layout);
    this.frame = game.frame(this.#shown);

    this.#sender = new InputSender(input.cells);
    this.#neutral = new Int32Array(input.cells.length);
    this.#row = new Int32Array(input.cells.length);
    input.toCells({}, this.#neutral, 0);

    this.#world = new PredictedWorld(game);
    this.#prediction = new Prediction(this.#world, (number) => this.#sender.row(number), options);
    this.#tag = 1 + layout.kinds.findIndex(({ name }) => name === player);
    this.#ownCells = new Float64Array(this.#world.cells.length);
  }

  /** The newest tick that came, or -1. */
  get tick(): number {
    return this.#reader.newest?.tick ?? -1;
  }

  /** The displayed time in ticks; minus infinity before something was shown. */
  get time(): number {
    return this.#time.display.time;
  }

  /** The id of its own entity in `frame`; -1 if it is not there. */
  get own(): number {
    const { generations } = this.#shown;
    return this.#isThere && generations[this.#own] === this.#generation ? this.#own : -1;
  }

  frameAt(tick: number): Rows | undefined {
    return this.#reader.frame(tick);
  }

  figures(nowMs: number): Omit<Figures, "carrier"> {
    const tickMs = 1_000 / this.#game.ticksPerSecond;
    const { tick } = this;
    const prediction = this.#prediction;
    const first = Math.max(this.#firstTick, tick - WINDOW_TICKS + 1);
    let lost = 0;
    for (let one = first; one < tick; one++) if (this.#reader.frame(one) === undefined) lost += 1;
    return {
      roundTripMs: this.#time.roundTripMs,
      jitterMs: this.#time.display.jitter * tickMs,
      lossShare: lost / (tick - first + 1),
      bytesInPerSecond: this.#in.perSecond(nowMs),
      bytesOutPerSecond: this.#out.perSecond(nowMs),
      predictionErrorQuanta: prediction.error(0.95),
      inputDepth: this.#depth,
      corrections: prediction.corrections,
      snaps: prediction.snaps,
    };
  }

  /**
   * Takes what a lane brought.
   *
   * @returns false for what is no snapshot.
   */
  receive(bytes: Uint8Array, nowMs: number): boolean {
    this.#in.add(bytes.length, nowMs);
    const news = this.#reader.read(bytes);
    if (!news.ok) return news.reason !== "malformed";
    const { report } = news;
    const { tick } = news.frame;
    if (this.#firstTick < 0) this.#firstTick = tick;
    if (report === undefined) return true;
    this.#time.frame(tick, report.came, report.cameAt, nowMs);
    this.#came = Math.max(this.#came, report.came);
    this.#depth = report.depth;
    this.#reconcile(tick, report);
    return true;
  }

  /**
   * Makes and sends the inputs that are due, and fills `frame`.
   *
   * @param fill Writes an input; it is neutral before.
   * @param lane What it is sent by. None: no inputs are made.
   */
  advance(
    nowMs: number,
    fill: ((input: InputOf<I>) => void) | undefined,
    lane: Lane | undefined,
  ): DisplayState {
    const { display, inputs } = this.#time;
    if (lane !== undefined) {
      for (let due = this.#time.advance(nowMs); due > 0; due--) {
        this.#make(inputs.number - due + 1, fill, lane, nowMs);
      }
    }
    const before = display.time;
    const state = display.show(nowMs, this.#frameAt, this.#shown);
    this.passed.length = 0;
    if (state === "waiting") return state;
    this.#showOwn(nowMs);
    // What happened while nobody looked, or nothing came, is over.
    if (state === "returned" || before === Number.NEGATIVE_INFINITY) return state;
    const last = Math.floor(display.time);
    for (let tick = Math.max(Math.floor(before) + 1, last - WINDOW_TICKS); tick <= last; tick++) {
      if (this.#reader.frame(tick) !== undefined) this.passed.push(tick);
    }
    return state;
  }

  #make(number: number, fill: ((input: InputOf<I>) => void) | undefined, lane: Lane, nowMs: number): void {
    if (number <= this.#sender.newest) return;
    const { input } = this.#game;
    // How early inputs have to be is known once the first came: those before it would come too late.
    this.#isTimed ||= this.#time.inputs.transit.isKnown;
    if (fill === undefined || !this.#isTimed) this.#row.set(this.#neutral);
    else {
      // Another object each time: what is assigned to it stays the application's.
      const filled = input.fromCells(this.#neutral, 0);
      fill(filled);
      input.toCells(filled, this.#row, 0);
    }
    this.#sender.add(number, this.#row);
    this.#prediction.predict(number);
    const length = this.#sender.write(this.#packet, this.#reader.acknowledgement, this.time);
    lane.acknowledged?.(this.#unansweredMs(nowMs));
    if (lane.send(this.#packet.subarray(0, length))) this.#out.add(length, nowMs);
  }

  /** For how long the oldest input has been on its way of which the server has not said that it came. */
  #unansweredMs(nowMs: number): number {
    const { inputs } = this.#time;
    for (
      let number = Math.max(this.#came + 1, inputs.number - WINDOW_TICKS);
      number < inputs.number;
      number++
    ) {
      const ageMs = nowMs - inputs.dueAtMs(number);
      if (ageMs >= 0) return ageMs;
    }
    return 0;
  }

  #reconcile(tick: number, { own, taken }: Readonly<InputReport>): void {
    const frame = this.#reader.newest;
    if (frame === undefined) return;
    const prediction = this.#prediction;
    const isTold = own >= 0;
    const wasThere = this.#isThere;
    if (isTold && own !== this.#own) {
      this.#own = own;
      this.#generation = UNSEEN;
      prediction.reset();
    }
    const row = this.#world.take(frame, this.#own);
    const generation = frame.generations[this.#own] ?? UNSEEN;
    // Another one that gets its id later is not its own unless that is said.
    const isOther = this.#generation !== UNSEEN && this.#generation !== generation;
    this.#isThere = row !== undefined && (!isOther || isTold);
    if (wasThere && (isOther || row === undefined)) prediction.reset();
    if (!this.#isThere || row === undefined) return;
    this.#generation = generation;
    if (this.#game.apply !== undefined) prediction.reconcile(tick, taken, row);
  }

  /** Shows its own entity as it is predicted, and no more once it is gone, though others are still shown. */
  #showOwn(nowMs: number): void {
    const shown = this.#shown;
    const own = this.#own;
    if (this.#isThere && this.#prediction.hasBegun) {
      this.#prediction.show(nowMs, this.#time.inputs.fraction, this.#ownCells);
      shown.put(own, this.#tag, this.#generation, this.#ownCells);
    } else if (!this.#isThere && own >= 0 && own < shown.end && shown.generations[own] === this.#generation) {
      const newest = this.#reader.newest;
      const isLeft = newest !== undefined && own < newest.end && newest.kinds[own] !== 0;
      if (!isLeft || newest.generations[own] !== this.#generation) shown.kinds[own] = 0;
    }
  }
}
