import type { Backlog } from "./backlog.ts";
import type { PresenceEvent } from "../engine/engine.ts";
import type { Clock, Timer } from "../primitives/clock.ts";
import { utf8Length } from "../primitives/utf8.ts";
import { encodeChange, encodeChanges, encodePresenceEvent } from "./encode.ts";
import { type SharedMessage, TextMessage } from "./shared-message.ts";

/** Changes of presence up to a version, encoded once for all who are told of them. */
export interface ToldChanges {
  readonly version: number;
  readonly message: SharedMessage;
}

/** Who is told of changes. */
export interface PresenceWatcher {
  /** Hands over what makes one message: one change, or those of a round for who has them gathered. */
  offerPresence(told: ToldChanges): void;
}

/**
 * After a round a channel rests a millisecond for so many watchers. A round is a write for each of them, of
 * 10 µs where little else runs and 60 where much does. Without a rest, those who come and go one by one would
 * make every turn such a round.
 */
const WATCHERS_PER_MS = 5;
/** The longest rest, in milliseconds. */
const MAX_REST_MS = 1_000;
/**
 * Most changes that wait. Who come and go by many addresses can be more than a large crowd can be told of.
 * With one more only the newest is told: its version says that some are missing, and whoever wants to know
 * asks again.
 */
const MAX_WAITING = 1_000;
/** Most messages in one round to those who are told singly: more would keep everybody else waiting. */
const MAX_DELIVERIES = 32_000;
/** The same in bytes, to those who have the changes of a round in one message. */
const MAX_ROUND_BYTES = 33_554_432;

/** Tells those who watch a channel of who comes and goes: what happens in one turn together. */
export class PresenceFeed {
  readonly #channel: string;
  readonly #clock: Clock;
  readonly #maxBytes: number;
  readonly #backlog: Backlog;
  readonly #singly = new Set<PresenceWatcher>();
  readonly #gathering = new Set<PresenceWatcher>();
  /** In the order of their versions. */
  #waiting: PresenceEvent[] = [];
  /** Set while something waits for the end of the turn, or while this rests after a round. */
  #timer: Timer | undefined;
  #isTelling = false;
  #newest: PresenceEvent | undefined;

  /** @param maxBytes of one message of changes */
  constructor(channel: string, clock: Clock, maxBytes: number, backlog: Backlog) {
    this.#backlog = backlog;
    this.#channel = channel;
    this.#clock = clock;
    this.#maxBytes = maxBytes;
  }

  /** How many are told. */
  get size(): number {
    return this.#singly.size + this.#gathering.size;
  }

  /** @param gathers has what happens in one turn in one message */
  watch(watcher: PresenceWatcher, gathers: boolean): void {
    (gathers ? this.#gathering : this.#singly).add(watcher);
  }

  unwatch(watcher: PresenceWatcher): void {
    this.#singly.delete(watcher);
    this.#gathering.delete(watcher);
  }

  /** Tells of it at the end of this turn or, where many watch and were just told, after the rest. */
  tell(event: PresenceEvent): void {
    if (this.#waiting.length >= MAX_WAITING) this.#waiting = [];
    this.#waiting.push(event);
    // Who ends while being told is news itself, and comes after what is being told.
    if (!this.#isTelling) this.#tellIn(0);
  }

  /**
   * For one who missed something: the newest that was told. Its version says that some are missing, and it is
   * small.
   */
  newestFor(watcher: PresenceWatcher): ToldChanges | undefined {
    const newest = this.#newest;
    if (newest === undefined) return undefined;
    return this.#gathering.has(watcher)
      ? told(newest, encodeChanges(this.#channel, newest, []))
      : told(newest, encodePresenceEvent(this.#channel, newest));
  }

  /** Nobody watches any more. */
  end(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#waiting = [];
  }

  #tellIn(ms: number): void {
    this.#timer ??= this.#clock.after(ms, () => {
      this.#timer = undefined;
      if (this.#waiting.length > 0) this.#round();
    });
  }

  /** What is told in one turn leaves in one write for each watcher. */
  #round(): void {
    const changes = this.#changesOfRound();
    const events = this.#waiting.splice(0, changes.length);
    const last = events.at(-1);
    if (last === undefined) return;
    this.#newest = last;
    this.#isTelling = true;
    try {
      if (this.#gathering.size > 0) {
        this.#offer(this.#gathering, told(last, encodeChanges(this.#channel, last, changes)));
      }
      if (this.#singly.size > 0) {
        for (const event of events) {
          this.#offer(this.#singly, told(event, encodePresenceEvent(this.#channel, event)));
        }
      }
    } finally {
      this.#isTelling = false;
    }
    const isBehind = this.#waiting.length > 0;
    const restMs = Math.min(MAX_REST_MS, Math.floor(this.size / WATCHERS_PER_MS));
    // One that is behind only gives others their turn: else ever more would wait.
    if (isBehind || restMs > 0) this.#tellIn(isBehind ? 1 : restMs);
  }

  #offer(watchers: ReadonlySet<PresenceWatcher>, changes: ToldChanges): void {
    const count = watchers.size;
    for (const watcher of watchers) watcher.offerPresence(changes);
    this.#backlog.sent(count * changes.message.bytes);
  }

  /** The next ones as text, as many as one message and one round take; one at least. */
  #changesOfRound(): string[] {
    const most = this.#singly.size === 0 ? MAX_WAITING : Math.floor(MAX_DELIVERIES / this.#singly.size);
    const ofRound = Math.floor(MAX_ROUND_BYTES / Math.max(1, this.#gathering.size));
    const [first] = this.#waiting;
    if (first === undefined) return [];
    let room = Math.min(this.#maxBytes, ofRound) - encodeChanges(this.#channel, FULL, []).length;
    const changes: string[] = [];
    for (const event of this.#waiting) {
      const text = encodeChange(event);
      room -= utf8Length(text) + 1;
      if (changes.length > 0 && (room < 0 || changes.length >= most)) break;
      changes.push(text);
    }
    return changes;
  }
}

/** With the longest numbers there are. */
const FULL = { version: Number.MAX_SAFE_INTEGER, total: Number.MAX_SAFE_INTEGER };

function told({ version }: PresenceEvent, text: string): ToldChanges {
  return { version, message: new TextMessage(text) };
}
