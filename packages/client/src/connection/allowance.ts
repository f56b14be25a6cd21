import type { Connected, ReceivedAnswer } from "@zocalo/protocol";
import type { Clock } from "../primitives/clock.ts";

/** What a server counts, in thousandths of a command (docs/protocol.md, Names and limits). */
const COST = { command: 1_000, kilobyte: 125, entry: 50 } as const;

/**
 * Part of what may be sent at once that is left alone: for what cannot be known here, such as to how many it
 * is told that one comes, and for commands that a slow path brings together.
 */
const RESERVE = 0.25;

/** Part of it that telling of a publication may count for in a channel of which nothing is known yet. */
const UNKNOWN = 1 / 16;

/** A publication, as far as it counts. */
interface Counted {
  readonly channel: string;
  readonly json: string;
}

/** What a command of this length counts for, in UTF-16 code units. */
export function costOfCommand(length: number): number {
  return COST.command * (1 + Math.floor(length / 1_024));
}

/** What the answer to a command counts for: its length, and what was read for it. */
export function costOfAnswer(answer: ReceivedAnswer, length: number): number {
  return costOfLength(length) + COST.entry * entriesIn(answer);
}

/** What a message of this length counts for beside being one. */
export function costOfLength(length: number): number {
  return Math.floor(length / 1_024) * COST.kilobyte;
}

/** What telling one who is subscribed counts for. */
function costOfDelivery({ json }: Counted): number {
  return COST.entry + costOfLength(json.length);
}

function entriesIn(answer: ReceivedAnswer): number {
  switch (answer.type) {
    case "history":
      return answer.publications.length;
    case "presence":
      return answer.users.length;
    case "subscribed":
      return answer.head - answer.offset + (answer.presence?.users.length ?? 0);
    default:
      return 0;
  }
}

/**
 * What may be sent on a connection now, as its server counts it: so much at once, and so much a second. Until
 * the server has told how much, anything.
 */
export class Allowance {
  readonly #clock: Clock;
  /** In commands, or thousandths of one a millisecond. */
  #perSecond = 0;
  /** What may be sent at once. */
  #burst = Number.POSITIVE_INFINITY;
  /** How much of it is missing, at `#at`. */
  #spent = 0;
  #at: number;
  /** To how many a publication was told last, by channel. */
  readonly #crowds = new Map<string, number>();
  /** What telling others of those that are not answered will count for. */
  #expected = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#at = clock.uptime();
  }

  /** The server says how much. What was sent before counts. */
  told({ commandsPerSecond, commandBurst }: Connected): void {
    if (!(commandsPerSecond > 0 && commandBurst > 0)) return;
    this.#at = this.#clock.uptime();
    this.#perSecond = commandsPerSecond;
    this.#burst = commandBurst * COST.command;
  }

  /** So much was sent, or turned out to count. */
  spend(cost: number): void {
    this.#refill();
    // The server lets nobody owe more than another burst.
    if (cost > 0) this.#spent = Math.min(this.#spent + cost, 2 * this.#burst);
  }

  /**
   * Milliseconds until a command may be sent, such as this publication; one that counts for more than may
   * ever be sent at once, when nothing is missing.
   */
  waitMs(publication: Counted | undefined): number {
    if (this.#perSecond === 0) return 0;
    this.#refill();
    const most = this.#burst * (1 - RESERVE);
    const cost = costOfCommand(publication?.json.length ?? 0) + this.#costOfTelling(publication);
    const missing = this.#spent + Math.min(cost + this.#expected, most) - most;
    return missing > 0 ? Math.ceil(missing / this.#perSecond) : 0;
  }

  /** This is sent now. To be called with its answer, which says what telling others of it counted for. */
  publishing(publication: Counted): (answer: ReceivedAnswer) => void {
    const expected = this.#costOfTelling(publication);
    this.#expected += expected;
    return (answer) => {
      this.#expected -= expected;
      if (answer.type !== "published") return;
      const { cost = 0 } = answer;
      this.spend(cost);
      this.#crowds.set(publication.channel, cost / costOfDelivery(publication));
    };
  }

  #costOfTelling(publication: Counted | undefined): number {
    if (publication === undefined) return 0;
    const crowd = this.#crowds.get(publication.channel);
    return crowd === undefined ? UNKNOWN * this.#burst : crowd * costOfDelivery(publication);
  }

  #refill(): void {
    const now = this.#clock.uptime();
    this.#spent = Math.max(0, this.#spent - (now - this.#at) * this.#perSecond);
    this.#at = now;
  }
}
