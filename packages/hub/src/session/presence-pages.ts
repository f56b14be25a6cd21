import type { ShownUsers } from "../channel/encode.ts";
import type { Present } from "../engine/engine.ts";

/** Pages kept to be given again: each as large as a page of presence may be. */
const MOST_KEPT = 32;

/**
 * Pages of presence, each encoded once for all who are shown the same users: whoever comes at the end of a
 * long list changes its last page, and not the first one, with which everybody begins.
 */
export class PresencePages {
  readonly #kept = new Map<string, ShownUsers>();

  /**
   * @param question names what is asked for, with its limits
   * @param users those of whom the page shows the first
   */
  get(question: string, users: readonly Present[], make: () => ShownUsers): ShownUsers {
    let page = this.#kept.get(question);
    if (!page || !isOf(page, users)) page = make();
    // What was asked for last goes last.
    this.#kept.delete(question);
    this.#kept.set(question, page);
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined && this.#kept.size > MOST_KEPT) this.#kept.delete(oldest);
    return page;
  }
}

/** True if it would be the same page if it were made of these. */
function isOf({ of, next }: ShownUsers, users: readonly Present[]): boolean {
  if (next === undefined ? users.length !== of.length : users.length < of.length) return false;
  return of.every((user, index) => user === users[index]);
}
