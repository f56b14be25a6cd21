import type { Member, Present, PresenceEvent, PresentPage } from "./engine.ts";

/** A user, and what others are shown: another object after each change. With 0 connections: has left. */
interface PresentUser {
  shown: Present;
}

/** Who is in one channel: counts users, not connections. */
export class Presence {
  readonly #users = new Map<string, PresentUser>();
  readonly #members = new Map<string, PresentUser>();
  /** In the order in which they came, and with some that have left: a page is found without a walk. */
  #inOrder: PresentUser[] = [];
  #version: number;

  /** @param version the version of nobody there */
  constructor(version = 0) {
    this.#version = version;
  }

  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  get version(): number {
    return this.#version;
  }

  /** Counts a connection in; the event if it is its user's first. */
  join(member: Member): PresenceEvent | undefined {
    if (this.#members.has(member.session)) return undefined;
    const known = this.#users.get(member.user);
    if (known) {
      const { shown } = known;
      known.shown = { ...shown, info: member.info, connections: shown.connections + 1 };
      this.#members.set(member.session, known);
      return undefined;
    }
    const shown = { user: member.user, since: ++this.#version, info: member.info, connections: 1 };
    const user = { shown };
    this.#users.set(shown.user, user);
    this.#members.set(member.session, user);
    this.#inOrder.push(user);
    return this.#event("join", shown);
  }

  /** Counts a connection out; the event if it was its user's last. */
  leave(session: string): PresenceEvent | undefined {
    const user = this.#members.get(session);
    if (!user) return undefined;
    this.#members.delete(session);
    const { shown } = user;
    user.shown = { ...shown, connections: shown.connections - 1 };
    if (user.shown.connections > 0) return undefined;
    this.#users.delete(shown.user);
    this.#version++;
    if (this.#inOrder.length > 2 * this.#users.size) {
      this.#inOrder = this.#inOrder.filter(isThere);
    }
    return this.#event("leave", shown);
  }

  /** Those who came after a version, at most so many. */
  page(after: number, limit: number): PresentPage {
    const users: Present[] = [];
    for (let index = this.#firstAfter(after); index < this.#inOrder.length; index++) {
      if (users.length === limit) break;
      const user = this.#inOrder[index];
      if (user !== undefined && isThere(user)) users.push(user.shown);
    }
    return { version: this.#version, total: this.#users.size, users };
  }

  #event(type: "join" | "leave", { user, info }: Present): PresenceEvent {
    return { type, version: this.#version, total: this.#users.size, user, info };
  }

  /** Where those begin who came after a version. */
  #firstAfter(version: number): number {
    let [low, high] = [0, this.#inOrder.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#inOrder[middle]?.shown.since ?? 0) > version) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function isThere({ shown }: PresentUser): boolean {
  return shown.connections > 0;
}

/** Who is in each channel. */
export class PresenceByChannel {
  readonly #tell: (channel: string, event: PresenceEvent) => void;
  readonly #byChannel = new Map<string, Presence>();
  /**
   * The highest version of a presence that was dropped: the next one goes on from there, so that no version
   * goes back.
   */
  #version = 0;

  /** @param tell told of every change */
  constructor(tell: (channel: string, event: PresenceEvent) => void) {
    this.#tell = tell;
  }

  join(channel: string, member: Member): void {
    let presence = this.#byChannel.get(channel);
    if (!presence) this.#byChannel.set(channel, (presence = new Presence(this.#version)));
    const event = presence.join(member);
    if (event) this.#tell(channel, event);
  }

  leave(channel: string, session: string): void {
    const presence = this.#byChannel.get(channel);
    const event = presence?.leave(session);
    if (presence?.isEmpty === true) {
      this.#byChannel.delete(channel);
      this.#version = Math.max(this.#version, presence.version);
    }
    if (event) this.#tell(channel, event);
  }

  page(channel: string, after: number, limit: number): PresentPage {
    const presence = this.#byChannel.get(channel);
    return presence?.page(after, limit) ?? { version: this.#version, total: 0, users: [] };
  }

  clear(): void {
    this.#byChannel.clear();
  }
}
