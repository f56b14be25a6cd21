import type { Seat } from "../match/definition.ts";
import type { Match } from "../match/match.ts";
import { RoomViews } from "../match/room-views.ts";
import type { Kinds } from "../schema/types.ts";
import type { Receiver } from "../snapshot/receiver.ts";
import { DEFAULT_BUDGET_BYTES } from "../snapshot/snapshots.ts";
import { type Participant, WATCHES } from "./participant.ts";

/** Where snapshots are written until a lane has taken them, which is at once: one for the rooms of all. */
let out = new Uint8Array(DEFAULT_BUDGET_BYTES);
/** Its first bytes, by how many they are. */
let starts: Uint8Array[] = [];

/** What each participant of a room is shown of its match, tick by tick. */
export class SnapshotSender {
  readonly #match: Match;
  readonly #tickMs: number;
  readonly #budgetBytes: number;
  readonly #rejoin: (participant: Participant) => void;
  /** While somebody is here. */
  #shown: RoomViews | undefined;

  /** @param rejoin says that a page has to join again, and begin anew */
  constructor(match: Match, tickMs: number, rejoin: (participant: Participant) => void) {
    this.#match = match;
    this.#tickMs = tickMs;
    this.#budgetBytes = match.definition.budgetBytes ?? DEFAULT_BUDGET_BYTES;
    this.#rejoin = rejoin;
  }

  get #views(): RoomViews {
    this.#shown ??= viewsOf(this.#match);
    return this.#shown;
  }

  /** Decides who is shown what, once everything of a tick has happened and before it is committed. */
  update(people: readonly Seat<Kinds, string>[], isWatched: boolean): void {
    this.#views.update(people, isWatched);
  }

  /** Nobody is here any more. */
  forget(): void {
    this.#shown = undefined;
    this.#match.forget();
  }

  /** Tells somebody what is new in this tick. Hot path: guarded by `npm run bench -- rooms`. */
  send(participant: Participant, tick: number): void {
    const { lane, report } = participant;
    const receiver = this.#receiverOf(participant);
    if (lane?.state !== "open" || receiver === undefined || participant.isAway) return;
    participant.inputs.report(tick, report);
    report.own = this.#ownOf(participant, tick);
    if (out.length < this.#budgetBytes) {
      out = new Uint8Array(this.#budgetBytes);
      starts = [];
    }
    const length = receiver.encode(out, report);
    lane.acknowledged(
      (tick - Math.max(participant.inputs.frames.tick, participant.toldSince)) * this.#tickMs,
    );
    if (length > 0) lane.send((starts[length] ??= out.subarray(0, length)));
  }

  /** Which id is one's own, until that has come; -1: it is known, or there is none. */
  #ownOf(participant: Participant, tick: number): number {
    const entity = participant.seat === WATCHES ? undefined : this.#match.seat(participant.seat)?.entity;
    const id = entity?.isAlive === true ? (participant.view?.idOf(entity.slot) ?? -1) : -1;
    const generation = id < 0 || entity === undefined ? 0 : (this.#match.world.generations[entity.slot] ?? 0);
    if (id !== participant.own || generation !== participant.ownGeneration) {
      participant.own = id;
      participant.ownGeneration = generation;
      participant.ownSince = tick;
    } else if (participant.inputs.frames.tick >= participant.ownSince) participant.ownSince = Number.NaN;
    return Number.isNaN(participant.ownSince) ? -1 : id;
  }

  /** What tells a place of its view. Ids are those of a view: with another one its page begins anew. */
  #receiverOf(participant: Participant): Receiver | undefined {
    const { tick, definition } = this.#match;
    if (participant.incarnation === "") {
      // Said each second until it joins again, since the word may have been lost.
      if (tick % definition.game.ticksPerSecond === 0) this.#rejoin(participant);
      return undefined;
    }
    const view = participant.watches ? this.#views.watchView : this.#views.seatView(participant.seat);
    if (view === undefined) return undefined;
    if (view === participant.view) return participant.receiver;
    if (participant.view !== undefined) {
      participant.view = undefined;
      participant.receiver = undefined;
      participant.incarnation = "";
      this.#rejoin(participant);
      return undefined;
    }
    participant.view = view;
    participant.receiver = view.receiver({ budgetBytes: this.#budgetBytes });
    participant.toldSince = tick;
    return participant.receiver;
  }
}

/** The views of a match, as its definition has them. */
export function viewsOf(match: Match): RoomViews {
  const { game, interest, watch } = match.definition;
  return new RoomViews(match, match.snapshots, {
    kinds: game.definition.kinds,
    ...(interest && { interest }),
    ...(watch && { watch }),
  });
}
