import type { MessageConn } from "@zocalo/net";
import type { Sender } from "../channel/sender.ts";
import type { Clock } from "../primitives/clock.ts";
import { fitsInBytes, utf8Length } from "../primitives/utf8.ts";

/** What becomes of an answer. */
export interface AnswerFate {
  /** The connection has taken it; nothing was sent since. */
  onSent?(): void;
  /** It will not be sent: a datagram that found no room, or larger than any message of this connection. */
  onLost?(): void;
}

/** A place in the order of answers. */
export interface AnswerPlace {
  text: string | undefined;
  fate: AnswerFate | undefined;
}

/**
 * The answers of one connection, which leave in the order of its commands. One waits here while it is not
 * known yet, while an earlier one is not, or while there is no room; a session takes no command while too
 * many do, so they are bounded.
 */
export class Answers {
  readonly #sender: Sender;
  readonly #mayLose: () => boolean;
  readonly #queue: AnswerPlace[] = [];
  #isBlocked = false;
  /** Called when none waits; set once the peer says nothing more. */
  #whenNoneWaits: (() => void) | undefined;

  /** @param mayLose asked when an answer found no room: true if it is lost instead of kept */
  constructor(sender: Sender, mayLose: () => boolean) {
    this.#sender = sender;
    this.#mayLose = mayLose;
  }

  /** Answers that wait. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** What they take, in bytes. */
  get waitingBytes(): number {
    let bytes = 0;
    for (const { text } of this.#queue) bytes += text === undefined ? 0 : utf8Length(text);
    return bytes;
  }

  /** True while the connection has no room for the next one. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** Takes the next place for an answer that is not known yet. */
  reserve(): AnswerPlace {
    const place: AnswerPlace = { text: undefined, fate: undefined };
    this.#queue.push(place);
    return place;
  }

  /** Sends an answer when its turn comes; `place` if it has one. */
  send(text: string, fate?: AnswerFate, place?: AnswerPlace): void {
    if (place) {
      place.text = text;
      place.fate = fate;
    } else if (this.#queue.length === 0 && this.#sender.trySend(text) !== "refused") {
      fate?.onSent?.(); // hot path: nothing was waiting
      return;
    } else this.#queue.push({ text, fate });
    this.flush();
  }

  /** Sends what can be sent. */
  flush(): void {
    this.#isBlocked = false;
    for (let next = this.#queue[0]; next?.text !== undefined; next = this.#queue[0]) {
      if (!this.#sendFirst(next, next.text)) return;
    }
    if (this.#queue.length === 0) this.#whenNoneWaits?.();
  }

  /** Resolves when all have left or are lost; nothing if none waits. */
  untilNoneWaits(): Promise<void> | undefined {
    if (this.#queue.length === 0) return undefined;
    return new Promise((resolve) => {
      this.#whenNoneWaits = resolve;
    });
  }

  /** Forgets all of them. */
  clear(): void {
    this.#queue.length = 0;
    this.#isBlocked = false;
    this.#whenNoneWaits?.();
  }

  /** False if it has to wait for room. */
  #sendFirst({ fate }: AnswerPlace, text: string): boolean {
    const isTaken = this.#sender.trySend(text) !== "refused";
    if (!isTaken && !this.#mayLose() && fitsInBytes(text, this.#sender.maxSendBytes)) {
      this.#isBlocked = true;
      return false;
    }
    this.#queue.shift();
    if (isTaken) fate?.onSent?.();
    else fate?.onLost?.();
    return true;
  }
}

/** How often a connection is looked at that refuses an answer and has something to send, in milliseconds. */
const LOOK_MS = 50;

/**
 * Waits until the answers have room again (false), or the connection has closed (true). A connection reports
 * its close only after the command under way, and that may wait for room that never comes. So it is looked at
 * here: one that has nothing to send and takes nothing is closed.
 */
export async function hasGone(conn: MessageConn, answers: Answers, clock: Clock): Promise<boolean> {
  while (answers.isBlocked) {
    try {
      await conn.flush();
    } catch {
      return true;
    }
    if (answers.isBlocked) answers.flush();
    if (!answers.isBlocked) return false;
    if (conn.bufferedAmount === 0) return true;
    await new Promise<void>((resolve) => void clock.after(LOOK_MS, resolve));
  }
  return false;
}
