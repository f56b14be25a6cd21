import type { Member, PresenceEvent, PresenceState } from "./engine.ts";

interface PresentUser {
  readonly user: string;
  info: string | undefined;
  connections: number;
}

/** Who is in one channel: counts users, not connections. */
export class Presence {
  readonly #users = new Map<string, PresentUser>();
  readonly #members = new Map<string, PresentUser>();
  #version: number;

  /** @param version the version of nobody there */
  constructor(version = 0) {
    this.#version = version;
  }

  get isEmpty(): boolean {
    return this.#members.size === 0;
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
    const user = { user: member.user, info: member.info, connections: 1 };
    this.#users.set(user.user, user);
    this.#members.set(member.session, user);
    return { type: "join", version: ++this.#version, user: user.user, info: user.info };
  }

  /** Counts a connection out; the event if it was its user's last. */
  leave(session: string): PresenceEvent | undefined {
    const user = this.#members.get(session);
    if (!user) return undefined;
    this.#members.delete(session);
    if (--user.connections > 0) return undefined;
    this.#users.delete(user.user);
    return { type: "leave", version: ++this.#version, user: user.user, info: user.info };
  }

  /** A copy, in the order in which the users came. */
  state(): PresenceState {
    return { version: this.#version, users: Array.from(this.#users.values(), (user) => ({ ...user })) };
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
      this.#version = Math.max(this.#version, presence.state().version);
    }
    if (event) this.#tell(channel, event);
  }

  state(channel: string): PresenceState {
    return this.#byChannel.get(channel)?.state() ?? { version: this.#version, users: [] };
  }

  clear(): void {
    this.#byChannel.clear();
  }
}
