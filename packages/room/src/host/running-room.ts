import type { Json } from "@zocalo/protocol";
import type { ApplyInput } from "../input/buffer.ts";
import type { BestLane } from "../lanes/best-lane.ts";
import type { Command, MatchListener, TickSource } from "../match/commands.ts";
import { saveMatch } from "../match/checkpoint.ts";
import { defaultRoomDefinition, type EndReason, type RoomDefinition } from "../match/definition.ts";
import type { Match } from "../match/match.ts";
import { Recording } from "../match/recording.ts";
import type { Clock } from "../timing/clock.ts";
import { type Lateness, Ticker } from "../timing/ticker.ts";
import type { Newcomer, Participant } from "./participant.ts";
import { type SavedRoom, savedRoom } from "./saved-room.ts";
import { MAX_SAVE_BYTES } from "./saves.ts";
import { Seating } from "./seating.ts";
import { SnapshotSender } from "./snapshot-sender.ts";

/** What a room wants of the rooms it is one of. */
export interface RoomKeeper {
  readonly clock: Clock;
  /** How often everything is kept, in milliseconds. */
  readonly checkpointMs: number;
  /** How long a place is kept for who never came to it, in milliseconds. */
  readonly reserveMs: number;
  /** Milliseconds since the Unix epoch. */
  wall(): number;
  /** A random name. */
  name(): string;
  said(participant: Participant, data: Json): void;
  /** Goes on with what was said and waits. */
  flush(participant: Participant): void;
  /** Its page has to join again, and begin anew. */
  rejoin(participant: Participant): void;
  /** The place is gone. */
  ended(participant: Participant, reason: EndReason, text: string): void;
  /** Who is here has changed. */
  changed(): void;
  /** Keeps what `bytes` gives at once. What that throws is told, too. */
  save(bytes: () => Uint8Array): Promise<void>;
  mayRecord(): boolean;
  /** The game threw; `closed` follows. */
  threw(error: unknown): void;
  /** It is over; `hasFailed`: since the game threw. */
  closed(hasFailed: boolean): void;
}

/** Time for which the process stood still is nobody's silence, from so many milliseconds on. */
const STOOD_STILL_MS = 500;
/** After a hand-over ticks go on once everybody is back, or so many milliseconds after the last one. */
const WAIT_FOR_ALL_MS = 1_000;
/** Of what was said so much is handed over, in UTF-16 code units of all of a room. */
const SAID_CHARACTERS = 65_536;

/**
 * - `resting`: nobody is here, and no tick runs. After `emptyMs` it is over.
 * - `running`: somebody has a place.
 * - `waiting`: it was handed over, and not everybody is back; for at most `WAIT_FOR_ALL_MS`.
 * - `over`: handed over, or closed; for good.
 */
type RoomState = "resting" | "running" | "waiting" | "over";

/** One room at work: a match, its clock, and what the people in it are told. */
export class RunningRoom implements MatchListener {
  readonly match: Match;
  readonly seating: Seating;
  readonly #keeper: RoomKeeper;
  readonly #ticker: Ticker;
  readonly #snapshots: SnapshotSender;
  readonly #source: TickSource & { commands: readonly Command[] };
  readonly #people: Match["seats"][number][] = [];
  /** What the game has asked for in this tick. */
  #effects: (() => void)[] = [];
  #state: RoomState = "resting";
  #lastRun = 0;
  #nextSave: number;
  #saving: Promise<void> | undefined;
  /** Of a room that rests, or waits. */
  #cancelTimer: (() => void) | undefined;
  #finished: Uint8Array | undefined;

  constructor(match: Match, keeper: RoomKeeper, phase: number) {
    const { definition } = match;
    const { clock } = keeper;
    this.match = match;
    this.seating = new Seating(match, clock, () => keeper.name());
    this.#keeper = keeper;
    const { ticksPerSecond } = definition.game;
    const options = { clock, ticksPerSecond, phase, firstTick: match.tick + 1 };
    this.#ticker = new Ticker(options, (tick) => this.#run(tick));
    this.#snapshots = new SnapshotSender(match, this.#ticker.tickMs, (participant) =>
      keeper.rejoin(participant),
    );
    this.#nextSave = clock.uptime() + keeper.checkpointMs;
    const take = (seat: number, tick: number, apply: ApplyInput): void => {
      this.seating.at(seat)?.inputs.take(tick, apply);
    };
    this.#source = { commands: [], take };
    match.listener = this;
    this.#rest();
  }

  get definition(): RoomDefinition {
    return this.match.definition;
  }

  get isOver(): boolean {
    return this.#state === "over";
  }

  get #isRunning(): boolean {
    return this.#state === "running";
  }

  get #isWaiting(): boolean {
    return this.#state === "waiting";
  }

  get lateness(): Lateness {
    return this.#ticker.lateness();
  }

  get skipped(): number {
    return this.#ticker.skipped;
  }

  /** The last recording that was finished, or the one at work. */
  get recording(): Uint8Array | undefined {
    const { writer } = this.match;
    return this.#finished ?? (writer instanceof Recording ? writer.bytes() : undefined);
  }

  /**
   * Gives somebody a place; `undefined` if none is free.
   *
   * @param leave gives up the place they had: called once there is one here for them
   */
  admit(who: Newcomer, watches: boolean, leave: () => void): Participant | undefined {
    if (this.isOver || !this.seating.hasRoom(watches)) return undefined;
    leave();
    const participant = this.seating.admit(who, watches);
    if (participant === undefined) return undefined;
    if (!this.#isRunning && !this.#isWaiting) this.#become("running");
    this.#keeper.changed();
    return participant;
  }

  /**
   * A session has the place now, and this lane.
   *
   * @param incarnation of which the client still has everything; with another one both sides begin anew
   */
  attach(participant: Participant, session: string, lane: BestLane, incarnation: string | undefined): void {
    participant.session = session;
    participant.lane = lane;
    participant.heardAt = this.#keeper.clock.uptime();
    participant.isReserved = false;
    this.seating.away(participant, false);
    if (participant.incarnation === "" || participant.incarnation !== incarnation) {
      participant.incarnation = this.#keeper.name();
      participant.view = undefined;
      participant.own = -1;
    }
    lane.onMessage((bytes) => this.#received(participant, bytes));
    if (this.#isWaiting && this.#allAreBack()) this.#become("running");
  }

  /** Takes a place away. */
  remove(participant: Participant, reason: EndReason, text = ""): void {
    if (!this.seating.remove(participant)) return;
    this.#keeper.ended(participant, reason, text);
    participant.lane?.close();
    if (this.seating.isEmpty) this.#rest();
    this.#keeper.changed();
  }

  /** Puts somebody out, and for a time. */
  ban(participant: Participant, text: string, banMs: number): void {
    this.seating.ban(participant, banMs);
    this.remove(participant, banMs > 0 ? "banned" : "kicked", text);
  }

  /** Stops, and gives everything that another process needs to go on. */
  handOver(): Uint8Array {
    this.#become("over");
    for (const participant of this.seating.participants) participant.lane?.close();
    const bytes = this.#save(true, SAID_CHARACTERS);
    return bytes.length > MAX_SAVE_BYTES ? this.#save(true, 0) : bytes;
  }

  /** Waits for what is being kept. */
  async settled(): Promise<void> {
    await this.#saving;
  }

  /** Takes what was kept beside the match; ticks go on when everybody is back. */
  restore(saved: SavedRoom): void {
    this.seating.restore(saved);
    // With the first tick: whoever comes after this process must not take what it began with for all.
    this.#nextSave = this.#keeper.clock.uptime();
    for (const participant of this.seating.participants)
      participant.restored = saved.isWhole ? "whole" : "checkpoint";
    if (saved.records) this.recordingWanted();
    if (this.seating.isEmpty) return;
    this.#become("waiting");
    // The other process's clock is not this one's: only the wall is common.
    const passed = Math.max(0, this.#keeper.wall() - saved.at);
    this.#cancelTimer = this.#keeper.clock.after(Math.max(0, WAIT_FOR_ALL_MS - passed), () =>
      this.#become("running"),
    );
  }

  close(reason: "closed" | "failed" = "closed"): void {
    if (this.isOver) return;
    this.#become("over");
    for (const participant of this.seating.participants) this.remove(participant, reason);
    this.match.writer = undefined;
    this.#keeper.closed(reason === "failed");
  }

  stepped(): void {
    const people = this.#people;
    people.length = 0;
    for (const seat of this.match.seats) if (!seat.isBot) people.push(seat);
    this.#snapshots.update(people, this.seating.isWatched);
  }

  said(data: Json, to: number | undefined): void {
    for (const participant of this.seating.participants) {
      if (to === undefined || participant.seat === to) this.#keeper.said(participant, data);
    }
  }

  kicked(seat: number, text: string, banMs: number): void {
    this.#effects.push(() => {
      const participant = this.seating.at(seat);
      if (participant !== undefined) this.ban(participant, text, banMs);
    });
  }

  recordingWanted(): void {
    this.#effects.push(() => {
      const { match } = this;
      if (match.writer instanceof Recording) this.#finished = match.writer.bytes();
      match.writer = undefined;
      if (!this.#keeper.mayRecord()) return;
      match.writer = new Recording(saveMatch(match), this.definition.maxRecordingBytes);
    });
  }

  closed(): void {
    if (this.#isRunning || this.#isWaiting) this.#effects.push(() => this.close());
    else this.close();
  }

  #run(tick: number): void {
    try {
      this.#step(tick);
    } catch (error) {
      this.#keeper.threw(error);
      this.close("failed");
    }
  }

  #step(tick: number): void {
    const now = this.#keeper.clock.uptime();
    this.#judge(now);
    if (!this.#isRunning) return;
    this.#source.commands = this.seating.take();
    this.match.run(tick, this.#source);
    const effects = this.#effects;
    if (effects.length > 0) this.#effects = [];
    for (const effect of effects) effect();
    if (!this.#isRunning) return;
    for (const participant of this.seating.participants) {
      this.#keeper.flush(participant);
      this.#snapshots.send(participant, tick);
    }
    if (now >= this.#nextSave) this.#keep(now);
  }

  /** Who is away, and who for too long. */
  #judge(now: number): void {
    const { awayMs = defaultRoomDefinition.awayMs, holdMs = defaultRoomDefinition.holdMs } = this.definition;
    const stoodStill = now - this.#lastRun;
    this.#lastRun = now;
    for (const participant of this.seating.participants) {
      if (stoodStill > STOOD_STILL_MS) participant.heardAt += stoodStill;
      const silentMs = now - participant.heardAt;
      if (silentMs > awayMs) this.seating.away(participant, true);
      if (silentMs > (participant.isReserved ? this.#keeper.reserveMs : holdMs))
        this.remove(participant, "idle");
    }
  }

  #received(participant: Participant, bytes: Uint8Array): void {
    if (!this.#isRunning || !participant.inputs.receive(bytes, this.#ticker.position())) return;
    participant.heardAt = this.#keeper.clock.uptime();
    participant.restored = undefined;
    const { tick, bits } = participant.inputs.frames;
    participant.receiver?.acknowledge(tick, bits);
    this.seating.away(participant, false);
  }

  #keep(now: number): void {
    this.#nextSave = now + this.#keeper.checkpointMs;
    this.#saving ??= this.#keeper
      .save(() => this.#save(false, undefined))
      .finally(() => {
        this.#saving = undefined;
      });
  }

  #save(isWhole: boolean, saidCharacters: number | undefined): Uint8Array {
    const records = this.match.writer instanceof Recording;
    const at = this.#keeper.wall();
    return saveMatch(this.match, savedRoom({ ...this.seating.save(saidCharacters), records, isWhole, at }));
  }

  #allAreBack(): boolean {
    for (const { isAway, session } of this.seating.participants) if (!isAway && session === "") return false;
    return true;
  }

  /** The one place where the state changes. What is over stays so. */
  #become(state: RoomState): void {
    if (this.#state === "over") return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    if (state === this.#state) return;
    const now = this.#keeper.clock.uptime();
    // Nobody is told, and so nobody answers, while a room waits: that is no silence of those who are back.
    if (this.#isWaiting) for (const participant of this.seating.participants) participant.heardAt = now;
    this.#state = state;
    if (state === "running") {
      this.#lastRun = now;
      this.#ticker.start();
    } else this.#ticker.stop();
  }

  /** Nobody is here: no ticks, and after a while no room. */
  #rest(): void {
    this.#become("resting");
    this.#snapshots.forget();
    if (this.isOver) return;
    const { emptyMs = defaultRoomDefinition.emptyMs } = this.definition;
    if (emptyMs !== null) this.#cancelTimer = this.#keeper.clock.after(emptyMs, () => this.close());
  }
}
