import { PreparedMessage } from "@zocalo/net";
import { encodePublication } from "@zocalo/protocol";
import type { Engine, LogPage } from "../engine/engine.ts";

/** A page of a log, each publication of which is encoded once for all who are given it. */
export class SharedPage {
  readonly page: LogPage;
  readonly #channel: string;
  readonly #messages: (PreparedMessage | undefined)[] = [];

  constructor(channel: string, page: LogPage) {
    this.#channel = channel;
    this.page = page;
  }

  /** The push of the publication at this place. */
  message(index: number): PreparedMessage | undefined {
    const publication = this.page.publications[index];
    if (!publication) return undefined;
    return (this.#messages[index] ??= new PreparedMessage(encodePublication(this.#channel, publication)));
  }
}

/**
 * Reads pages of a channel's log for those who catch up: one read for all who want the same in one turn, as a
 * crowd does that comes back. What is new in the log is never missing in a page that is asked for after it.
 */
export class PageReader {
  readonly #channel: string;
  readonly #engine: Engine;
  readonly #pages = new Map<number, Promise<SharedPage>>();

  constructor(channel: string, engine: Engine) {
    this.#channel = channel;
    this.#engine = engine;
  }

  /** The page after this offset. @param limit publications in it, the same for all of a channel */
  read(after: number, limit: number): Promise<SharedPage> {
    const known = this.#pages.get(after);
    if (known) return known;
    const reading = this.#engine
      .read(this.#channel, after, limit)
      .then((page) => new SharedPage(this.#channel, page));
    this.#pages.set(after, reading);
    const forget = (): void => {
      if (this.#pages.get(after) === reading) this.#pages.delete(after);
    };
    reading.then(() => setImmediate(forget), forget);
    return reading;
  }

  /** The log is not what it was. */
  forget(): void {
    if (this.#pages.size > 0) this.#pages.clear();
  }
}
