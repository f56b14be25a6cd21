import { RoomError } from "../contracts/errors.ts";
import type { Layout } from "../contracts/layout.ts";
import { MATCH, type MatchNews, type MatchRequest, type RoomTicket, UNMATCH } from "../contracts/wire.ts";
import { type LaneClock, laneClock } from "../lanes/running-time.ts";
import { FIRST_PAUSE_MS, isNotNow, LONGEST_PAUSE_MS, readNews, refused } from "./answer.ts";
import { newKey } from "./key.ts";
import type { RoomSession } from "./options.ts";

/** Options of `findMatch`. */
export interface FindMatchOptions {
  /** Which of the server's rooms. */
  readonly mode: string;
  /** How others see who plays. Default `""`. */
  readonly name?: string | undefined;
  /** How good the player is, in the game's own numbers. Default 0. */
  readonly skill?: number | undefined;
  /** Is told how the search stands: at first, and then once a second. What it throws ends the search. */
  readonly onNews?: ((news: MatchNews & { readonly state: "waiting" }) => void) | undefined;
  /** Gives the search up, and the place in the queue. */
  readonly signal?: AbortSignal | undefined;
  /** From 0 to below 1; spreads the calls of many clients that lost their connection at once. */
  readonly random?: (() => number) | undefined;
  /** Default: the page's. */
  readonly clock?: LaneClock | undefined;
}

/**
 * Waits for players of the same mode and of a skill near to one's own. A connection that is lost meanwhile is
 * no end: it asks again with the same key, which has one place in the queue. A session searches for one match
 * at a time.
 *
 * @returns the ticket of a place that is kept for 15 seconds: `join` with it.
 * @throws RoomError `other_version`, `no_room`, `full`, `banned`, `limit_reached`, `failed`, `bad_request`:
 *   the server refused. `ended` if the session was closed, `bad_answer` for news that are none. The signal's
 *   reason; what `onNews` throws; else what `session.call` rejects with.
 * @example
 * const ticket = await findMatch(session, game, { mode: "duel", name: "Ana", skill: 1_200 });
 * const play = await join(session, game, { mode: "duel", name: "Ana", ticket });
 */
export async function findMatch(
  session: RoomSession,
  game: { readonly layout: Pick<Layout, "hash"> },
  options: FindMatchOptions,
): Promise<RoomTicket> {
  const { mode, name = "", skill, signal } = options;
  signal?.throwIfAborted();
  const search = new Search(session, { mode, name, skill, hash: game.layout.hash, key: newKey() }, options);
  const give = (): void => search.fail(signal?.reason);
  signal?.addEventListener("abort", give, { once: true });
  try {
    return await search.found;
  } catch (error) {
    // Whoever may still be in the queue leaves it. If the server does not hear it, it finds nobody there.
    if (session.state.name === "connected") await session.call(UNMATCH, {}).catch(() => {});
    throw error;
  } finally {
    signal?.removeEventListener("abort", give);
  }
}

/** One search: the call, repeated where it has to be, and the news that follow it. */
class Search {
  readonly found: Promise<RoomTicket>;
  readonly #session: RoomSession;
  readonly #request: MatchRequest;
  readonly #options: FindMatchOptions;
  readonly #over = new AbortController();
  readonly #stops: readonly (() => void)[];
  #resolve: (ticket: RoomTicket) => void = () => {};
  #reject: (error: unknown) => void = () => {};
  #isAsking = false;
  #wasAnswered = false;
  #pauseMs = FIRST_PAUSE_MS;
  #cancelPause: (() => void) | undefined;

  constructor(session: RoomSession, request: MatchRequest, options: FindMatchOptions) {
    this.#session = session;
    this.#request = request;
    this.#options = options;
    this.found = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#stops = [
      session.onMessage(MATCH, ({ data }) => this.#take(data)),
      session.onState(({ name }) => {
        if (name === "closed") this.fail(new RoomError("ended", "the session was closed"));
        else if (name === "connected") this.#ask();
      }),
    ];
    this.#ask();
  }

  fail(error: unknown): void {
    this.#end();
    this.#reject(error);
  }

  #ask(): void {
    if (this.#isAsking || this.#over.signal.aborted) return;
    this.#cancelPause?.();
    this.#isAsking = true;
    this.#session.call(MATCH, this.#request, { signal: this.#over.signal }).then(
      (news) => {
        this.#isAsking = false;
        this.#wasAnswered = true;
        this.#pauseMs = FIRST_PAUSE_MS;
        this.#take(news);
      },
      (error: unknown) => {
        this.#isAsking = false;
        if (this.#over.signal.aborted) return;
        if (isNotNow(error, this.#wasAnswered)) this.#pause();
        else if (this.#session.state.name !== "closed") this.fail(refused(error));
        else this.fail(new RoomError("ended", "the session was closed", { cause: error }));
      },
    );
  }

  #pause(): void {
    const { clock = laneClock, random = Math.random } = this.#options;
    this.#cancelPause = clock.setTimer(() => this.#ask(), this.#pauseMs * (0.5 + random()));
    this.#pauseMs = Math.min(2 * this.#pauseMs, LONGEST_PAUSE_MS);
  }

  #take(given: unknown): void {
    if (this.#over.signal.aborted) return;
    try {
      const news = readNews(given);
      if (news.state === "waiting") this.#options.onNews?.(news);
      else if (news.state === "refused") throw refused({ name: "CallError", code: news.code });
      else {
        const { room, process, address } = news;
        this.#end();
        this.#resolve({ key: this.#request.key, room, process, ...(address !== undefined && { address }) });
      }
    } catch (error) {
      this.fail(error);
    }
  }

  #end(): void {
    for (const stop of this.#stops) stop();
    this.#cancelPause?.();
    this.#over.abort();
  }
}
