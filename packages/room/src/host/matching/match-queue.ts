import { RoomError, shown } from "../../contracts/errors.ts";
import type { MatchQueueOptions } from "../../contracts/matching.ts";
import { OpenRooms, type OpenRoom } from "./open-rooms.ts";

/** What is used where an option is left out. */
export const defaultMatchQueueOptions: Required<Omit<MatchQueueOptions, "seats">> = {
  least: 1,
  fillAfterMs: 15_000,
  skillWindow: 100,
  widenPerSecond: 50,
  anySkillAfterMs: 60_000,
  maxWaiting: 10_000,
  maxPerUser: 1,
};

/** Who waits for a match. */
export interface QueuedPlayer {
  /** Whose place it is. */
  readonly key: string;
  /** By whom places are counted, for `maxPerUser`. */
  readonly user: string;
  /** How others see who waits. */
  readonly name: string;
  /** Any finite number; default 0. */
  readonly skill?: number;
  /** Since when, in milliseconds of the clock that `round` is told. */
  readonly at: number;
}

/** Players who play together; they are in the queue no more. */
export interface MatchedPlayers {
  /** The open room they join; `undefined` for a new one. */
  readonly room: string | undefined;
  /** Who has waited longest comes first. */
  readonly players: readonly QueuedPlayer[];
}

/** How somebody's place in the queue stands. */
export interface QueueState {
  /** How many wait, this one among them. */
  readonly waiting: number;
  /** How many of them came before, as of the last round. */
  readonly ahead: number;
  /** How long this one has waited, in milliseconds. */
  readonly waitedMs: number;
  /** How many more players this one needs whose skill is near enough, as of the last round. */
  readonly needed: number;
}

/** A player in the queue. */
interface Waiting {
  readonly player: QueuedPlayer;
  readonly skill: number;
  readonly at: number;
  /** Counts those that were added. */
  readonly serial: number;
  isGone: boolean;
  ahead: number;
  needed: number;
  /** Place by skill, in a round. */
  rank: number;
}

/**
 * Who waits for a match of one mode. It has no clock: whoever has it runs a round now and then, and each
 * second is usual.
 *
 * In a round, who has waited longest comes first. Open rooms are filled first, the one of the nearest skill
 * that does not refuse a player; whom all refuse waits on, as for a new room. Then each gets the full match
 * whose skills are nearest to each other and within the window, or, after `fillAfterMs`, the largest there
 * is. After a round, while `least` players wait, none of them has waited both `fillAfterMs` and
 * `anySkillAfterMs`.
 *
 * @example
 * const queue = new MatchQueue({ seats: 2 });
 * queue.add({ key: "k1", user: "ana", name: "Ana", skill: 1_200, at: 0 });
 * queue.add({ key: "k2", user: "eva", name: "Eva", skill: 1_260, at: 400 });
 * for (const { players } of queue.round(1_000)) console.log(players.length); // 2
 */
export class MatchQueue {
  /** With what was left out. */
  readonly options: Required<MatchQueueOptions>;
  readonly #waiting = new Map<string, Waiting>();
  readonly #perUser = new Map<string, number>();
  #serial = 0;
  /** In a round: those who have not joined a room. */
  #bySkill: Waiting[] = [];
  /** In a round, by rank: the ranks before and after that are not matched yet, -1 at either end. */
  #before = new Int32Array(0);
  #after = new Int32Array(0);
  /**
   * In a round: by skill those who may play with the one that is looked at, and how many of them are below.
   */
  readonly #near: Waiting[] = [];
  #own = 0;

  /** @throws RoomError `invalid_option` for one outside of what is allowed. */
  constructor(options: MatchQueueOptions) {
    const settings = { ...defaultMatchQueueOptions, ...present(options) };
    checkOption(settings, "seats", 1, 1_000, true);
    checkOption(settings, "least", 1, settings.seats, true);
    checkOption(settings, "maxWaiting", 1, 1_000_000, true);
    checkOption(settings, "maxPerUser", 1, 1_000_000, true);
    for (const name of ["fillAfterMs", "skillWindow", "widenPerSecond", "anySkillAfterMs"] as const) {
      checkOption(settings, name, 0, Number.MAX_VALUE, false);
    }
    this.options = settings;
  }

  /** How many wait. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Whether this key has a place. */
  has(key: string): boolean {
    return this.#waiting.has(key);
  }

  /**
   * Gives a player a place in the queue.
   *
   * @returns false if the key has one already: it stays as it was.
   * @throws RoomError `limit_reached` for one too many, `invalid_value` for a skill or a time that is not
   *   finite. Then nothing was added.
   */
  add(player: QueuedPlayer): boolean {
    const { key, user, skill = 0, at } = player;
    if (this.#waiting.has(key)) return false;
    checkFinite("skill", skill);
    checkFinite("at", at);
    const { maxWaiting, maxPerUser, seats } = this.options;
    const places = this.#perUser.get(user) ?? 0;
    const ahead = this.size;
    if (places >= maxPerUser) refuse(`${shown(user)} has ${places} places`, "maxPerUser", maxPerUser);
    if (ahead >= maxWaiting) refuse(`${ahead} players wait`, "maxWaiting", maxWaiting);
    const needed = Math.max(0, seats - ahead - 1);
    const one: Waiting = { player, skill, at, serial: this.#serial++, isGone: false, ahead, needed, rank: 0 };
    this.#perUser.set(user, places + 1);
    this.#waiting.set(key, one);
    return true;
  }

  /** Takes a player out. Says whether this key had a place. */
  remove(key: string): boolean {
    const one = this.#waiting.get(key);
    if (one === undefined) return false;
    this.#take(one);
    return true;
  }

  /** How the place of a key stands; `undefined` if it has none. */
  state(key: string, nowMs: number): QueueState | undefined {
    const one = this.#waiting.get(key);
    if (one === undefined) return undefined;
    const waiting = this.size;
    const ahead = Math.min(one.ahead, waiting - 1);
    return { waiting, ahead, waitedMs: waited(one, nowMs), needed: one.needed };
  }

  /**
   * Matches whom it can. What comes of it follows from who waits, the time and the places alone.
   *
   * @param places of open rooms.
   * @throws RoomError `invalid_value` for a room whose skill is not finite; then nobody was matched.
   */
  round(nowMs: number, places: readonly OpenRoom[] = []): MatchedPlayers[] {
    const open = new OpenRooms(places);
    const byAge = [...this.#waiting.values()].sort(byTime);
    const matches = this.#fill(open, byAge, nowMs);
    this.#link(byAge);
    for (const one of byAge) {
      if (one.isGone) continue;
      const players = this.#matchOf(one, waited(one, nowMs));
      if (players !== undefined) matches.push({ room: undefined, players: this.#leave(players) });
    }
    let ahead = 0;
    for (const one of byAge) if (!one.isGone) one.ahead = ahead++;
    this.#bySkill = [];
    this.#near.length = 0;
    return matches;
  }

  /** Fills open rooms. */
  #fill(open: OpenRooms, byAge: readonly Waiting[], nowMs: number): MatchedPlayers[] {
    const joined = new Map<string, Waiting[]>();
    for (const one of byAge) {
      const room = open.take(one.player, one.skill, this.#window(waited(one, nowMs)));
      if (room === undefined) continue;
      const players = joined.get(room);
      if (players === undefined) joined.set(room, [one]);
      else players.push(one);
      this.#take(one);
    }
    return Array.from(joined, ([room, players]) => ({ room, players: players.map(({ player }) => player) }));
  }

  /** How far apart the skills of a match are at most whose oldest has waited so long. */
  #window(waitedMs: number): number {
    const { skillWindow, widenPerSecond, anySkillAfterMs } = this.options;
    if (waitedMs >= anySkillAfterMs) return Number.POSITIVE_INFINITY;
    return skillWindow + (widenPerSecond * waitedMs) / 1_000;
  }

  /** Sorts by skill who has not joined a room. */
  #link(byAge: readonly Waiting[]): void {
    this.#bySkill = byAge.filter((one) => !one.isGone).sort((a, b) => a.skill - b.skill || byTime(a, b));
    const { length } = this.#bySkill;
    if (length > this.#before.length) {
      this.#before = new Int32Array(2 * length);
      this.#after = new Int32Array(2 * length);
    }
    for (const [rank, one] of this.#bySkill.entries()) {
      one.rank = rank;
      this.#before[rank] = rank - 1;
      this.#after[rank] = rank + 1 < length ? rank + 1 : -1;
    }
  }

  /**
   * Those who follow each other by skill and play with this one; notes how many are missing if there are
   * none.
   */
  #matchOf(one: Waiting, waitedMs: number): Waiting[] | undefined {
    const { seats, least, fillAfterMs } = this.options;
    const window = this.#window(waitedMs);
    const near = this.#findNear(one, window);
    const { length } = near;
    let first = 0;
    let count = 0;
    let span = Number.POSITIVE_INFINITY;
    let end = this.#own + 1;
    for (let from = 0; from <= this.#own; from++) {
      const low = near[from]?.skill ?? 0;
      while (end < length && end - from < seats && (near[end]?.skill ?? 0) - low <= window) end++;
      const width = (near[end - 1]?.skill ?? 0) - low;
      if (width > window || end - from < count || (end - from === count && width >= span)) continue;
      first = from;
      count = end - from;
      span = width;
    }
    const enough = waitedMs >= fillAfterMs ? least : seats;
    one.needed = Math.max(0, enough - count);
    return count >= enough ? near.slice(first, first + count) : undefined;
  }

  /** This one and, by skill, up to `seats - 1` on either side within the window. */
  #findNear(one: Waiting, window: number): readonly Waiting[] {
    const near = this.#near;
    const most = this.options.seats - 1;
    near.length = 0;
    for (let rank = this.#before[one.rank] ?? -1; rank >= 0 && near.length < most; ) {
      const other = this.#bySkill[rank];
      if (other === undefined || one.skill - other.skill > window) break;
      near.push(other);
      rank = this.#before[rank] ?? -1;
    }
    near.reverse();
    this.#own = near.length;
    near.push(one);
    for (let rank = this.#after[one.rank] ?? -1; rank >= 0 && near.length - this.#own <= most; ) {
      const other = this.#bySkill[rank];
      if (other === undefined || other.skill - one.skill > window) break;
      near.push(other);
      rank = this.#after[rank] ?? -1;
    }
    return near;
  }

  /** Takes those who are matched out of the queue; who has waited longest comes first. */
  #leave(players: Waiting[]): QueuedPlayer[] {
    for (const one of players) {
      const before = this.#before[one.rank] ?? -1;
      const after = this.#after[one.rank] ?? -1;
      if (before >= 0) this.#after[before] = after;
      if (after >= 0) this.#before[after] = before;
      this.#take(one);
    }
    return players.sort(byTime).map(({ player }) => player);
  }

  #take(one: Waiting): void {
    const { key, user } = one.player;
    one.isGone = true;
    this.#waiting.delete(key);
    const places = (this.#perUser.get(user) ?? 0) - 1;
    if (places > 0) this.#perUser.set(user, places);
    else this.#perUser.delete(user);
  }
}

/** Who has waited longest comes first. */
function byTime(a: Waiting, b: Waiting): number {
  return a.at - b.at || a.serial - b.serial;
}

/** In milliseconds; a clock that was set back makes nobody wait less than nothing. */
function waited(one: Waiting, nowMs: number): number {
  return Math.max(0, nowMs - one.at);
}

/** An option that is `undefined` is one that is left out. */
function present(options: MatchQueueOptions): MatchQueueOptions {
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as unknown as MatchQueueOptions;
}

function checkOption<Name extends string>(
  options: Readonly<Record<Name, number>>,
  name: Name,
  min: number,
  max: number,
  isInteger: boolean,
): void {
  const value: unknown = options[name];
  const isNumber = isInteger ? Number.isInteger(value) : Number.isFinite(value);
  if (isNumber && Number(value) >= min && Number(value) <= max) return;
  const allowed = isInteger ? `integers from ${min} to ${max}` : `finite numbers from ${min} on`;
  throw new RoomError("invalid_option", `${name} is ${shown(value)}; allowed: ${allowed}`);
}

function checkFinite(name: string, value: unknown): void {
  if (Number.isFinite(value)) return;
  throw new RoomError("invalid_value", `${name} is ${shown(value)}; allowed: finite numbers`);
}

function refuse(what: string, limit: string, allowed: number): never {
  throw new RoomError("limit_reached", `${what}; allowed: ${limit}, which is ${allowed}`);
}
