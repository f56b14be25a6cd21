import type { Peer } from "@zocalo/net";
import {
  type Authenticate,
  type AuthenticationRequest,
  checkIdentity,
  type Identity,
} from "../policy/identity.ts";
import type { Clock } from "../primitives/clock.ts";

/** What one is told whose token cannot be judged. */
export const UNDECIDED = "it cannot be decided now who you are";

/** Who decides. */
export interface Authority {
  readonly authenticate: Authenticate;
  readonly clock: Pick<Clock, "wall">;
  report(error: unknown): void;
}

/** Who is to be somebody. */
export interface Unknown {
  readonly conn: { readonly peer: Peer };
  /** Whom it counts for. */
  readonly whose: object;
  readonly hasEnded: boolean;
}

/** Those of one address that are being decided, and who waits until one of them is. */
interface Undecided {
  count: number;
  readonly waiting: (() => void)[];
}

/**
 * Asks who somebody is, for one address only so often at once: signatures are checked in the threads that
 * files and names need, too.
 */
export class Authentications {
  readonly #most: number;
  readonly #undecided = new WeakMap<object, Undecided>();

  /** @param most at once, of each address */
  constructor(most: number) {
    this.#most = most;
  }

  /**
   * @returns `null`: it is refused, or was over when it was decided. `undefined`: that could not be decided,
   *   which is reported
   */
  async ask(
    authority: Authority,
    request: AuthenticationRequest,
    who: Unknown,
  ): Promise<Identity | null | undefined> {
    const { whose, conn } = who;
    const undecided = this.#undecided.get(whose) ?? { count: 0, waiting: [] };
    this.#undecided.set(whose, undecided);
    if (undecided.count < this.#most) undecided.count++;
    else await new Promise<void>((resolve) => undecided.waiting.push(resolve));
    try {
      if (who.hasEnded) return null;
      const identity = await authority.authenticate(request, conn.peer);
      if (!identity) return null;
      const { expiresAt = Number.POSITIVE_INFINITY } = checkIdentity(identity);
      return expiresAt > authority.clock.wall() ? identity : null;
    } catch (error) {
      authority.report(error);
      return undefined;
    } finally {
      // Whoever waits has the place.
      const next = undecided.waiting.shift();
      if (next) next();
      else undecided.count--;
    }
  }
}
