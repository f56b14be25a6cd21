import type { Json } from "@zocalo/protocol";
import type { Command } from "../match/commands.ts";
import { defaultRoomDefinition } from "../match/definition.ts";
import type { Match } from "../match/match.ts";
import type { Clock } from "../timing/clock.ts";
import { Bans } from "./bans.ts";
import { Outbox } from "./outbox.ts";
import { type Newcomer, Participant, type SavedParticipant, WATCHES } from "./participant.ts";

/** What is kept of who is in a room, see `SavedRoom`. */
export type SavedSeating = {
  readonly participants: readonly SavedParticipant[];
  /** What was to take effect with the next tick. */
  readonly commands: readonly Command[];
  readonly bans: readonly (readonly [string, number])[];
};

/** Events of one place that wait for the next tick. */
const MAX_EVENTS = 32;

/**
 * Who is in a room: people with a seat, bots, spectators, and who may not come. The match learns of it by
 * commands, at its next tick.
 */
export class Seating {
  readonly #match: Match;
  readonly #clock: Clock;
  readonly #newName: () => string;
  readonly #bans = new Bans();
  readonly #participants = new Map<string, Participant>();
  /** The same in their order. It is another with each change, and so may be gone through meanwhile. */
  #all: readonly Participant[] = [];
  /** By number: who has it. */
  readonly #seats: (Participant | "bot" | undefined)[];
  #commands: Command[] = [];

  /** @param newName makes a random one */
  constructor(match: Match, clock: Clock, newName: () => string) {
    this.#match = match;
    this.#clock = clock;
    this.#newName = newName;
    this.#seats = Array.from({ length: match.definition.seats });
    this.#fill();
  }

  /** How many people have a seat, bots have one, and people watch. */
  get counts(): { readonly players: number; readonly bots: number; readonly watchers: number } {
    let players = 0;
    let bots = 0;
    for (const seat of this.#seats) {
      if (seat === "bot") bots++;
      else if (seat !== undefined) players++;
    }
    return { players, bots, watchers: this.#participants.size - players };
  }

  get participants(): readonly Participant[] {
    return this.#all;
  }

  get isWatched(): boolean {
    for (const participant of this.#all) if (participant.watches) return true;
    return false;
  }

  get isEmpty(): boolean {
    return this.#participants.size === 0;
  }

  /** Whether one more finds a place, a seat or one to watch from. */
  hasRoom(watches: boolean): boolean {
    const { maxWatchers = defaultRoomDefinition.maxWatchers } = this.#match.definition;
    if (watches) return this.counts.watchers < maxWatchers;
    return this.#seats.some((seat) => !(seat instanceof Participant));
  }

  /** The person who has a seat. */
  at(seat: number): Participant | undefined {
    const participant = this.#seats[seat];
    return participant instanceof Participant ? participant : undefined;
  }

  /** For how long they may not come, in milliseconds; 0: they may. */
  banned(who: Pick<Newcomer, "keyHash" | "user">): number {
    return this.#bans.remainingMs(namesOf(who), this.#clock.uptime());
  }

  ban(who: Newcomer, banMs: number): void {
    if (banMs <= 0) return;
    for (const name of namesOf(who)) this.#bans.add(name, this.#clock.uptime() + banMs);
  }

  /** Gives somebody a place; `undefined` if none is free. A bot leaves for them. */
  admit(who: Newcomer, watches: boolean): Participant | undefined {
    if (!this.hasRoom(watches)) return undefined;
    const { game, inputs } = this.#match.definition;
    let seat = WATCHES;
    if (!watches) {
      seat = this.#seats.indexOf(undefined);
      if (seat < 0) seat = this.#seats.indexOf("bot");
    }
    const outbox = new Outbox(this.#newName());
    const participant = new Participant(who, seat, outbox, game.input.cells, inputs, this.#clock.uptime());
    this.#participants.set(participant.keyHash, participant);
    this.#changed();
    if (watches) return participant;
    if (this.#seats[seat] === "bot") this.#left(seat);
    this.#seats[seat] = participant;
    this.#commands.push({ type: "join", seat, user: who.user, name: who.name, isBot: false });
    return participant;
  }

  /** Takes a place away; a bot comes for them if there should be one. @returns false if it was gone */
  remove(participant: Participant): boolean {
    if (this.#participants.get(participant.keyHash) !== participant) return false;
    this.#participants.delete(participant.keyHash);
    this.#changed();
    if (participant.seat === WATCHES) return true;
    this.#seats[participant.seat] = undefined;
    this.#left(participant.seat);
    this.#fill();
    return true;
  }

  /** Somebody is away, or back. */
  away(participant: Participant, isAway: boolean): void {
    if (participant.isAway === isAway) return;
    participant.isAway = isAway;
    if (participant.seat !== WATCHES) this.#commands.push({ type: "away", seat: participant.seat, isAway });
  }

  /** What a player says. @returns false if too much of theirs waits already, or they only watch */
  event(participant: Participant, data: Json): boolean {
    if (participant.seat === WATCHES) return false;
    const waiting = this.#commands.filter(
      ({ type, seat }) => type === "event" && seat === participant.seat,
    ).length;
    if (waiting >= MAX_EVENTS) return false;
    this.#commands.push({ type: "event", seat: participant.seat, data });
    return true;
  }

  /** What is to take effect now; it is told once. */
  take(): readonly Command[] {
    const commands = this.#commands;
    if (commands.length > 0) this.#commands = [];
    return commands;
  }

  /**
   * @param saidCharacters of what was said to all of them, in UTF-16 code units, in equal parts; `undefined`:
   *   nothing of it
   */
  save(saidCharacters: number | undefined): SavedSeating {
    const each = saidCharacters === undefined ? undefined : saidCharacters / this.#participants.size;
    const participants = [...this.#participants.values()].map((participant) => participant.save(each));
    return { participants, commands: this.#commands, bans: this.#bans.save(this.#clock.uptime()) };
  }

  /** Takes the place of what it began with; its match was restored, too. */
  restore({ participants, commands, bans }: SavedSeating): void {
    const now = this.#clock.uptime();
    const { game, inputs } = this.#match.definition;
    this.#seats.fill(undefined);
    this.#commands = [...commands];
    for (const { number, isBot } of this.#match.seats) if (isBot) this.#seats[number] = "bot";
    for (const command of commands) {
      if (command.type === "leave") this.#seats[command.seat] = undefined;
      if (command.type === "join" && command.isBot) this.#seats[command.seat] = "bot";
    }
    for (const saved of participants) {
      const { said, seat } = saved;
      const outbox = said === undefined ? new Outbox(this.#newName()) : Outbox.restore(said, this.#newName());
      const participant = new Participant(saved, seat, outbox, game.input.cells, inputs, now);
      participant.inputs.restore(saved.inputs);
      participant.isAway = saved.isAway;
      this.#participants.set(participant.keyHash, participant);
      if (participant.seat !== WATCHES) this.#seats[participant.seat] = participant;
    }
    this.#changed();
    this.#bans.restore(bans, now);
    this.#fill();
  }

  #changed(): void {
    this.#all = [...this.#participants.values()];
  }

  /**
   * A seat becomes free. Whoever came since the last tick was never there: so what waits is bounded, however
   * often somebody comes and goes where no tick runs.
   */
  #left(seat: number): void {
    const came = this.#commands.findLastIndex((command) => command.type === "join" && command.seat === seat);
    if (came < 0) this.#commands.push({ type: "leave", seat });
    else this.#commands = this.#commands.filter((command, at) => at < came || command.seat !== seat);
  }

  /** Lets bots in until there are as many players as there should be. */
  #fill(): void {
    const { definition } = this.#match;
    const { bots = defaultRoomDefinition.bots } = definition;
    let taken = this.#seats.filter((seat) => seat !== undefined).length;
    for (let seat = 0; seat < this.#seats.length && taken < bots; seat++) {
      if (this.#seats[seat] !== undefined) continue;
      this.#seats[seat] = "bot";
      taken++;
      this.#commands.push({ type: "join", seat, user: "", name: "", isBot: true });
    }
  }
}

/** By which names somebody is banned. Whoever has no user is known by the key alone. */
function namesOf({ keyHash, user }: Pick<Newcomer, "keyHash" | "user">): string[] {
  return user === "" ? [`k${keyHash}`] : [`k${keyHash}`, `u${user}`];
}
