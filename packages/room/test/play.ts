// One history of a world, its views and its clients, over a way that loses, doubles, reorders and delays.
import assert from "node:assert/strict";
import type { SnapshotFrame } from "../src/snapshot/frame.ts";
import { SnapshotReader } from "../src/snapshot/reader.ts";
import type { Receiver } from "../src/snapshot/receiver.ts";
import { Snapshots, type SnapshotView } from "../src/snapshot/snapshots.ts";
import { PartWriter } from "../src/snapshot/part-writer.ts";
import { mixedLayout, randomOf, TestRows } from "./any-world.ts";

export interface Play {
  readonly seed: number;
  readonly ticks: number;
  readonly entities: number;
  /** From 0 to 1. */
  readonly loss: number;
  readonly doubling: number;
  /** Ticks each way, at most; each datagram has its own. */
  readonly delay: number;
  readonly budgetBytes: number;
  /** How much of the world changes each tick, 0 to 1. */
  readonly churn: number;
  /** For some ticks in the middle nothing comes through. */
  readonly silence: number;
  /** How many more clients see everything. */
  readonly crowd: number;
}

interface Flying<T> {
  readonly at: number;
  readonly what: T;
}

/** What a view showed at a tick: by id, the kind and its cells, references as ids. */
type Shown = Map<number, { readonly kind: number; readonly cells: readonly number[] }>;

/** What the last part said of whom; the test looks over the writer's shoulder. */
let lastSaid: ReadonlySet<number> = new Set();
const write = Object.getOwnPropertyDescriptor(PartWriter.prototype, "write")?.value as (
  this: PartWriter,
  ...parameters: Parameters<PartWriter["write"]>
) => void;
PartWriter.prototype.write = function (out, history, shown, plan) {
  lastSaid = new Set([...plan.says].flatMap((said, id) => (said === 0 ? [] : [id])));
  write.call(this, out, history, shown, plan);
};

/** A client, and what is on its way from it and to it. */
export class Client {
  readonly reader: SnapshotReader;
  readonly receiver: Receiver;
  readonly view: SnapshotView;
  readonly down: Flying<Uint8Array>[] = [];
  readonly up: Flying<{ tick: number; bits: number }>[] = [];
  /** How many snapshots it read, and how many of them were whole. */
  reads = 0;
  wholes = 0;
  /** All bytes it was sent, and of whom each part said anything. */
  readonly sent: Uint8Array[] = [];
  readonly said = new Map<number, ReadonlySet<number>>();
  known: Shown = new Map();

  constructor(view: SnapshotView, budgetBytes: number) {
    this.view = view;
    this.receiver = view.receiver({ budgetBytes });
    this.reader = new SnapshotReader(mixedLayout);
  }
}

/** A world that changes at random. */
export class RandomWorld {
  readonly rows = new TestRows(mixedLayout);
  readonly #random: () => number;
  readonly #speeds = new Map<number, number>();

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Adds an entity of a random kind. */
  add(): number {
    const kind = this.#below(mixedLayout.kinds.length);
    const cells = mixedLayout.kinds[kind]?.cells ?? [];
    return this.rows.add(
      kind,
      cells.map((cell) => (cell.refers ? this.#below(this.rows.end + 2) : this.#value(cell.min, cell.max))),
    );
  }

  /** Slots that have an entity. */
  slots(): number[] {
    return Array.from({ length: this.rows.end }, (_, slot) => slot).filter(
      (slot) => this.rows.kinds[slot] !== 0,
    );
  }

  /** Moves what moves, changes some cells, adds and removes. */
  step(churn: number, most: number): void {
    const random = this.#random;
    for (const slot of this.slots()) {
      if (random() < churn * 0.1) {
        this.rows.remove(slot);
        continue;
      }
      this.rows.kindOf(slot)?.cells.forEach((cell, index) => {
        const key = slot * 64 + index;
        if (cell.moves) {
          if (random() < 0.1) this.#speeds.set(key, random() < 0.4 ? 0 : this.#below(41) - 20);
          this.#put(slot, index, this.rows.get(slot, index) + (this.#speeds.get(key) ?? 0));
        } else if (random() < churn * 0.2) {
          const value = cell.refers ? this.#below(this.rows.end + 2) : this.#value(cell.min, cell.max);
          this.rows.set(slot, index, value);
        }
        if (random() < churn * 0.02 && !cell.refers)
          this.rows.set(slot, index, this.#value(cell.min, cell.max));
      });
    }
    while (this.slots().length < most && random() < churn) this.add();
  }

  #put(slot: number, index: number, value: number): void {
    const cell = this.rows.kindOf(slot)?.cells[index];
    if (cell === undefined) return;
    const span = cell.max - cell.min + 1;
    const past = value > cell.max ? value - span : value < cell.min ? value + span : value;
    this.rows.set(slot, index, cell.wraps ? past : Math.max(cell.min, Math.min(cell.max, value)));
  }

  #value(min: number, max: number): number {
    const random = this.#random();
    return random < 0.1 ? min : random < 0.2 ? max : min + Math.floor(this.#random() * (max - min + 1));
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count);
  }
}

/** What a view shows now. */
export function shownBy(view: SnapshotView, rows: TestRows): Shown {
  const shown: Shown = new Map();
  for (let slot = 0; slot < rows.end; slot++) {
    const id = view.idOf(slot);
    if (id < 0) continue;
    const cells = rows.kindOf(slot)?.cells ?? [];
    shown.set(id, {
      kind: rows.kinds[slot] as number,
      cells: cells.map((cell, index) => {
        const value = rows.get(slot, index);
        return cell.refers ? (value === 0 ? -1 : view.idOf(value - 1)) + 1 : value;
      }),
    });
  }
  return shown;
}

/** What a client has of it. */
export function knownIn(frame: SnapshotFrame): Shown {
  const known: Shown = new Map();
  for (let id = 0; id < frame.end; id++) {
    const kind = frame.kinds[id] as number;
    if (kind === 0) continue;
    const from = id * frame.layout.stride;
    const width = frame.layout.kinds[kind - 1]?.cells.length ?? 0;
    known.set(id, { kind, cells: [...frame.cells.subarray(from, from + width)] });
  }
  return known;
}

/** Plays one history and holds each frame against what the server had. */
export function play(options: Play): Client[] {
  const random = randomOf(options.seed);
  const world = new RandomWorld(random);
  const { rows } = world;
  for (let i = 0; i < options.entities; i++) world.add();
  const snapshots = new Snapshots(rows);
  const views = [snapshots.everything, snapshots.view(), snapshots.view()];
  const clients = [0, 0, 1, 1, 2, ...Array.from({ length: options.crowd }, () => 0)].map(
    (which) => new Client(views[which] as SnapshotView, options.budgetBytes),
  );
  const truth = views.map(() => new Map<number, Shown>());
  const out = new Uint8Array(options.budgetBytes);
  const silenceFrom = options.ticks >> 1;
  const first = 65_500;
  for (let tick = first; tick < first + options.ticks; tick++) {
    world.step(options.churn, options.entities);
    for (const slot of world.slots()) {
      for (const view of views.slice(1)) {
        if (random() < 0.1) view.show(slot);
        if (random() < 0.05) view.hide(slot);
      }
    }
    snapshots.commit(tick);
    views.forEach((view, index) => truth[index]?.set(tick, shownBy(view, rows)));
    const isSilent = tick - first >= silenceFrom && tick - first < silenceFrom + options.silence;
    for (const client of clients) {
      const length = client.receiver.encode(out);
      client.said.set(tick, lastSaid);
      assert.ok(length <= options.budgetBytes, "a snapshot is past its budget");
      const bytes = out.slice(0, length);
      client.sent.push(bytes);
      const expected = truth[views.indexOf(client.view)] ?? new Map<number, Shown>();
      fly(client.down, bytes, tick, isSilent ? 1 : options.loss, options, random);
      for (const snapshot of landed(client.down, tick)) check(client, snapshot, expected);
      const { tick: newest, bits } = client.reader.acknowledgement;
      if (newest >= 0)
        fly(client.up, { tick: newest, bits }, tick, isSilent ? 1 : options.loss, options, random);
      for (const ack of landed(client.up, tick)) client.receiver.acknowledge(ack.tick, ack.bits);
    }
  }
  return clients;
}

function check(client: Client, bytes: Uint8Array, expected: ReadonlyMap<number, Shown>): void {
  const news = client.reader.read(bytes);
  if (!news.ok) {
    assert.equal(news.reason, "late");
    return;
  }
  client.reads++;
  const { newest } = client.reader;
  assert.ok(newest === news.frame);
  const before = client.known;
  const known = knownIn(newest);
  client.known = known;
  const truth = expected.get(news.frame.tick);
  assert.ok(truth);
  if (news.frame.isWhole) {
    client.wholes++;
    assert.deepEqual(known, truth);
    return;
  }
  // Who was included is as it is on the server, and nobody else is other than before.
  const said = client.said.get(news.frame.tick) ?? new Set();
  for (const id of new Set([...known.keys(), ...before.keys(), ...truth.keys()])) {
    assert.deepEqual(known.get(id), (said.has(id) ? truth : before).get(id), `id ${id}`);
  }
}

function fly<T>(
  flying: Flying<T>[],
  what: T,
  tick: number,
  loss: number,
  play: Play,
  random: () => number,
): void {
  if (random() < loss) return;
  flying.push({ at: tick + Math.floor(random() * (play.delay + 1)), what });
  if (random() < play.doubling) flying.push({ at: tick + Math.floor(random() * (play.delay + 1)), what });
}

/** Takes out what has come by now, in the order in which it came. */
function landed<T>(flying: Flying<T>[], tick: number): T[] {
  const here = flying.filter((one) => one.at <= tick).sort((a, b) => a.at - b.at);
  const away = flying.filter((one) => one.at > tick);
  flying.length = 0;
  flying.push(...away);
  return here.map((one) => one.what);
}
