import type { Lane } from "../channel/lane.ts";
import type { Sender } from "../channel/sender.ts";
import type { Identity } from "../policy/identity.ts";
import type { UserFeed } from "./user-feed.ts";
import { type Random, randomName } from "../primitives/random.ts";

/** A session, to whom the server's program can send. */
export interface Addressee {
  /** Unset until it has begun. */
  readonly identity: Pick<Identity, "user"> | undefined;
  /** True once nothing more will be sent, be it that its connection is not closed yet. */
  readonly hasEnded: boolean;
  /** What others may know it by; unset until somebody asks for it. Only the directory changes it. */
  publicName: string | undefined;
  readonly form: { readonly isBinary: boolean };
  readonly sender: Sender;
  readonly lane: Lane;
}

/** Characters of a public name. */
const NAME_LENGTH = 12;

/**
 * The sessions by their public names, and by their users. A session has a public name once somebody asks for
 * it, and users are told apart once something is sent to one: whoever uses neither pays nothing.
 */
export class Directory {
  readonly #random: Random;
  readonly #all: () => Iterable<Addressee>;
  readonly #byName = new Map<string, Addressee>();
  #byUser: Map<string, Addressee | Set<Addressee>> | undefined;
  /** By its user what some of very many sessions do not have yet. */
  readonly feeds = new Map<string, UserFeed<Addressee>>();

  /** @param all sessions */
  constructor(random: Random, all: () => Iterable<Addressee>) {
    this.#random = random;
    this.#all = all;
  }

  /** The public name of a session that has begun. */
  nameOf(session: Addressee): string {
    if (session.publicName === undefined) {
      session.publicName = randomName(this.#random, NAME_LENGTH);
      this.#byName.set(session.publicName, session);
    }
    return session.publicName;
  }

  named(name: string): Addressee | undefined {
    return this.#byName.get(name);
  }

  /** The sessions of a user. */
  of(user: string): Iterable<Addressee> {
    if (this.#byUser === undefined) {
      this.#byUser = new Map();
      for (const session of this.#all()) if (!session.hasEnded) this.begun(session);
    }
    const found = this.#byUser.get(user);
    if (found === undefined) return [];
    return found instanceof Set ? found : [found];
  }

  /** It acts for its user from now on. */
  begun(session: Addressee): void {
    const user = session.identity?.user;
    if (this.#byUser === undefined || user === undefined) return;
    const found = this.#byUser.get(user);
    if (found === undefined) this.#byUser.set(user, session);
    else if (found instanceof Set) found.add(session);
    else if (found !== session) this.#byUser.set(user, new Set([found, session]));
  }

  /** It acts for its user no more. */
  ended(session: Addressee): void {
    if (session.publicName !== undefined) this.#byName.delete(session.publicName);
    session.publicName = undefined;
    const user = session.identity?.user;
    if (this.#byUser === undefined || user === undefined) return;
    const found = this.#byUser.get(user);
    if (found === session) this.#byUser.delete(user);
    else if (found instanceof Set && found.delete(session) && found.size === 0) this.#byUser.delete(user);
  }
}
