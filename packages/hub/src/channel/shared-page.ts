import type { LogPage } from "../engine/engine.ts";
import { bytesOf, PublicationMessage, type SharedMessage } from "./shared-message.ts";

/** A page of a log, each publication of which is encoded once for all who are given it. */
export class SharedPage {
  readonly page: LogPage;
  /** That it takes, about. */
  readonly bytes: number;
  readonly #channel: string;
  readonly #messages: (SharedMessage | undefined)[] = [];

  constructor(channel: string, page: LogPage) {
    this.#channel = channel;
    this.page = page;
    this.bytes = page.publications.reduce((sum, { data }) => sum + bytesOf(data), 0);
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
