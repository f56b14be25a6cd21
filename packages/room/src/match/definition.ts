import type { Json } from "@zocalo/protocol";
import type { MatchQueueOptions } from "../contracts/matching.ts";
import type { AnyInterest } from "./interest.ts";
import type { InputBufferOptions } from "../input/buffer.ts";
import type { Game } from "../schema/game.ts";
import type { EntityOf, Fields, Frame, InputOf, KindName, Kinds, World } from "../schema/types.ts";

/** Why somebody has no place in a room any more. */
export type EndReason = "left" | "kicked" | "banned" | "idle" | "replaced" | "closed" | "failed";

/** How somebody is put out of a room. */
export interface KickOptions {
  /** Told to them, at most 200 characters. */
  readonly text?: string;
  /**
   * For how long they may not come back, in milliseconds; default 0. It holds for their user and for the key
   * they came with. **Risk**: whoever may be a guest can be another one.
   */
  readonly banMs?: number;
}

/** A seat that somebody has, a person or a bot. */
export interface Seat<K extends Kinds = Kinds, P extends KindName<K> = KindName<K>> {
  /** From 0 to below `seats`. */
  readonly number: number;
  /** Who it is, as the hub's `authenticate` has it; empty for a bot. */
  readonly user: string;
  /** What they want to be called, at most 32 characters. It comes from the page. */
  readonly name: string;
  /** Its inputs come from `bot`. */
  readonly isBot: boolean;
  /** Nothing came from them for a while; `bot` steers meanwhile, if there is one. */
  readonly isAway: boolean;
  /** What their inputs move: what `join` gave. The game may give them another one. */
  entity: EntityOf<K, P>;
  /**
   * Which moment of the world was on their screen when they made the input that was applied last, in ticks,
   * at most `maxRewindMs` ago: for `Room.past`.
   */
  readonly displayed: number;
}

/** A room, as its game sees it. */
export interface Room<K extends Kinds = Kinds, P extends KindName<K> = KindName<K>> {
  /** By which it is joined. That of a private room is not listed and cannot be guessed. */
  readonly id: string;
  /** Which of the server's rooms it is. */
  readonly mode: string;
  /** It is in no list. */
  readonly isPrivate: boolean;
  /** Who made it, of one that was made by a player; else empty. */
  readonly owner: string;
  /** What it was made with. From a page: check it in `open`. */
  readonly options: Json;
  /** Its entities. */
  readonly world: World<K>;
  /** Of the tick that runs, or ran last. */
  readonly tick: number;
  /**
   * Whatever the game remembers beside the world: JSON, which is handed over and recorded with it. At first
   * null.
   */
  state: Json;
  /** Those that somebody has, by number. */
  readonly seats: readonly Seat<K, P>[];
  /** From 0 to below 1. All chance in a game comes from here, so that a recording goes the same way again. */
  random(): number;
  /**
   * The world as it was at a time of the past, in ticks with fractions, between two ticks as a page shows it;
   * at most `maxRewindMs` back. Lent until the tick ends.
   */
  past(ticks: number): Frame<K>;
  /**
   * Says something to everybody here, or to one seat, by the session: once, in order, also where the
   * connection breaks; over datagrams what is lost, or is past what one carries, is left out. For who is cut
   * off or behind the last 64 are kept, of at most 262,144 characters together or a single longer one; of
   * what a connection has taken, 16,384. Of the rest `onMissed` of the client is told how many they were.
   * They go with a match that is handed over, the newest 65,536 characters in equal parts for all who are
   * here; with a crash they are lost.
   *
   * @throws what JSON cannot say; ProtocolError `too_large` past 1,048,512 characters
   */
  send(data: Json, to?: Seat<K, P>): void;
  /** Puts somebody out. It takes effect with the next tick. */
  kick(seat: Seat<K, P>, options?: KickOptions): void;
  /** Begins a recording with the end of this tick, and finishes the one before. */
  record(): void;
  /** Ends the room with the end of this tick, or now where none runs; everybody is told. */
  close(): void;
}

/**
 * A kind of room: its game, and what the server alone decides. Everything in it that a tick calls must follow
 * from the room alone, without clock, I/O and other randomness; then a match can be handed over and played
 * again.
 */
export interface RoomDefinition<
  K extends Kinds = Kinds,
  I extends Fields = Fields,
  P extends KindName<K> = KindName<K>,
> {
  /** What the server shares with the page. */
  readonly game: Game<K, I, P>;
  /** How many may play, 1 to 250. */
  readonly seats: number;
  /** Bots join until so many seats are taken, and leave for people. Default 0; they need `bot`. */
  readonly bots?: number;
  /** How many may watch, beside those who play. Default 20. */
  readonly maxWatchers?: number;
  /** Of the world. Default 1,024. */
  readonly maxEntities?: number;
  /** How inputs are taken. */
  readonly inputs?: InputBufferOptions;
  /** No snapshot is longer, in bytes. Default 1,150. */
  readonly budgetBytes?: number;
  /** What each seat is shown. Default `everyone`: everything. */
  readonly interest?: AnyInterest<NoInfer<K>>;
  /**
   * What those who watch are shown: "common", what who has no entity is shown, as far as each seat is shown
   * it, too; or "everything". Default "common". **Risk** of "everything": a player may open a second page.
   */
  readonly watch?: "common" | "everything";
  /** How far back `past` goes, in milliseconds. Default 250; at most 62 ticks. */
  readonly maxRewindMs?: number;
  /** Whoever says nothing for so long is away, in milliseconds, at least 1. Default 3,000. */
  readonly awayMs?: number;
  /** A seat is kept for so long for who is away, in milliseconds. Default 60,000. */
  readonly holdMs?: number;
  /** A room without people is closed after this, in milliseconds. Default 10,000; `null`: never. */
  readonly emptyMs?: number | null;
  /** A recording ends when it is so long, in bytes. Default 1,048,576. */
  readonly maxRecordingBytes?: number;
  /** How players are matched who ask for it, beside `seats`. */
  readonly matching?: Omit<MatchQueueOptions, "seats">;
  /** Who was there may have the last recording. It shows everything, also what was hidden. Default false. */
  readonly sharesRecordings?: boolean;
  /** Once, before the first tick. */
  open?(room: Room<K, P>): void;
  /** Somebody sits down. @returns the entity that is theirs, of the game's `player` kind */
  join(room: Room<K, P>, seat: Omit<Seat<K, P>, "entity">): EntityOf<K, P>;
  /** Their seat becomes free. Their entity is removed after this, if it is still there. */
  leave?(room: Room<K, P>, seat: Seat<K, P>): void;
  /** The rest of a tick, after everybody's inputs were applied by the game's `apply`. */
  step?(room: Room<K, P>): void;
  /**
   * Fills the input of a seat that a bot has, or whose player is away. It begins as an input in which nothing
   * is done.
   */
  bot?(room: Room<K, P>, seat: Seat<K, P>, input: InputOf<I>): void;
  /** Names of bots, at the beginning of the tick in which they sit down. Default "bot". */
  botName?(room: Room<K, P>, seat: number): string;
  /** A player said something by `play.send`. It comes from the page: check it. */
  event?(room: Room<K, P>, seat: Seat<K, P>, data: Json): void;
}

/**
 * Says what a kind of room is like; its types follow from the game. It is checked when `Rooms` is made of it.
 *
 * @example
 * const square = defineRoom({
 *   game,
 *   seats: 10,
 *   join: (room) => room.world.add("player", { at: [100 * room.random(), 100 * room.random()] }),
 *   step(room) {
 *     for (const player of room.world.all("player")) if (player.at.x > 99) player.at.x = 0;
 *   },
 * });
 */
export function defineRoom<K extends Kinds, I extends Fields, P extends KindName<K>>(
  definition: RoomDefinition<K, I, P>,
): RoomDefinition<K, I, P> {
  return definition;
}

/** Used where `RoomDefinition` leaves a field out. */
export const defaultRoomDefinition = {
  bots: 0,
  maxWatchers: 20,
  maxEntities: 1_024,
  maxRewindMs: 250,
  awayMs: 3_000,
  holdMs: 60_000,
  emptyMs: 10_000,
  maxRecordingBytes: 1_048_576,
} as const satisfies Partial<RoomDefinition>;
