import {
  angle,
  bool,
  DEFAULT_BUDGET_BYTES,
  defineGame,
  type EntityOf,
  int,
  oneOf,
  SnapshotReader,
  Snapshots,
  type SnapshotView,
  vector,
  type World,
} from "@zocalo/room";
import type { Client, Contender, Server } from "./contender.ts";
import type { Acknowledged } from "./link.ts";
import {
  type Entity,
  FARTHEST,
  PRECISION,
  quantizedEntity,
  type Scene,
  TEAMS,
  TICKS_PER_SECOND,
} from "./scenes.ts";

const game = defineGame({
  version: 1,
  ticksPerSecond: TICKS_PER_SECOND,
  kinds: {
    player: {
      at: vector(2, { min: 0, max: FARTHEST, precision: PRECISION, moves: true }),
      aim: angle(8, { moves: true }),
      health: int(0, 100),
      isFiring: bool(),
      number: int(0, 2 ** 16 - 1),
      team: oneOf(...TEAMS),
    },
  },
  input: { fire: bool() },
});
type Kinds = typeof game extends { world(): World<infer K> } ? K : never;
type Player = EntityOf<Kinds, "player">;

/** Snapshots of `@zocalo/room`: one view of everything, or one for each client where they see others. */
export function ours(scene: Scene): Contender {
  return {
    server: new OurServer(scene),
    clients: scene.seen.map(() => new OurClient()),
    isReliable: false,
  };
}

class OurServer implements Server {
  readonly #players: readonly Player[];
  readonly #snapshots: Snapshots;
  readonly #views: readonly SnapshotView[];
  readonly #receivers;
  /** Whom each view has. */
  readonly #had: readonly Uint8Array[];
  readonly #out: readonly Uint8Array[];
  readonly #lengths: Int32Array;

  constructor(scene: Scene) {
    const { sight } = scene.settings;
    const world = game.world();
    this.#players = scene.entities.map(({ number, team }) => world.add("player", { number, team }));
    this.#snapshots = new Snapshots(world);
    this.#views = sight === undefined ? [] : scene.seen.map(() => this.#snapshots.view());
    this.#receivers = scene.seen.map((_, client) =>
      (this.#views[client] ?? this.#snapshots.everything).receiver(),
    );
    this.#had = this.#views.map(() => new Uint8Array(scene.entities.length));
    this.#lengths = new Int32Array(scene.seen.length);
    this.#out = scene.seen.map(() => new Uint8Array(DEFAULT_BUDGET_BYTES));
  }

  tick(scene: Scene, tick: number): void {
    for (const entity of scene.entities) update(this.#players[entity.number], entity);
    for (const [client, view] of this.#views.entries())
      this.#look(view, this.#had[client], scene.seen[client]);
    this.#snapshots.commit(tick);
    for (const [client, receiver] of this.#receivers.entries()) {
      const out = this.#out[client];
      if (out) this.#lengths[client] = receiver.encode(out);
    }
  }

  sent(client: number): Uint8Array {
    return this.#out[client]?.subarray(0, this.#lengths[client]) ?? new Uint8Array(0);
  }

  acknowledge(client: number, { newest, before }: Acknowledged): void {
    this.#receivers[client]?.acknowledge(newest, before);
  }

  #look(view: SnapshotView, had: Uint8Array | undefined, seen: Uint8Array | undefined): void {
    if (!had || !seen) return;
    for (let number = 0; number < seen.length; number++) {
      const player = this.#players[number];
      if (had[number] === seen[number] || !player) continue;
      had[number] = seen[number] ?? 0;
      if (had[number] === 1) view.show(player.slot);
      else view.hide(player.slot);
    }
  }
}

/** What the game would write: all that it computes in a tick. */
function update(player: Player | undefined, entity: Entity): void {
  if (!player) return;
  player.at.x = entity.x;
  player.at.y = entity.y;
  player.aim = entity.aim;
  player.health = entity.health;
  player.isFiring = entity.isFiring;
}

class OurClient implements Client {
  readonly #reader = new SnapshotReader(game.layout);

  receive(bytes: Uint8Array): void {
    const news = this.#reader.read(bytes);
    if (!news.ok) throw new Error(`a snapshot could not be used: ${news.reason}`);
  }

  entities(): string[] {
    const { newest } = this.#reader;
    if (!newest) return [];
    const found: string[] = [];
    for (const { number, team, at, aim, health, isFiring } of game.frame(newest).all("player")) {
      found.push(quantizedEntity({ number, team, x: at.x, y: at.y, aim, health, isFiring }));
    }
    return found;
  }
}
