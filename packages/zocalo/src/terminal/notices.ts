import type { Writable } from "node:stream";
import { printableJson } from "@zocalo/net";
import { forPeople } from "../for-people.ts";
import { maskSecrets } from "../secrets.ts";

/** Something that happened, for standard error: an event's name and what belongs to it. */
export type NoticeDetails = Readonly<Record<string, string | number | undefined>>;

/**
 * What is said on standard error besides failures. A person at a terminal is told in words; a program gets
 * one JSON object for each line, and only the one that says where a listener listens, unless it asks for
 * more.
 *
 * Peers have a part in what is said: their names, reasons and addresses. None of it moves a cursor, and no
 * token of a URL is shown.
 */
export class Notices {
  readonly #stream: Writable;
  readonly #isForPeople: boolean;
  readonly #isVerbose: boolean;

  constructor(stream: Writable, isForPeople: boolean, isVerbose: boolean) {
    this.#stream = stream;
    this.#isForPeople = isForPeople;
    this.#isVerbose = isVerbose;
  }

  /** What everybody needs to know. */
  announce(event: string, words: string, details: NoticeDetails): void {
    const line = this.#isForPeople
      ? forPeople(words)
      : printableJson(JSON.stringify(maskSecrets({ event, ...details })));
    this.#stream.write(`${line}\n`);
  }

  /** What may be of interest. */
  tell(event: string, words: string, details: NoticeDetails): void {
    if (this.#isForPeople || this.#isVerbose) this.announce(event, words, details);
  }

  /** What must not be overlooked, in words for everybody. */
  warn(words: string): void {
    this.#stream.write(`zocalo: ${forPeople(words)}\n`);
  }
}
