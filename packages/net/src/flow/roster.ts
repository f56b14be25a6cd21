/** Who can be in a `Roster`, in one at a time. */
export interface RosterMember {
  /** The roster's business: the place in it, -1 outside. */
  slot: number;
}

/**
 * Members that come and go by the thousands. A `Set` grows and shrinks by making a new table, to which the
 * old one points: once an old one has been promoted, it keeps all later ones and the connections in them
 * until the next full collection. That was a tenth of an upgrade's cost.
 */
export class Roster<T extends RosterMember> {
  readonly #members: T[] = [];

  get size(): number {
    return this.#members.length;
  }

  /** Takes a member in, unless it is in already. */
  add(member: T): void {
    if (member.slot !== -1) return;
    member.slot = this.#members.length;
    this.#members.push(member);
  }

  /** True if it was in. */
  delete(member: T): boolean {
    if (member.slot === -1 || this.#members[member.slot] !== member) return false;
    const last = this.#members.pop() as T;
    if (last !== member) {
      last.slot = member.slot;
      this.#members[member.slot] = last;
    }
    member.slot = -1;
    return true;
  }

  /** Calls `visit` for each member. It may take out any, and take in others, which are not visited. */
  forEach(visit: (member: T) => void): void {
    for (const member of [...this.#members]) if (this.#members[member.slot] === member) visit(member);
  }
}
