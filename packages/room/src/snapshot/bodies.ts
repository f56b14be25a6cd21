import { BitWriter } from "../bits/writer.ts";
import type { BodyWriter } from "./body-writer.ts";
import { Backlog } from "./backlog.ts";
import type { History } from "./history.ts";
import type { PartWriter } from "./part-writer.ts";
import type { ShownEntities } from "./shown.ts";

/** What rooms of one layout share: it keeps nothing from one call to the next. */
export interface Writers {
  readonly body: BodyWriter;
  readonly part: PartWriter;
  readonly scratch: BitWriter;
}

/** Past this many clients at a tick, they share bodies that are a little longer than their own would be. */
const CROWD = 16;
/** How much older a base may be than the newest that a client has, in ticks. */
const SLACK = 3;

/** A client that knows which ticks it has. */
export interface Acknowledged {
  has(tick: number): boolean;
}

/** What follows the header, against one base. */
class Body {
  readonly out = new BitWriter();
  base = -1;
  previous = -1;
  /** It was given up where it had more bytes than this. */
  limit = 0;
}

/** What has been written of one view at one tick, so that clients with the same bases share it. */
export class Bodies {
  readonly #history: History;
  readonly #shown: ShownEntities;
  readonly #writers: Writers;
  readonly #bodies: Body[] = [];
  #count = 0;
  #tick = -1;
  /** How often a body was asked for at this tick, and whether that was often at the last. */
  #asked = 0;
  #isCrowd = false;

  constructor(history: History, shown: ShownEntities, writers: Writers) {
    this.#history = history;
    this.#shown = shown;
    this.#writers = writers;
  }

  /**
   * Where there are many clients: a body that has been written already at this tick and that this client can
   * read, because it has the ticks it is told against. Its base is at most a few ticks older than the one
   * that is asked for. Without it a hundred clients that lose 5 % need a third more bodies, each 1 % shorter.
   */
  find(base: number, client: Acknowledged): Body | undefined {
    this.#turn();
    if (!this.#isCrowd) return undefined;
    let found: Body | undefined;
    for (let i = 0; i < this.#count; i++) {
      const body = this.#bodies[i] as Body;
      if (body.base < base - SLACK || body.base < 0 || body.previous < 0) continue;
      if (found !== undefined && found.base >= body.base) continue;
      if (client.has(body.base) && client.has(body.previous)) found = body;
    }
    return found;
  }

  /**
   * The body against these ticks, -1 for none; lent until the next tick.
   *
   * @returns What was written, or undefined if that is more than `limit` bytes.
   */
  body(base: number, previous: number, limit: number): BitWriter | undefined {
    this.#turn();
    this.#asked++;
    let body: Body | undefined;
    for (let i = 0; i < this.#count; i++) {
      const one = this.#bodies[i] as Body;
      if (one.base !== base || one.previous !== previous) continue;
      if (!one.out.overflowed) return one.out.length <= limit ? one.out : undefined;
      if (one.limit >= limit) return undefined;
      body = one;
    }
    body ??= this.#next();
    body.base = base;
    body.previous = previous;
    body.limit = limit;
    body.out.reset(limit);
    this.#writers.body.writeWhole(body.out, this.#history, this.#shown, base, previous);
    return body.out.overflowed ? undefined : body.out;
  }

  /** Where a part may be written, until another is. */
  scratch(): BitWriter {
    return this.#writers.scratch;
  }

  /** What a client who was first told at this tick has yet to be told. */
  backlog(firstTick: number): Backlog {
    return new Backlog(this.#history, this.#shown, this.#writers.part, firstTick);
  }

  /** Forgets what was written at another tick. */
  #turn(): void {
    if (this.#tick === this.#history.tick) return;
    this.#tick = this.#history.tick;
    this.#isCrowd = this.#asked > CROWD;
    this.#count = this.#asked = 0;
  }

  #next(): Body {
    let body = this.#bodies[this.#count];
    if (body === undefined) {
      body = new Body();
      this.#bodies.push(body);
    }
    this.#count++;
    return body;
  }
}
