import { type Json, LIMITS, ProtocolError } from "@zocalo/protocol";
import type { HeardEvents } from "../contracts/wire.ts";

/** How many events are kept for one who may not have heard them. */
const MOST = 64;
/** And how long they are together, in UTF-16 code units; one that is longer is kept alone. */
const MOST_CHARACTERS = 262_144;
/** Of these, what a connection has taken: it may have broken since. */
const MOST_GIVEN_CHARACTERS = 16_384;
/** The longest event: what is put around it has its place, too. */
const LONGEST = LIMITS.largestDataLength - 64;

/** What is handed over of it. A type and no interface, so that TypeScript knows it as JSON. */
export type SavedOutbox = {
  readonly log: string;
  /** The number of the event before the first that is here. */
  readonly before: number;
  readonly given: number;
  readonly texts: readonly string[];
  /** Of whom came last and has not shown that they know this log: what they know, and since when. */
  readonly other?: { readonly log: string; readonly number: number };
};

/** Gives an event, as JSON, to the connection. False: it has no room, or there is none. */
type Send = (number: number, text: string) => boolean;

/**
 * What is said to one participant, numbered. What a connection has taken is kept for a while, as is what
 * waits: whoever comes back says what they have heard, and is told the rest, or by a number that they missed
 * some.
 */
export class Outbox {
  #log: string;
  /** As JSON: what was said is the game's, and may be another thing later. */
  readonly #texts: string[] = [];
  /** The number of the event before the first of these. */
  #before = 0;
  /** The number of the last that a connection has taken. */
  #given = 0;
  #characters = 0;
  #givenCharacters = 0;
  /** The other log of whom came last, while they have not shown that they know this one. */
  #other: string | undefined;
  /** After which number they were told on. */
  #since = 0;
  /** Until somebody comes back: the last that another process has saved, and the name of what is not its. */
  #restored: HeardEvents | undefined;

  constructor(log: string) {
    this.#log = log;
  }

  /** Names what is numbered here; another one begins anew. */
  get log(): string {
    return this.#log;
  }

  /**
   * Goes on with what another process has saved.
   *
   * @param otherLog its name from now on, should they have heard what was said after that: a process that
   *   has crashed went on with the same, too
   */
  static restore({ log, before, given, texts, other }: SavedOutbox, otherLog: string): Outbox {
    const outbox = new Outbox(log);
    outbox.#before = before;
    outbox.#texts.push(...texts);
    outbox.#characters = lengthOf(texts);
    outbox.#goTo(given);
    if (other !== undefined) [outbox.#other, outbox.#since] = [other.log, other.number];
    outbox.#restored = { log: otherLog, number: before + texts.length };
    return outbox;
  }

  /** @throws what `JSON.stringify` does, TypeError for what it leaves out, ProtocolError `too_large` */
  say(data: Json, send: Send): void {
    const text: string | undefined = JSON.stringify(data);
    if (text === undefined) throw new TypeError(`JSON cannot say a ${typeof data}`);
    // Later, as it is sent, nobody would be there to be told.
    if (text.length > LONGEST)
      throw new ProtocolError("too_large", `an event of ${text.length} characters; at most ${LONGEST}`);
    this.#texts.push(text);
    this.#characters += text.length;
    this.go(send);
    while (this.#texts.length > MOST || (this.#characters > MOST_CHARACTERS && this.#texts.length > 1)) {
      this.#shift();
    }
  }

  /** Goes on with what waits. */
  go(send: Send): void {
    for (;;) {
      const text = this.#texts[this.#given - this.#before];
      if (text === undefined) return;
      if (!send(this.#given + 1, text)) return;
      this.#given += 1;
      this.#givenCharacters += text.length;
      while (this.#givenCharacters > MOST_GIVEN_CHARACTERS) this.#shift();
    }
  }

  /**
   * Somebody comes, or comes back.
   *
   * @param heard the last that they have heard. Of another log, or none: they are told what waits. If
   *   the one before them came with that same other log, it is they, and the answer that named this log was
   *   lost: they are told the same again
   * @returns the number after which they are told
   */
  rejoin(heard: HeardEvents | undefined): number {
    const restored = this.#restored;
    this.#restored = undefined;
    if (heard?.log !== this.log) {
      if (heard !== undefined && heard.log === this.#other) this.#goTo(this.#since);
    } else if (restored !== undefined && heard.number > restored.number) {
      this.#log = restored.log;
      this.#goTo(restored.number);
    } else this.#goTo(heard.number);
    this.#other = heard?.log === this.log ? undefined : heard?.log;
    this.#since = this.#given;
    return this.#given;
  }

  /** The newest, of at most so many UTF-16 code units together. */
  save(mostCharacters: number): SavedOutbox {
    let from = this.#texts.length;
    let left = mostCharacters;
    while (from > 0 && (left -= this.#texts[from - 1]?.length ?? 0) >= 0) from--;
    const other = this.#other === undefined ? {} : { other: { log: this.#other, number: this.#since } };
    const [before, texts] = [this.#before + from, this.#texts.slice(from)];
    return { log: this.log, before, given: this.#given, texts, ...other };
  }

  /** The last that was given is this one, or the nearest that is known. */
  #goTo(number: number): void {
    this.#given = Math.max(this.#before, Math.min(number, this.#before + this.#texts.length));
    this.#givenCharacters = lengthOf(this.#texts.slice(0, this.#given - this.#before));
  }

  #shift(): void {
    const length = this.#texts.shift()?.length ?? 0;
    this.#characters -= length;
    this.#before += 1;
    if (this.#given < this.#before) this.#given = this.#before;
    else this.#givenCharacters -= length;
  }
}

function lengthOf(texts: readonly string[]): number {
  return texts.reduce((sum, { length }) => sum + length, 0);
}
