import { UserError } from "../exit-code.ts";
import { withoutTokens } from "../secrets.ts";
import { explained } from "./exit.ts";
import type { Closing } from "./flags.ts";
import { IdleTimer } from "./idle-timer.ts";
import type { End, Link, MessageLink } from "./link.ts";
import type { Notices } from "./notices.ts";

/** How often `--ping` pings, in milliseconds, as ping(1) does. */
const PING_MS = 1000;
/** RFC 6455 §7.4.1. */
const GOING_AWAY = 1001;

/** The links of one command: who is there is told, and who is left at the end is closed. */
export class Attendance {
  readonly #notices: Notices;
  readonly #isPinging: boolean;
  readonly #open = new Set<Link>();

  constructor(notices: Notices, isPinging: boolean) {
    this.#notices = notices;
    this.#isPinging = isPinging;
  }

  /** Keeps the books of one link while `mode` works on it. */
  async attend(link: Link, mode: () => Promise<End>): Promise<End> {
    const { peer } = link;
    const subprotocol = link.form === "messages" ? link.subprotocol : undefined;
    const words = subprotocol === undefined ? "" : ` (${withoutTokens(subprotocol)})`;
    this.#notices.tell("connected", `connected with ${peer}${words}`, { peer, subprotocol });
    const pinging = link.form === "messages" && this.#isPinging ? this.#keepPinging(link) : undefined;
    try {
      const end = await this.hold(link, mode);
      this.#notices.tell(
        "ended",
        end === "timeout" ? `${peer} was silent for too long` : `${peer} has ended`,
        { peer },
      );
      return end;
    } finally {
      clearInterval(pinging);
    }
  }

  /** Only closes it at the end, with all others, unless `work` has come to its own end. */
  async hold<T>(link: Link, work: () => Promise<T>): Promise<T> {
    this.#open.add(link);
    try {
      return await work();
    } finally {
      this.#open.delete(link);
    }
  }

  /**
   * Attends to one of many: its failure is its own.
   *
   * @param timeoutMs silence after which it is closed; `undefined`: never.
   * @param isHeldUp true while silence is the fault of another.
   */
  async serve(
    link: Link,
    mode: (touch: () => void) => Promise<End>,
    timeoutMs?: number,
    isHeldUp = (): boolean => false,
  ): Promise<void> {
    let isIdle = false;
    const idle = new IdleTimer(timeoutMs, () => {
      if (isHeldUp()) return idle.touch();
      isIdle = true;
      void link.conn.close(GOING_AWAY, "idle").catch(() => link.conn.abort());
    });
    try {
      await this.attend(link, () => mode(() => idle.touch()));
    } catch (error) {
      const known = explained(error);
      // A defect must be seen; everything else may happen to a server at any time.
      if (!(known instanceof UserError)) throw error;
      const reason = isIdle ? "idle" : known.message;
      this.#notices.tell("failed", `${link.peer} failed: ${reason}`, { peer: link.peer, reason });
    } finally {
      idle.stop();
    }
  }

  /** Closes all that are open; resolves when they are. */
  async closeAll({ code, reason }: Closing): Promise<void> {
    await Promise.allSettled(Array.from(this.#open, ({ conn }) => conn.close(code, reason)));
  }

  #keepPinging({ ping, peer }: MessageLink): NodeJS.Timeout {
    const once = async (): Promise<void> => {
      const ms = await ping?.();
      if (ms === undefined) return;
      this.#notices.announce("pong", `pong from ${peer}: ${ms.toFixed(2)} ms`, { peer, roundTripMs: ms });
    };
    const tryOnce = (): void => void once().catch(() => undefined); // It has ended: that is told elsewhere.
    tryOnce();
    return setInterval(tryOnce, PING_MS);
  }
}

/**
 * Serves links, at most `most` at once: the next one waits in the listener's queue, which has a bound of its
 * own.
 *
 * @param serve never rejects but for a defect, which ends the process.
 */
export async function eachInItsPlace(
  links: AsyncIterable<Link>,
  most: number,
  serve: (link: Link) => Promise<void>,
): Promise<void> {
  let count = 0;
  let freed: (() => void) | undefined;
  const leave = (): void => {
    count -= 1;
    freed?.();
  };
  for await (const link of links) {
    count += 1;
    void serve(link).finally(leave);
    if (count < most) continue;
    await new Promise<void>((resolve) => {
      freed = resolve;
    });
  }
}
