import { Random } from "@zocalo/integrity";
import type { Cell } from "../../src/contracts/layout.ts";
import { InputBuffer } from "../../src/input/buffer.ts";
import { InputReport } from "../../src/input/report.ts";
import { type InputOutcome, InputOutcomes } from "../../src/input/outcomes.ts";
import { InputSender } from "../../src/input/sender.ts";
import { type PredictedState, Prediction } from "../../src/play/prediction.ts";
import { SnapshotReader } from "../../src/snapshot/reader.ts";
import { DEFAULT_BUDGET_BYTES, Snapshots } from "../../src/snapshot/snapshots.ts";
import { ClientTime } from "../../src/timing/client-time.ts";
import type { Clock } from "../../src/timing/clock.ts";
import { DisplayFrame } from "../../src/timing/interpolation.ts";
import { INPUT_RATE } from "../../src/timing/steering.ts";
import { Ticker } from "../../src/timing/ticker.ts";
import { Link, type LinkOptions } from "./link.ts";
import { rowsOf, testLayout } from "./rows.ts";
import { VirtualClock } from "./virtual-clock.ts";

export const RATE = 30;
const TICK_MS = 1_000 / RATE;
/** What one side says: 150 ms there and back, 5 % lost, jitter, and Wi-Fi that comes in bursts. */
export const USUAL: LinkOptions = {
  wayMs: 75,
  jitterMs: 6,
  loss: 0.05,
  burstsPerSecond: 0.2,
  burstMs: 150,
};

const plain = { wraps: false, moves: false, refers: false };
const inputCells: readonly Cell[] = [
  { ...plain, min: -100, max: 100 },
  { ...plain, min: -100, max: 100 },
  { ...plain, min: 0, max: 1 },
];
const playerCells: Cell[] = [
  { ...plain, min: 0, max: 100_000, moves: true },
  { ...plain, min: 0, max: 100_000, moves: true },
  { ...plain, min: -512, max: 511, moves: true, wraps: true },
  { ...plain, min: 0, max: 1_000 },
];
const layout = testLayout(playerCells, [{ ...plain, min: 0, max: 2 ** 31 - 1, moves: true }]);

/** The game: walk, turn, and count what was pressed. */
function applyInput(row: Int32Array, input: Int32Array): void {
  const [x = 0, y = 0, pressed = 0] = input;
  row[0] = Math.max(0, Math.min(100_000, (row[0] ?? 0) + x));
  row[1] = Math.max(0, Math.min(100_000, (row[1] ?? 0) + y));
  row[2] = (((row[2] ?? 0) + x + 512 + 1_024) & 1_023) - 512;
  row[3] = ((row[3] ?? 0) + pressed) % 1_000;
}

/** What a run measured. */
export interface Figures {
  /** Of the comparisons after 5 seconds, in quanta of 1/100: a player walks up to 100 of them a tick. */
  readonly errors: number[];
  readonly depths: number[];
  /** Shares of the inputs. */
  readonly applied: number;
  readonly repeated: number;
  /** How far behind the newest frame others are shown, in ticks. */
  readonly behind: number[];
  readonly corrections: number;
}

export interface Run {
  readonly seed: number;
  readonly link?: Partial<LinkOptions>;
  readonly seconds?: number;
  /** How many of the page's frames take 60 ms, from 0 to 1; one in a hundred by default. */
  readonly hitches?: number;
  /** After so many seconds the page is away for a minute; what comes meanwhile is lost, or waits. */
  readonly away?: { readonly after: number; readonly isQueued: boolean; readonly clockStops: boolean };
}

/**
 * A server and a client, each with a clock of its own that drifts, and a link between them.
 *
 * @throws Error that says which promise was broken.
 */
export function simulate({ seed, link, seconds = 20, hitches = 0.01, away }: Run): Figures {
  const random = new Random(seed);
  const clock = new VirtualClock();
  clock.lateness = () => random.next() * 1.5;
  const options = { ...USUAL, ...link };
  const up = new Link(clock, new Random(random.fork()), options);
  const down = new Link(clock, new Random(random.fork()), options);
  const broken = (what: string): never => {
    throw new Error(`seed ${seed}, at ${clock.uptime().toFixed(1)} ms: ${what}`);
  };

  // The server.
  const serverRate = 1 + (random.next() - 0.5) * 2e-4;
  const serverClock: Clock = {
    uptime: () => clock.uptime() * serverRate + 12_345,
    after: (ms, run) => clock.after(ms / serverRate, run),
  };
  const buffer = new InputBuffer(inputCells);
  const player = Int32Array.of(50_000, 50_000, 0, 0);
  const appliedRows = new Map<number, string>();
  let lastApplied = 0;
  const report = new InputReport();
  const rows = rowsOf(layout, [
    { kind: 1, generation: 1, cells: [...player] },
    { kind: 2, generation: 1, cells: [0] },
  ]);
  const snapshots = new Snapshots(rows);
  const receiver = snapshots.everything.receiver();
  const out = new Uint8Array(DEFAULT_BUDGET_BYTES);
  const ticker = new Ticker(
    { clock: serverClock, ticksPerSecond: RATE, firstTick: random.int(1, 100_000) },
    (tick) => {
      buffer.take(tick, (row, number, _displayed, isRepeated) => {
        if (number <= lastApplied) broken(`input ${number} was applied after ${lastApplied}`);
        if (number > tick) broken(`input ${number} was applied in tick ${tick}`);
        lastApplied = number;
        if (!isRepeated) appliedRows.set(number, row.join());
        applyInput(player, row);
      });
      buffer.report(tick, report);
      rows.cells.set(player);
      rows.cells[layout.stride] = tick * 10;
      snapshots.commit(tick);
      receiver.acknowledge(buffer.frames.tick, buffer.frames.bits);
      const snapshot = out.slice(0, receiver.encode(out, report));
      down.send(() => snapshotCame(snapshot));
    },
  );

  // The client.
  const clientRate = 1 + (random.next() - 0.5) * 2e-4;
  let sleptMs = 0;
  const clientNow = () => clock.uptime() * clientRate + 987 - sleptMs;
  const time = new ClientTime({ ticksPerSecond: RATE });
  const sender = new InputSender(inputCells);
  const learning = new InputOutcomes(sender);
  const own = new Int32Array(playerCells.length);
  const state: PredictedState = {
    cells: playerCells,
    save: (into) => into.set(own),
    restore: (row) => own.set(row),
    apply: (input) => applyInput(own, input),
  };
  const prediction = new Prediction(state, (number) => sender.row(number));
  const reader = new SnapshotReader(layout);
  const packet = new Uint8Array(64);
  const displayed = new DisplayFrame(layout);
  const sent = new Map<number, string>();
  const outcomes = new Map<number, InputOutcome>();
  const shownOwn = new Float64Array(playerCells.length);
  const figures = { errors: [] as number[], depths: [] as number[], behind: [] as number[] };
  const input = Int32Array.of(0, 0, 0);
  let isAway = false;
  let lastTime = Number.NEGATIVE_INFINITY;
  let lastTaken = 0;
  let mustBeRight = 0;

  const snapshotCame = (bytes: Uint8Array): void => {
    const news = reader.read(bytes);

    if (!news.ok) return news.reason === "late" ? undefined : broken(`a snapshot is ${news.reason}`);
    const { frame, report: heard } = news;
    const { tick } = frame;
    const row = frame.cells.subarray(0, playerCells.length);
    if (heard === undefined) return broken("a snapshot has no report");
    time.frame(tick, heard.came, heard.cameAt, clientNow());
    learning.learn(heard, (number, outcome) => {
      if (outcomes.has(number)) broken(`of input ${number} it was told twice`);
      outcomes.set(number, outcome);
      const wasApplied = appliedRows.get(number) === sent.get(number);
      if (outcome !== "unknown" && wasApplied !== (outcome === "applied")) {
        broken(`input ${number} was told ${outcome}`);
      }
    });
    const outcome = prediction.reconcile(tick, heard.taken, row);
    if (outcome === "old") return broken("a snapshot is older than one before it");
    // If all inputs since the last comparison were applied as they were sent, nothing may differ.
    const since = heard.taken - lastTaken;
    let isWhole = lastTaken > 0 && since >= 0 && since < 32;
    for (let age = 0; age < since && isWhole; age++) {
      isWhole = ((heard.applied >>> age) & 1) === 1 && sent.has(heard.taken - age);
    }
    if (isWhole && (outcome !== "matched" || prediction.lastError > 0))
      broken(`all inputs came, and a frame was ${outcome}`);
    lastTaken = heard.taken;
    if (clock.uptime() > 5_000) {
      figures.errors.push(prediction.lastError);
      figures.depths.push(heard.depth);
    }
  };

  const display = (): void => {
    if (isAway) return;
    const now = clientNow();
    const { jumps } = time.inputs;
    const count = time.advance(now);
    if (
      time.inputs.jumps === jumps &&
      Math.abs(time.inputs.rate - 1) > INPUT_RATE + 1e-9 &&
      time.inputs.rate > 0
    ) {
      broken(`steered by ${time.inputs.rate}`);
    }
    for (let number = time.inputs.number - count + 1; number <= time.inputs.number; number++) {
      if (random.chance(0.1)) [input[0], input[1]] = [random.int(-100, 100), random.int(-100, 100)];
      input[2] = random.int(0, 1);
      sender.add(number, input);
      sent.set(number, input.join());
      prediction.predict(number);
      const length = sender.write(packet, reader.acknowledgement, time.display.time);
      const bytes = packet.slice(0, length);
      up.send(() => {
        if (!buffer.receive(bytes, ticker.position())) broken("a packet was refused");
      });
    }
    const shown = time.display.show(now, (tick) => reader.frame(tick), displayed);
    if (shown === "waiting") return;
    const at = time.display.time;
    if (at < lastTime) broken(`the displayed time went back from ${lastTime} to ${at}`);
    if (at > time.display.newest + 0.1 * RATE + 1e-9)
      broken(`${at} is shown, and ${time.display.newest} came`);
    lastTime = at;
    const other = (displayed.cells[layout.stride] ?? 0) / 10;
    if (reader.acknowledgement.bits !== 0 && Math.abs(other - at) > 1e-6)
      broken(`at ${at} is shown what was at ${other}`);
    if (mustBeRight > 0) {
      const behind = ticker.position() - at;
      const most = (options.wayMs + options.burstMs + 12 * options.jitterMs) / TICK_MS + 6;
      if (behind > most) broken(`${behind} ticks behind after it was away`);
      mustBeRight = 0;
    }
    prediction.show(now, time.inputs.fraction, shownOwn);
    if (clock.uptime() > 5_000) figures.behind.push(time.display.newest - at);
  };

  ticker.start();
  const nextFrame = (): void => {
    display();
    // Sixty frames a second.
    clock.after(random.chance(hitches) ? 60 : 16.7, nextFrame);
  };
  nextFrame();
  if (away !== undefined) {
    clock.runUntil(away.after * 1_000);
    isAway = true;
    down.isCut = true;
    down.isQueued = away.isQueued;
    clock.runUntil((away.after + 60) * 1_000);
    if (away.clockStops) sleptMs = 60_000 * clientRate;
    down.mend();
    // What is on its way comes, and the first frame after it is right.
    const newest = time.display.newest;
    while (time.display.newest === newest || (away.isQueued && time.display.newest < ticker.nextTick - 12)) {
      clock.runUntil(clock.uptime() + 5);
    }
    isAway = false;
    mustBeRight = 1;
    display();
    seconds += 60;
  }
  clock.runUntil(seconds * 1_000);
  ticker.stop();

  if (ticker.nextTick - lastApplied > 32) broken(`the last input that was applied is ${lastApplied}`);
  const { counts } = buffer;
  const all = Math.max(1, sent.size);
  // Of those that were sent before a long absence the sender keeps nothing.
  for (const number of away === undefined ? sent.keys() : []) {
    if (number <= lastTaken && !outcomes.has(number)) broken(`of input ${number} nothing was told`);
  }
  return {
    ...figures,
    applied: counts.applied / all,
    repeated: counts.repeated / all,
    corrections: prediction.corrections,
  };
}
