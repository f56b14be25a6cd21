import type { Member, Present, PresenceEvent, PresentPage } from "./engine.ts";

interface PresentUser {
  readonly user: string;
  readonly since: number;
  info: string | undefined;
  /** 0: has left. */
  connections: number;
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
      known.connections++;
      known.info = member.info;
      this.#members.set(member.session, known);
      return undefined;
    }
    const user = { user: member.user, since: ++this.#version, info: member.info, connections: 1 };
    this.#users.set(user.user, user);
    this.#members.set(member.session, user);
    this.#inOrder.push(user);
    return this.#event("join", user);
  }

  /** Counts a connection out; the event if it was its user's last. */
  leave(session: string): PresenceEvent | undefined {
    const user = this.#members.get(session);
    if (!user) return undefined;
    this.#members.delete(session);
    if (--user.connections > 0) return undefined;
    this.#users.delete(user.user);
    this.#version++;
    if (this.#inOrder.length > 2 * this.#users.size) {
      this.#inOrder = this.#inOrder.filter(({ connections }) => connections > 0);
    }
    return this.#event("leave", user);
  }

  /** A copy of those who came after a version, at most so many. */
  page(after: number, limit: number): PresentPage {
    const users: Present[] = [];
    for (let index = this.#firstAfter(after); index < this.#inOrder.length; index++) {
      if (users.length === limit) break;
      const user = this.#inOrder[index];
      if (user !== undefined && user.connections > 0) users.push({ ...user });
    }
    return { version: this.#version, total: this.#users.size, users };
  }

  #event(type: "join" | "leave", { user, info }: PresentUser): PresenceEvent {
    return { type, version: this.#version, total: this.#users.size, user, info };
  }

  /** Where those begin who came after a version. */
  #firstAfter(version: number): number {
    let [low, high] = [0, this.#inOrder.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#inOrder[middle]?.since ?? 0) > version) high = middle;
      else low = middle + 1;
    }
    return low;
  }
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
