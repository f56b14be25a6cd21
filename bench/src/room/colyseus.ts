import { Decoder, Encoder, schema, type SchemaType, StateView, t } from "@colyseus/schema";
import type { Client, Contender, Server } from "./contender.ts";
import { type Entity, FARTHEST, quantizedEntity, type Scene, TEAMS } from "./scenes.ts";

/** The same steps as everywhere: 16 bits of a position, 8 of an angle. */
const Player = schema(
  {
    x: t.quantized({ min: 0, max: FARTHEST, bits: 16 }),
    y: t.quantized({ min: 0, max: FARTHEST, bits: 16 }),
    aim: t.angle({ bits: 8 }),
    health: t.uint8(),
    isFiring: t.boolean(),
    number: t.uint16(),
    team: t.uint8(),
  },
  "Player",
);
type Player = SchemaType<typeof Player>;
const Shared = schema({ players: t.map(Player) }, "Shared");
const Viewed = schema({ players: t.map(Player).view() }, "Viewed");

/** Nothing that is measured here is longer than this, so that no buffer has to grow. */
Encoder.BUFFER_SIZE = 256 * 1024;

/**
 * `@colyseus/schema`, as its README says: a patch a tick of what has changed, the same bytes for all clients;
 * with views a shared part and one for each client. Reliable and in order, so there is nothing to
 * acknowledge. What it does not do, and so is not counted: a patch that is lost holds up all that follow
 * until it has come again; no patch has a limit; and its numbers of entities are the same for all clients.
 */
export function colyseus(scene: Scene): Contender {
  const hasViews = scene.settings.sight !== undefined;
  const state = hasViews ? new Viewed() : new Shared();
  const players = scene.entities.map((entity) => {
    const player = new Player();
    player.number = entity.number;
    player.team = TEAMS.indexOf(entity.team);
    update(player, entity);
    state.players.set(String(entity.number), player);
    return player;
  });
  const encoder = new Encoder(state);
  const clients = scene.seen.map(() => new ColyseusClient(hasViews));
  const server = hasViews
    ? new ViewServer(encoder, players, scene.seen.length)
    : new SharedServer(encoder, players);
  const iterator = { offset: 0 };
  const all = encoder.encodeAll(iterator).slice();
  for (const client of clients) client.receive(all);
  encoder.discardChanges();
  return { server, clients, isReliable: true };
}

class SharedServer implements Server {
  #patch: Uint8Array = new Uint8Array(0);
  readonly #encoder: Encoder;
  readonly #players: readonly Player[];

  constructor(encoder: Encoder, players: readonly Player[]) {
    this.#encoder = encoder;
    this.#players = players;
  }

  tick(scene: Scene): void {
    for (const entity of scene.entities) update(this.#players[entity.number], entity);
    this.#patch = this.#encoder.encode();
    this.#encoder.discardChanges();
  }

  sent(): Uint8Array {
    return this.#patch;
  }

  acknowledge(): void {}
}

class ViewServer implements Server {
  #patches: readonly Uint8Array[] = [];
  readonly #encoder: Encoder;
  readonly #players: readonly Player[];
  readonly #views: readonly StateView[];
  /** Whom each view has. */
  readonly #had: readonly Uint8Array[];

  constructor(encoder: Encoder, players: readonly Player[], clients: number) {
    this.#encoder = encoder;
    this.#players = players;
    this.#views = Array.from({ length: clients }, () => new StateView());
    this.#had = this.#views.map(() => new Uint8Array(players.length));
  }

  tick(scene: Scene): void {
    for (const entity of scene.entities) update(this.#players[entity.number], entity);
    for (const [client, seen] of scene.seen.entries()) this.#look(client, seen);
    const iterator = { offset: 0 };
    this.#encoder.encode(iterator);
    const sharedEnd = iterator.offset;
    this.#patches = this.#views.map((view) => this.#encoder.encodeView(view, sharedEnd, iterator));
    this.#encoder.discardChanges();
  }

  sent(client: number): Uint8Array {
    return this.#patches[client] ?? new Uint8Array(0);
  }

  acknowledge(): void {}

  #look(client: number, seen: Uint8Array): void {
    const [view, had] = [this.#views[client], this.#had[client]];
    if (!view || !had) return;
    for (let number = 0; number < seen.length; number++) {
      const player = this.#players[number];
      if (had[number] === seen[number] || !player) continue;
      had[number] = seen[number] ?? 0;
      if (had[number] === 1) view.add(player);
      else view.remove(player);
    }
  }
}

/** What the game would write: all that it computes in a tick. The library looks whether it differs. */
function update(player: Player | undefined, entity: Entity): void {
  if (!player) return;
  player.x = entity.x;
  player.y = entity.y;
  player.aim = entity.aim;
  player.health = entity.health;
  player.isFiring = entity.isFiring;
}

class ColyseusClient implements Client {
  readonly #decoder: Decoder<InstanceType<typeof Shared>>;

  constructor(hasViews: boolean) {
    this.#decoder = new Decoder(hasViews ? new Viewed() : new Shared());
  }

  receive(bytes: Uint8Array): void {
    this.#decoder.decode(bytes);
  }

  entities(): string[] {
    const found: string[] = [];
    for (const { number, team, x, y, aim, health, isFiring } of this.#decoder.state.players.values()) {
      found.push(quantizedEntity({ number, team: TEAMS[team] ?? "sun", x, y, aim, health, isFiring }));
    }
    return found;
  }
}
