import type { Engine, LogPage } from "../engine/engine.ts";
import { PublicationMessage, type SharedMessage } from "./shared-message.ts";

/** A page of a log, each publication of which is encoded once for all who are given it. */
export class SharedPage {
  readonly page: LogPage;
  readonly #channel: string;
  readonly #messages: (SharedMessage | undefined)[] = [];

  constructor(channel: string, page: LogPage) {
    this.#channel = channel;
    this.page = page;
  }

  /** The push of the publication at this place. */
  message(index: number): SharedMessage | undefined {
    const publication = this.page.publications[index];
    if (!publication) return undefined;
    return (this.#messages[index] ??= new PublicationMessage(this.#channel, publication));
  }
}

/** Whose turn it is to read. */
export interface Reader {
  /** Who counts with it: an address, or itself. */
  readonly whose: object;
  readonly context: {
    readonly reads: { run<T>(whose: object, read: () => Promise<T>): Promise<T> };
  };
}

/**
 * Reads pages of a channel's log for those who catch up: one read for all who want the same in one turn, as a
 * crowd does that comes back. What is new in the log is never missing in a page that is asked for after it.
 */
export class PageReader {
  readonly #channel: string;
  readonly #engine: Engine;
  /** By the offset before the page and its length. */
  readonly #pages = new Map<string, Promise<SharedPage>>();

  constructor(channel: string, engine: Engine) {
    this.#channel = channel;
    this.#engine = engine;
  }

  /**
   * The page after this offset, in turn with others of the same address; at once if it is being read.
   *
   * @param limit publications in it
   * @returns nothing, without having read, if it is not wanted any more when its turn comes
   */
  async read(
    after: number,
    limit: number,
    { whose, context }: Reader,
    isWanted: () => boolean,
  ): Promise<SharedPage | undefined> {
    const known = this.#pages.get(`${after} ${limit}`);
    if (known) return known;
    return context.reads.run(whose, async () => (isWanted() ? this.#read(after, limit) : undefined));
  }

  #read(after: number, limit: number): Promise<SharedPage> {
    const name = `${after} ${limit}`;
    const known = this.#pages.get(name);
    if (known) return known;
    const reading = this.#engine
      .read(this.#channel, after, limit)
      .then((page) => new SharedPage(this.#channel, page));
    this.#pages.set(name, reading);
    const forget = (): void => {
      if (this.#pages.get(name) === reading) this.#pages.delete(name);
    };
    reading.then(() => setImmediate(forget), forget);
    return reading;
  }

  /** The log is not what it was. */
  forget(): void {
    if (this.#pages.size > 0) this.#pages.clear();
  }
}
