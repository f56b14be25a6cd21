import type { PresenceChange, PresenceChanges, PresencePage, PresentUser } from "@zocalo/protocol";

/** Changes kept while the list is being read; past it they are dropped, and it is read once more. */
export const MAX_HELD_CHANGES = 1_000;
/** Users in a list; of more only the total is known. */
export const MAX_LISTED_USERS = 10_000;

/** Has a page sent; `answered` gets it, or `undefined` if there is none. Tried again while `isWanted`. */
export type AskForPage = (
  after: number | undefined,
  answered: (page: PresencePage | undefined) => void,
  isWanted: () => boolean,
) => void;

/** Who is in a channel, and how many. */
export interface Presence {
  /** In the order in which they came, at most 10,000. */
  readonly users: readonly PresentUser[];
  /** How many there are. */
  readonly total: number;
}

/** Pages as they come; what is in several of them counts once. */
class Pages {
  readonly users = new Map<string, PresentUser>();
  /** Of the first: changes past it are not in all of them. */
  readonly version: number;
  /** False: there are more than may be listed. */
  isWhole = true;

  constructor(version: number) {
    this.version = version;
  }

  /** After which version the next one begins, if there is to be one. */
  add({ users, next }: PresencePage): number | undefined {
    for (const user of users) {
      if (this.users.size < MAX_LISTED_USERS || this.users.has(user.user)) this.users.set(user.user, user);
      else this.isWhole = false;
    }
    if (next === undefined) return undefined;
    this.isWhole = this.users.size < MAX_LISTED_USERS && users.length > 0;
    return this.isWhole ? next : undefined;
  }
}

/** Reads all pages. */
export async function readPresence(
  ask: (after: number | undefined) => Promise<PresencePage>,
): Promise<Presence> {
  let page = await ask(undefined);
  const pages = new Pages(page.version);
  for (let next = pages.add(page); next !== undefined; next = pages.add(page)) page = await ask(next);
  return presenceOf(pages.users, pages.isWhole ? undefined : page.total);
}

/** Who is in a channel, kept right by versions: after a jump the whole list is read again. */
export class PresenceList {
  readonly #ask: AskForPage;
  readonly #tell: () => void;
  #users = new Map<string, PresentUser>();
  /** Set while not all are listed. */
  #total: number | undefined;
  #version: number | undefined;
  /** What is asked for in another reading is not of use any more. */
  #reading = 0;
  #isReading = false;
  #held: (PresenceChange | PresenceChanges)[] = [];
  #heldChanges = 0;
  #areAllHeld = true;

  /** @param tell called when the list is another */
  constructor(ask: AskForPage, tell: () => void) {
    this.#ask = ask;
    this.#tell = tell;
  }

  get present(): Presence {
    return presenceOf(this.#users, this.#total);
  }

  /** Begins with this page, and reads the others. Without one it is asked for. */
  start(first?: PresencePage): void {
    this.forget();
    this.#isReading = true;
    if (first === undefined) this.#read(undefined, undefined);
    else this.#take(first, new Pages(first.version));
  }

  /** Takes what has changed. */
  change(push: PresenceChange | PresenceChanges): void {
    if (this.#takeChanges(push)) this.#tell();
  }

  /** True if the list is another now. */
  #takeChanges(push: PresenceChange | PresenceChanges): boolean {
    const { version } = push;
    const changes = push.type === "changes" ? push.changes : [push];
    if (this.#isReading) return this.#hold(push, changes.length);
    if (this.#version !== undefined && version <= this.#version) return false;
    const first = version - changes.length + 1;
    if (this.#version === undefined || first > this.#version + 1) {
      this.start();
      return this.#hold(push, changes.length);
    }
    for (const change of changes.slice(this.#version + 1 - first)) this.#apply(change);
    this.#version = version;
    if (this.#total !== undefined && push.type === "changes") this.#total = push.total;
    return true;
  }

  #hold(push: PresenceChange | PresenceChanges, count: number): false {
    if (this.#heldChanges < MAX_HELD_CHANGES) this.#held.push(push);
    else this.#areAllHeld = false;
    this.#heldChanges += Math.max(1, count);
    return false;
  }

  /**
   * Nothing is known any more, and no answer is waited for. The last list stays to be looked at.
   */
  forget(): void {
    this.#reading++;
    this.#isReading = false;
    this.#version = undefined;
    this.#held = [];
    this.#heldChanges = 0;
    this.#areAllHeld = true;
  }

  #read(after: number | undefined, pages: Pages | undefined): void {
    const reading = this.#reading;
    const isWanted = () => reading === this.#reading;
    const answered = (page: PresencePage | undefined) => {
      if (!isWanted()) return;
      if (page === undefined)
        this.forget(); // the next change asks again
      else this.#take(page, pages ?? new Pages(page.version));
    };
    this.#ask(after, answered, isWanted);
  }

  #take(page: PresencePage, pages: Pages): void {
    const next = pages.add(page);
    if (next !== undefined) return this.#read(next, pages);
    const held = this.#held;
    const areAllHeld = this.#areAllHeld;
    this.forget();
    this.#users = pages.users;
    this.#total = pages.isWhole ? undefined : page.total;
    this.#version = pages.version;
    for (const push of held) this.#takeChanges(push);
    this.#tell();
    if (!areAllHeld) this.start();
  }

  #apply({ type, user, info }: Pick<PresenceChange, "type" | "user" | "info">): void {
    if (type === "leave") this.#users.delete(user);
    else if (this.#users.has(user) || this.#users.size < MAX_LISTED_USERS)
      this.#users.set(user, { user, connections: 1, ...(info && { info }) });
    else this.#total ??= this.#users.size;
  }
}

function presenceOf(users: ReadonlyMap<string, PresentUser>, total: number | undefined): Presence {
  return { users: [...users.values()], total: total ?? users.size };
}
