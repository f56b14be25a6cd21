import type { PresenceChange, PresenceSnapshot, PresentUser } from "@zocalo/protocol";

/** Changes kept while the list is being asked for; past it they are dropped and it is asked for once more. */
export const MAX_HELD_CHANGES = 1_000;

/** Who is in a channel, kept right by versions: after a jump the whole list is asked for again. */
export class PresenceList {
  readonly #ask: () => void;
  readonly #users = new Map<string, PresentUser>();
  #version: number | undefined;
  #isAsking = false;
  #held: PresenceChange[] = [];

  /** @param ask has the list sent; its answer goes to `replace` */
  constructor(ask: () => void) {
    this.#ask = ask;
  }

  get users(): readonly PresentUser[] {
    return [...this.#users.values()];
  }

  /** Takes a whole list, and then what changed since it was made. */
  replace(snapshot: PresenceSnapshot): void {
    this.#isAsking = false;
    this.#version = snapshot.version;
    this.#users.clear();
    for (const user of snapshot.users) this.#users.set(user.user, user);
    for (const change of this.#held.splice(0)) this.change(change);
  }

  /** Takes one change. True if the list is another now. */
  change(change: PresenceChange): boolean {
    if (this.#isAsking) {
      if (this.#held.length < MAX_HELD_CHANGES) this.#held.push(change);
      return false;
    }
    if (this.#version !== undefined && change.version <= this.#version) return false;
    if (this.#version === undefined || change.version > this.#version + 1) {
      this.#isAsking = true;
      this.#held.push(change);
      this.#ask();
      return false;
    }
    this.#version = change.version;
    if (change.type === "leave") return this.#users.delete(change.user);
    const { user, info } = change;
    this.#users.set(user, { user, connections: 1, ...(info === undefined ? {} : { info }) });
    return true;
  }

  /**
   * Nothing is known any more, and no answer will come: the connection is gone. The last list stays to be
   * looked at.
   */
  forget(): void {
    this.#isAsking = false;
    this.#version = undefined;
    this.#held = [];
  }
}
