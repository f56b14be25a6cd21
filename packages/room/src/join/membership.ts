import { RoomError } from "../contracts/errors.ts";
import {
  ENDED,
  EVENT,
  type HeardEvents,
  JOIN,
  type JoinAnswer,
  type JoinRefusal,
  type JoinRequest,
  KICK,
  LANE,
  LEAVE,
  MOVING,
  RECORDING,
  type RoomStats,
  type RoomTicket,
  STATS,
} from "../contracts/wire.ts";
import type { Lane } from "../lanes/lane.ts";
import { type LaneClock, laneClock } from "../lanes/running-time.ts";
import { sessionLane } from "../lanes/session-lane.ts";
import {
  FIRST_PAUSE_MS,
  isNotNow,
  LONGEST_PAUSE_MS,
  readAnswer,
  readEnd,
  readEvent,
  refused,
} from "./answer.ts";
import { newKey } from "./key.ts";
import type { JoinOptions, PlayEnd, PlayState, RoomSession } from "./options.ts";

/** How many events are kept that come before the answer to a join: one read may bring them all. */
const MOST_EARLY = 1_024;

/**
 * A client's place in a room. It is taken by a key, and again by the same one whenever the session was
 * connected anew or the match moves; each time a lane is opened.
 */
export abstract class Membership {
  /** @internal */
  protected readonly options: JoinOptions;
  /** @internal */
  protected readonly clock: LaneClock;
  readonly #session: RoomSession;
  readonly #hash: number;
  readonly #key: string;
  readonly #over = new AbortController();
  readonly #stops: readonly (() => void)[];
  #answer: JoinAnswer | undefined;
  /** The last event that was heard; until an answer names the log, of one that is only known here. */
  #heard: HeardEvents = { log: newKey(), number: 0 };
  /** Events that came before the answer to a join was read. */
  #early: unknown[] = [];
  #lane: Lane | undefined;
  #isJoining = false;
  #isMoving = false;
  #hasEnded = false;
  #told: PlayState = "playing";
  /** Before the next join. */
  #pauseMs = 0;
  #wake: (() => void) | undefined;

  constructor(session: RoomSession, hash: number, options: JoinOptions) {
    this.options = options;
    this.clock = options.clock ?? laneClock;
    this.#session = session;
    this.#hash = hash;
    this.#key = options.ticket?.key ?? newKey();
    this.#stops = [
      session.onMessage(MOVING, () => {
        this.#isMoving = true;
        this.#again(FIRST_PAUSE_MS);
      }),
      session.onMessage(ENDED, ({ data }) => this.#safely(() => this.#finish(readEnd(data)))),
      session.onMessage(EVENT, ({ data }) => {
        if (this.#isJoining) {
          if (this.#early.push(data) > MOST_EARLY) this.#early.shift();
        } else this.#safely(() => this.#event(data));
      }),
      session.onState(({ name }) => {
        if (name === "closed") this.#finish({ reason: "session_closed" });
        else if (name === "connected") this.#again(0);
        this.#tell();
      }),
    ];
  }

  /** The newest tick of which it has a snapshot; -1 for none. @internal */
  protected abstract readonly tick: number;

  /** The server remembers nothing of what there is here: begin anew. @internal */
  protected abstract beginAnew(): void;

  /** Takes a snapshot. @internal */
  protected abstract received(bytes: Uint8Array): void;

  /** Which room, which seat (-1 watches), and whether the key had this place already. */
  get room(): JoinAnswer {
    if (this.#answer === undefined) throw new RoomError("bad_answer", "there is none yet");
    return this.#answer;
  }

  /**
   * Of the last return to a place that another process had: `whole`, nothing was lost, or `checkpoint`, it
   * crashed, and what happened after its last checkpoint is lost. Otherwise `undefined`.
   */
  get restored(): JoinAnswer["restored"] {
    return this.room.restored;
  }

  /** What to keep, so that a later page comes back to this place. Who has it has the place. */
  get ticket(): RoomTicket {
    const { room, process, address } = this.room;
    return { key: this.#key, room, process, ...(address !== undefined && { address }) };
  }

  /** Whether inputs go and snapshots come. Each change is told to `onState`. */
  get state(): PlayState {
    if (this.#hasEnded) return "ended";
    return this.#lane?.state === "open" && !this.#isCut ? "playing" : "returning";
  }

  /** None once it has ended. @internal */
  protected get lane(): Lane | undefined {
    return this.#lane;
  }

  /**
   * Whether nobody knows yet what the server still remembers: then nothing is sent, and what comes is not
   * taken. What another lane than the session carries goes on while that is connected anew.
   */
  get #isCut(): boolean {
    return this.#isMoving || (this.#isJoining && this.#lane?.carrier === "session");
  }

  /** Called by `join`: takes the place for the first time. @internal */
  async enter(): Promise<void> {
    const { signal } = this.options;
    const leave = (): void => void this.leave();
    try {
      signal?.throwIfAborted();
      signal?.addEventListener("abort", leave);
      await this.#join();
    } catch (error) {
      this.#finish({ reason: "refused" });
      if (signal?.aborted === true) throw signal.reason;
      if (this.#session.state.name !== "closed") throw refused(error);
      throw new RoomError("ended", "the session was closed", { cause: error });
    } finally {
      signal?.removeEventListener("abort", leave);
    }
  }

  /** Gives the place up. `onEnd` is told `left`; the session stays. */
  async leave(): Promise<void> {
    if (this.#hasEnded) return;
    this.#finish({ reason: "left" });
    if (this.#session.state.name !== "connected") return;
    // If the server does not hear it, it frees the place as that of one who is away.
    await this.#session.call(LEAVE, {}).catch(() => {});
  }

  /**
   * Sends an event to the room, reliably and in order. It is JSON.
   *
   * @returns resolves when the room has taken it. Rejects with what `session.call` does; `connection_lost`
   *   says that it may have been taken. Refused with a `CallError` `not_allowed` for who watches, and
   *   `limit_reached` for more than 32 in a tick.
   */
  async send(data: unknown): Promise<void> {
    await this.#call(EVENT, data);
  }

  /**
   * Removes a player from a room that one owns.
   *
   * @param seat Whose, by its number.
   * @param banMs How long that one cannot come back, in milliseconds, at most 86,400,000. Default 0.
   * @returns resolves when it was done. Refused with a `CallError` `not_allowed` for who does not own the
   *   room, and `bad_request` for a seat that nobody else has.
   */
  async kick(seat: number, banMs = 0): Promise<void> {
    await this.#call(KICK, { seat, banMs });
  }

  /** How the room does at the server: which tick it is at, how late ticks begin, and how many are there. */
  async stats(): Promise<RoomStats> {
    return (await this.#call(STATS, {})) as RoomStats;
  }

  /** The room's last recording, for `Replay`; `undefined` if there is none, or it is not shared. */
  async recording(): Promise<Uint8Array | undefined> {
    const bytes = await this.#call(RECORDING, {});
    return bytes instanceof Uint8Array ? bytes : undefined;
  }

  async #call(method: string, input: unknown): Promise<unknown> {
    this.#over.signal.throwIfAborted();
    return this.#session.call(method, input, { signal: this.#over.signal });
  }

  /** Runs what may throw: what comes from the server, and the application's own. */
  #safely(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#report(error);
    }
  }

  readonly #report = (error: unknown): void => {
    const { onError } = this.options;
    if (onError !== undefined) onError(error);
    else if (typeof globalThis.reportError === "function") globalThis.reportError(error);
    else console.error(error);
  };

  #again(pauseMs: number): void {
    this.#pauseMs = pauseMs;
    this.#wake?.();
    if (this.#answer === undefined || this.#isJoining || this.#hasEnded) return;
    this.#join().catch((fault: unknown) => {
      const error = refused(fault);
      const reason = error === fault ? "refused" : ((error as RoomError).code as JoinRefusal);
      this.#finish({ reason, error });
    });
  }

  /** Joins, as often as it takes. */
  async #join(): Promise<void> {
    const { signal } = this.#over;
    let incarnation = this.#answer?.incarnation;
    this.#isJoining = true;
    this.#tell();
    for (;;) {
      if (this.#pauseMs > 0) await this.#pause(this.#pauseMs);
      signal.throwIfAborted();
      this.#pauseMs = Math.min(2 * this.#pauseMs || FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
      const { tick } = this;
      let answer: JoinAnswer;
      try {
        const request = this.#request(incarnation);
        this.#early = []; // They are told again, after what the request says was heard.
        // Whoever opens a room has no say in its id.
        const asked = request.create === undefined ? request.room : undefined;
        answer = readAnswer(await this.#call(JOIN, request), asked);
      } catch (error) {
        if (!isNotNow(error, this.#answer !== undefined)) throw error;
        continue;
      }
      signal.throwIfAborted();
      const isSame = answer.incarnation === incarnation;
      if (!isSame || answer.tick >= tick) {
        this.#entered(answer, !isSame);
        return;
      }
      // What the server remembers is older than what came from it: both begin anew.
      incarnation = undefined;
    }
  }

  /** @param isEarly it came before the answer to a join was read: from before it, it is told again */
  #event(message: unknown, isEarly = false): void {
    const { log, number, data } = readEvent(message);
    const { number: last } = this.#heard;
    if (log !== this.#heard.log || number <= last || (isEarly && number > last + 1)) return;
    this.#heard = { log, number };
    this.#missed(number - last - 1);
    if (this.#hasEnded) return; // Whoever was told what they missed has left.
    this.#safely(() => this.options.onEvent?.(data));
  }

  #missed(count: number): void {
    if (count > 0) this.#safely(() => this.options.onMissed?.(count));
  }

  /** It is told on after this event. */
  #hearOn(after: HeardEvents): void {
    const before = this.#heard;
    this.#heard = after;
    if (before.log === after.log) this.#missed(after.number - before.number);
    for (const message of this.#early.splice(0)) {
      if (this.#hasEnded) return;
      this.#safely(() => this.#event(message, true));
    }
  }

  #request(incarnation: string | undefined): JoinRequest {
    const { mode, name = "", room, watch, create, ticket } = this.options;
    const answer = this.#answer;
    return {
      mode,
      name,
      watch,
      incarnation,
      heard: this.#heard,
      hash: this.#hash,
      key: this.#key,
      room: answer?.room ?? room ?? ticket?.room,
      create: answer === undefined ? create : undefined,
    };
  }

  #entered(answer: JoinAnswer, isAnew: boolean): void {
    const { clock } = this;
    const onError = this.#report;
    this.#answer = answer;
    this.#isJoining = false;
    this.#isMoving = false;
    if (isAnew) this.beginAnew();
    this.#hearOn(answer.events);
    this.#over.signal.throwIfAborted(); // A handler of these has left.
    const over = sessionLane(this.#session, { onError });
    const ask = (request: unknown): Promise<unknown> =>
      this.#call(LANE, request).catch((error: unknown) => {
        // There is no better lane for now; this is asked again.
        if (isNotNow(error, true)) return null;
        throw error;
      });
    const lane = this.options.lane?.(over, { ask, onError, clock }) ?? over;
    const before = this.#lane;
    this.#lane = lane;
    before?.close();
    lane.onMessage((bytes) => {
      if (lane === this.#lane && !this.#isCut) this.#safely(() => this.received(bytes));
    });
    lane.onState(() => this.#tell());
    this.#tell();
  }

  #pause(ms: number): Promise<void> {
    const { random = Math.random } = this.options;
    return new Promise((resolve) => {
      const cancel = this.clock.setTimer(resolve, ms * (0.5 + random()));
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  #finish(end: PlayEnd): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    for (const stop of this.#stops) stop();
    this.#over.abort(new RoomError("ended", `the game has ended: ${end.reason}`));
    this.#wake?.();
    this.#lane?.close();
    this.#lane = undefined;
    this.#tell();
    if (this.#answer !== undefined) this.#safely(() => this.options.onEnd?.(end));
  }

  #tell(): void {
    const { state } = this;
    if (this.#answer === undefined || state === this.#told) return;
    this.#told = state;
    this.#safely(() => this.options.onState?.(state));
  }
}
