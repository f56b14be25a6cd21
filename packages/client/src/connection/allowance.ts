import { type Connected, COST, costOfLength, costOfReceived, type ReceivedAnswer } from "@zocalo/protocol";
import type { Clock } from "../primitives/clock.ts";

/**
 * Part of the burst that is left unspent: for costs that cannot be known here, such as how many are told that
 * this user comes, and for commands that a slow path delivers together.
 */
const RESERVE = 0.25;

/** Part of the burst that a publication is taken to cost while nothing is known of its channel. */
const UNKNOWN = 1 / 16;

/** A publication, as far as it counts. */
interface Counted {
  readonly channel: string;
  readonly json: string;
}

/** What a command of this length counts for, in UTF-16 code units. */
export function costOfCommand(length: number): number {
  return COST.command + costOfReceived(length);
}

/** What the answer to a command counts for: its length, and what was read for it. */
export function costOfAnswer(answer: ReceivedAnswer, length: number): number {
  return costOfLength(length) + costOfEntries(answer);
}

/** What telling one who is subscribed counts for. */
function costOfDelivery({ json }: Counted): number {
  return COST.delivery + costOfLength(json.length);
}

function costOfEntries(answer: ReceivedAnswer): number {
  switch (answer.type) {
    case "history":
      return answer.publications.length * COST.publication;
    case "presence":
      return answer.users.length * COST.presentUser;
    case "subscribed": {
      const { head, offset, presence } = answer;
      return (head - offset) * COST.publication + (presence?.users.length ?? 0) * COST.presentUser;
    }
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
  #burst = Infinity;
  /** How much of it is missing, at `#at`. */
  #spent = 0;
  #at: number;
  /** How many were told of the last publication, by channel. */
  readonly #crowds = new Map<string, number>();
  /** What publications that are not answered yet are expected to cost. */
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
  waitMs(publication?: Counted): number {
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
