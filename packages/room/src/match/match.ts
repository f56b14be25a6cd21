import type { Json } from "@zocalo/protocol";
import { RoomError, shown } from "../contracts/errors.ts";
import { PARTS_PER_TICK } from "../input/packet.ts";
import type { Game } from "../schema/game.ts";
import type { EntityOf, Fields, Frame, InputOf, KindName, Kinds, World } from "../schema/types.ts";
import { Snapshots } from "../snapshot/snapshots.ts";
import type { Command, MatchListener, TickSource, TickWriter } from "./commands.ts";
import {
  defaultRoomDefinition,
  type KickOptions,
  type Room,
  type RoomDefinition,
  type Seat,
} from "./definition.ts";
import { Past } from "./past.ts";
import { SeededRandom } from "./random.ts";

/** The longest text that is told to somebody who is put out. */
const MAX_KICK_TEXT = 200;

/** What a match is called and made with. */
export interface MatchOptions {
  /** `Room.id`. */
  readonly id: string;
  /** `Room.mode`. */
  readonly mode: string;
  /** From which all its chance follows; the lowest 32 bits count. */
  readonly seed: number;
  /** `Room.isPrivate`. Default false. */
  readonly isPrivate?: boolean;
  /** `Room.owner`. Default `""`. */
  readonly owner?: string;
  /** `Room.options`. Default null. */
  readonly options?: Json;
}

/** A seat of a match, as what runs it sees it. */
export class MatchSeat<K extends Kinds, P extends KindName<K>> implements Seat<K, P> {
  readonly number: number;
  readonly user: string;
  readonly name: string;
  readonly isBot: boolean;
  isAway = false;
  displayed = 0;
  #entity: EntityOf<K, P> | undefined;

  constructor(number: number, user: string, name: string, isBot: boolean) {
    this.number = number;
    this.user = user;
    this.name = name;
    this.isBot = isBot;
  }

  get entity(): EntityOf<K, P> {
    if (this.#entity === undefined)
      throw new RoomError("invalid_value", "a seat has an entity once `join` gave it");
    return this.#entity;
  }

  set entity(entity: EntityOf<K, P>) {
    this.#entity = entity;
  }
}

/** What inputs are worked out in. */
interface Scratch<Input> {
  readonly row: Int32Array;
  /** An input in which nothing is done. */
  readonly neutral: Int32Array;
  readonly input: Input;
}

const scratches = new WeakMap<object, Scratch<unknown>>();

/** That of a game, which its matches share: it is used within one call. */
function scratchOf<K extends Kinds, I extends Fields, P extends KindName<K>>({
  input,
}: Game<K, I, P>): Scratch<InputOf<I>> {
  let scratch = scratches.get(input);
  if (scratch === undefined) {
    const { length } = input.cells;
    const neutral = new Int32Array(length);
    input.toCells({}, neutral, 0);
    scratch = { row: new Int32Array(length), neutral, input: input.fromCells(neutral, 0) };
    scratches.set(input, scratch);
  }
  return scratch as Scratch<InputOf<I>>;
}

const NOBODY: MatchListener = { stepped() {}, said() {}, kicked() {}, recordingWanted() {}, closed() {} };

/**
 * A match without clock and I/O: a world, its seats, its randomness, and one tick after the other. What it
 * does follows from what it begins with and from what `run` is given, so a copy goes the same way.
 *
 * @example
 * const match = new Match(definition, { id: "test", mode: "arena", seed: 7 });
 * definition.open?.(match);
 * const ana = { type: "join", seat: 0, user: "", name: "Ana", isBot: false } as const;
 * match.run(1, { commands: [ana], take() {} });
 */
export class Match<K extends Kinds = Kinds, I extends Fields = Fields, P extends KindName<K> = KindName<K>>
  implements Room<K, P>
{
  readonly id: string;
  readonly mode: string;
  readonly isPrivate: boolean;
  readonly owner: string;
  readonly options: Json;
  /** What it goes by. */
  readonly definition: RoomDefinition<K, I, P>;
  readonly world: World<K>;
  /** For checkpoints: `random` draws from it. @internal */
  readonly chance: SeededRandom;
  state: Json = null;
  tick = 0;
  /** Who wants to know; a replay has nobody. */
  listener: MatchListener = NOBODY;
  /** Where what comes from outside is written down. */
  writer: TickWriter | undefined;
  readonly #seats: MatchSeat<K, P>[] = [];
  readonly #rewindTicks: number;
  readonly #scratch: Scratch<InputOf<I>>;
  /** What clients were told, and the past as they saw it: nothing of it is there while nobody is. */
  #snapshots: Snapshots | undefined;
  #past: Past<K> | undefined;
  #current: MatchSeat<K, P> | undefined;
  #inputs = 0;
  readonly #apply = (row: Int32Array, _number: number, displayed: number): void =>
    this.#applied(row, displayed);

  /** @throws RoomError `invalid_option` for a `maxEntities` that is none. */
  constructor(definition: RoomDefinition<K, I, P>, options: MatchOptions) {
    const { game, maxEntities = defaultRoomDefinition.maxEntities } = definition;
    this.definition = definition;
    this.id = options.id;
    this.mode = options.mode;
    this.isPrivate = options.isPrivate ?? false;
    this.owner = options.owner ?? "";
    this.options = options.options ?? null;
    this.world = game.world({ maxEntities });
    this.chance = new SeededRandom(options.seed);
    const { maxRewindMs = defaultRoomDefinition.maxRewindMs } = definition;
    this.#rewindTicks = (maxRewindMs / 1_000) * game.ticksPerSecond;
    this.#scratch = scratchOf(game);
  }

  /** What clients are told of its world. `run` commits to it. */
  get snapshots(): Snapshots {
    this.#snapshots ??= new Snapshots(this.world);
    return this.#snapshots;
  }

  /** Everybody has left: forgets what they were told and saw. Receivers and views of before are of no use. */
  forget(): void {
    this.#snapshots = undefined;
    this.#past = undefined;
  }

  get seats(): readonly Seat<K, P>[] {
    return this.#seats;
  }

  /** The seat of this number, if somebody has it. */
  seat(number: number): Seat<K, P> | undefined {
    return this.#seatOf(number);
  }

  #seatOf(number: number): MatchSeat<K, P> | undefined {
    return this.#seats.find((seat) => seat.number === number);
  }

  random(): number {
    return this.chance.next();
  }

  past(ticks: number): Frame<K> {
    const { game, maxRewindMs = defaultRoomDefinition.maxRewindMs } = this.definition;
    this.#past ??= new Past(game, this.world, this.snapshots, { maxRewindMs });
    return this.#past.at(ticks);
  }

  send(data: Json, to?: Seat<K, P>): void {
    this.listener.said(data, to?.number);
  }

  kick(seat: Seat<K, P>, { text = "", banMs = 0 }: KickOptions = {}): void {
    this.listener.kicked(seat.number, text.slice(0, MAX_KICK_TEXT), banMs);
  }

  record(): void {
    this.listener.recordingWanted();
  }

  close(): void {
    this.listener.closed();
  }

  /**
   * Runs the next tick.
   *
   * @param tick its number, one more than that of the last.
   * @param source what comes from outside into it.
   * @throws what the game throws; then the match is of no use any more.
   */
  run(tick: number, source: TickSource): void {
    this.tick = tick;
    const { definition, writer } = this;
    writer?.begin(tick, source.commands);
    for (const command of source.commands) this.#carryOut(command);
    for (const seat of this.#seats) {
      this.#current = seat;
      this.#inputs = 0;
      if (!seat.isBot) source.take(seat.number, tick, this.#apply);
      if (seat.isBot || (seat.isAway && this.#inputs === 0)) this.#think(seat);
      // Without inputs it would grow older.
      seat.displayed = Math.max(seat.displayed, tick - this.#rewindTicks);
    }
    definition.step?.(this);
    this.listener.stepped();
    this.snapshots.commit(tick);
    writer?.end();
  }

  /** Takes a seat that was taken before, as a checkpoint has it. @internal */
  takeSeat(seat: MatchSeat<K, P>): void {
    const after = this.#seats.findIndex(({ number }) => number > seat.number);
    this.#seats.splice(after < 0 ? this.#seats.length : after, 0, seat);
  }

  #carryOut(command: Command): void {
    const { definition } = this;
    if (command.type === "join") {
      const { user, isBot } = command;
      const name = isBot ? command.name || (definition.botName?.(this, command.seat) ?? "bot") : command.name;
      const seat = new MatchSeat<K, P>(command.seat, user, name, isBot);
      seat.displayed = this.tick;
      seat.entity = definition.join(this, seat);
      if (seat.entity?.kind !== definition.game.player) {
        const what = `what \`join\` gave is ${shown(seat.entity?.kind)}`;
        throw new RoomError(
          "invalid_value",
          `${what}; allowed: an entity of the kind ${definition.game.player}`,
        );
      }
      this.takeSeat(seat);
      return;
    }
    const seat = this.#seatOf(command.seat);
    if (seat === undefined) return;
    if (command.type === "away") seat.isAway = command.isAway;
    else if (command.type === "event") definition.event?.(this, seat, command.data);
    else {
      definition.leave?.(this, seat);
      if (seat.entity.isAlive) this.world.remove(seat.entity);
      this.#seats.splice(this.#seats.indexOf(seat), 1);
    }
  }

  /** One input of the current seat's player. */
  #applied(row: Int32Array, displayed: number): void {
    const seat = this.#current;
    if (seat === undefined) return;
    this.#inputs += 1;
    const most = Math.floor(this.#rewindTicks * PARTS_PER_TICK);
    const parts = Math.floor((this.tick - displayed) * PARTS_PER_TICK);
    const ago = Number.isNaN(parts) ? 0 : Math.max(0, Math.min(most, parts));
    seat.displayed = this.tick - ago / PARTS_PER_TICK;
    this.writer?.input(seat.number, row, ago);
    this.#move(seat, row);
  }

  #think(seat: MatchSeat<K, P>): void {
    const { definition } = this;
    if (definition.bot === undefined) return;
    const { game } = definition;
    const input = game.input.fromCells(this.#scratch.neutral, 0, this.#scratch.input);
    definition.bot(this, seat, input);
    game.input.toCells(input, this.#scratch.row, 0);
    seat.displayed = this.tick;
    this.#move(seat, this.#scratch.row);
  }

  #move(seat: MatchSeat<K, P>, row: Int32Array): void {
    const { game } = this.definition;
    if (!seat.entity.isAlive) return;
    game.apply?.(seat.entity, game.input.fromCells(row, 0, this.#scratch.input), this.world);
  }
}
