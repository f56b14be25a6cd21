import { inspect } from "node:util";
import { ProtocolError } from "@zocalo/protocol";
import type {
  Committed,
  Engine,
  EngineListener,
  LogPage,
  LogState,
  Member,
  NewPublication,
  PresentPage,
  Retention,
} from "../engine/engine.ts";
import { PresenceByChannel } from "../engine/presence.ts";
import { ownContent } from "../primitives/text-memory.ts";
import type { Answer, Outcome, Replaced, Request } from "./messages.ts";
import type { Moment, StoreClock } from "./moment.ts";
import type { StoreThread } from "./store-thread.ts";
import { BATCH_REQUESTS, type Waiting, WaitingRequests } from "./waiting-requests.ts";

/** A pause between two steps of tidying while there is more to do, in milliseconds. */
const TIDY_PAUSE_MS = 50;
/** The pause before a thread that has ended soon after its start is started again; it doubles each time. */
const RESTART_MS = 500;
const MAX_RESTART_MS = 30_000;
/** A thread that has lived so long has not ended soon, in milliseconds. */
const SETTLED_MS = 60_000;

/** What the engine needs beside its thread. */
export interface EngineParts {
  readonly durability: "disk" | "process";
  readonly clock: StoreClock;
  readonly maxWaitingBytes: number;
  readonly tidyMs: number;
  readonly onNotice: (sentence: string) => void;
  /** Starts another thread. */
  readonly start: () => Promise<StoreThread>;
}

/**
 * Keeps logs and keys in a directory. What waits is committed together; the next batch gathers while one is
 * under way.
 */
export class DurableEngine implements Engine {
  readonly durability: "disk" | "process";
  readonly #parts: EngineParts;
  readonly #presence: PresenceByChannel;
  /** What the listener was told of those that are open. */
  readonly #open = new Map<string, Pick<LogState, "epoch" | "head">>();
  #thread: StoreThread;
  #threadSince: number;
  /** Threads that have ended soon after their start, one after the other. */
  #ends = 0;
  #listener: EngineListener | undefined;
  readonly #waiting: WaitingRequests;
  /** Ends when nothing waits any more. */
  #work: Promise<void> | undefined;
  #tidyTimer: NodeJS.Timeout | undefined;
  /** Ends a pause before the thread is started again. */
  #endPause: (() => void) | undefined;
  #closing: Promise<void> | undefined;
  #trouble: string | undefined;
  /** There is no thread, and nothing is taken until there is one. */
  #isBroken = false;

  constructor(thread: StoreThread, parts: EngineParts) {
    this.durability = parts.durability;
    this.#thread = thread;
    this.#threadSince = parts.clock.uptime();
    this.#parts = parts;
    this.#waiting = new WaitingRequests(parts.maxWaitingBytes);
    this.#presence = new PresenceByChannel((channel, event) =>
      this.#tellSafely((listener) => listener.presence(channel, event)),
    );
    this.#tidyIn(parts.tidyMs);
  }

  get trouble(): string | undefined {
    return this.#trouble;
  }

  start(listener: EngineListener): void {
    if (this.#listener) throw new Error("this engine serves a hub already");
    this.#listener = listener;
  }

  async publish(channel: string, publication: NewPublication, retention: Retention): Promise<Committed> {
    const { user, info = "", data, key = "", address, sender } = publication;
    const texts = [channel, user, info, key];
    // In the store's thread it would fail with all that is committed together with it.
    for (const text of texts) {
      if (typeof text !== "string")
        throw new TypeError(`a publication has ${typeof text} where text has to be`);
    }
    // To pass a view on is to pass all of its memory on.
    const own = typeof data === "string" ? data : ownContent(data);
    const { info: given, key: name } = publication;
    const kept: NewPublication = { user, info: given, data: own, key: name, address, sender };
    const request = { kind: "publish", channel, publication: kept, retention } as const;
    const answer = await this.#ask(request, [...texts, own]);
    if (answer.kind === "committed") return answer.committed;
    throw unexpected(answer);
  }

  async read(channel: string, after: number, limit: number): Promise<LogPage> {
    const answer = await this.#ask({ kind: "read", channel, after, limit }, [channel]);
    if (answer.kind === "page") return answer.page;
    throw unexpected(answer);
  }

  async open(channel: string): Promise<LogState> {
    const answer = await this.#ask({ kind: "open", channel }, [channel]);
    if (answer.kind === "state") return answer.state;
    throw unexpected(answer);
  }

  release(channel: string): void {
    // What comes until it is opened again is no news: another log may be there then.
    this.#open.delete(channel);
    // In its turn, behind an `open` that may be under way. If it cannot be, nobody waits for it.
    this.#ask({ kind: "release", channel }, [channel]).catch(() => undefined);
  }

  async join(channel: string, member: Member): Promise<void> {
    this.#checkOpen();
    this.#presence.join(channel, member);
  }

  async leave(channel: string, session: string): Promise<void> {
    this.#presence.leave(channel, session);
  }

  async present(channel: string, after: number, limit: number): Promise<PresentPage> {
    this.#checkOpen();
    return this.#presence.page(channel, after, limit);
  }

  /** Commits what waits, and ends the thread. A second call waits for the first. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearTimeout(this.#tidyTimer);
    this.#endPause?.();
    await this.#work;
    if (this.#thread.hasEnded) return;
    try {
      for (const notice of await this.#thread.close(this.#now)) this.#notice(notice);
    } catch (error) {
      this.#notice(`the store has broken down while it was closed: ${(error as Error).message}`);
    }
  }

  get #now(): Moment {
    const { clock } = this.#parts;
    return { wall: Math.round(clock.wall()), uptime: Math.round(clock.uptime()) };
  }

  #checkOpen(): void {
    if (this.#closing) throw new Error("the engine is closed");
  }

  async #ask(request: Request, texts: readonly (string | Uint8Array)[] = []): Promise<Answer> {
    this.#checkOpen();
    // These two nobody repeats.
    const hasToBe = request.kind === "release" || request.kind === "tidy";
    if (this.#isBroken && !hasToBe) throw broken();
    const answer = this.#waiting.add(request, texts, hasToBe);
    this.#work ??= this.#workOff();
    return answer;
  }

  async #workOff(): Promise<void> {
    // What this turn of the loop brings goes along.
    await new Promise((resolve) => setImmediate(resolve));
    for (let batch = this.#waiting.next(); batch.length > 0; batch = this.#waiting.next()) {
      try {
        const outcome = await this.#thread.run({
          now: this.#now,
          requests: batch.map(({ request }) => request),
        });
        this.#tell(outcome, batch);
      } catch (error) {
        // It may have been committed.
        this.#refuse(batch);
        if (this.#thread.hasEnded) await this.#restart(error as Error);
        else this.#notice(`a batch failed: ${inspect(error)}`);
      }
    }
    this.#work = undefined;
  }

  /** Tells the listener before those who asked, each in the order of the requests. */
  #tell({ notices, trouble, replaced, answers }: Outcome, batch: readonly Waiting[]): void {
    this.#trouble = trouble;
    for (const notice of notices) this.#notice(notice);
    // What would have been too long a message is asked again, and before all else.
    const done = this.#waiting.answered(batch, answers.length);
    const losses = [...replaced];
    for (const [index, { request, resolve }] of done.entries()) {
      while (losses[0] && losses[0].index <= index) this.#replaced(losses.shift());
      const answer = answers[index] ?? { kind: "failed", message: "no answer" };
      this.#follow(request, answer);
      resolve(answer);
    }
    for (const loss of losses) this.#replaced(loss);
  }

  #replaced(loss: Replaced | undefined): void {
    if (!loss) return;
    const { channel: only, state } = loss;
    for (const channel of only === undefined ? this.#open.keys() : [only]) this.#isNow(channel, state);
  }

  /** What is told of an open channel unless it is what is known of it. */
  #isNow(channel: string, state: LogState): void {
    const known = this.#open.get(channel);
    if (!known || (known.epoch === state.epoch && known.head === state.head)) return;
    this.#open.set(channel, { epoch: state.epoch, head: state.head });
    this.#tellSafely((listener) => listener.replaced(channel, state));
  }

  /** What the answer means for the open channels. */
  #follow(request: Request, answer: Answer): void {
    if (request.kind === "open" && answer.kind === "state") {
      const { epoch, head } = answer.state;
      this.#open.set(request.channel, { epoch, head });
    }
    if (request.kind === "release") this.#open.delete(request.channel);
    if (request.kind !== "publish" || answer.kind !== "committed") return;
    const { epoch, offset, at, duplicate } = answer.committed;
    if (duplicate || !this.#open.has(request.channel)) return;
    this.#open.set(request.channel, { epoch, head: offset });
    const { user, info, data, sender } = request.publication;
    const publication = { offset, at, user, info, data, sender };
    this.#tellSafely((listener) => listener.publication(request.channel, epoch, publication));
  }

  /** A listener that throws has a fault of its own: what is committed stays so, and others hear of it. */
  #tellSafely(tell: (listener: EngineListener) => void): void {
    try {
      if (this.#listener) tell(this.#listener);
    } catch (error) {
      this.#notice(`the hub failed at what it was told: ${inspect(error)}`);
    }
  }

  #notice(sentence: string): void {
    try {
      this.#parts.onNotice(sentence);
    } catch (error) {
      console.error(sentence, error); // It must not throw; this is the only place left.
    }
  }

  /** The thread has ended: another one opens the store again, and finds all that was committed. */
  async #restart(error: Error): Promise<void> {
    const { clock } = this.#parts;
    this.#trouble = "the store is being opened";
    this.#notice(`the store has broken down, and is opened again: ${error.message}`);
    if (clock.uptime() - this.#threadSince > SETTLED_MS) this.#ends = 0;
    let isToldOf = "";
    while (!this.#closing) {
      if (this.#ends > 0) await this.#pause(Math.min(MAX_RESTART_MS, RESTART_MS * 2 ** (this.#ends - 1)));
      this.#ends++;
      if (this.#closing) break;
      try {
        this.#thread = await this.#parts.start();
        this.#threadSince = clock.uptime();
        await this.#openAgain();
        this.#notice("the store is open again");
        this.#isBroken = false;
        return;
      } catch (reason) {
        const { message } = reason as Error;
        if (message !== isToldOf) this.#notice(`the store cannot be opened: ${message}`);
        isToldOf = message;
        this.#trouble = "the store cannot be opened";
      }
    }
    this.#refuseAll();
  }

  #pause(ms: number): Promise<void> {
    this.#isBroken = true;
    this.#refuseAll();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms).unref();
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #refuseAll(): void {
    for (let batch = this.#waiting.next(); batch.length > 0; batch = this.#waiting.next())
      this.#refuse(batch);
  }

  #refuse(some: readonly Waiting[]): void {
    this.#waiting.answered(some, some.length);
    const error = broken();
    for (const { request, reject } of some) {
      this.#follow(request, { kind: "failed", message: error.message }); // It is released all the same.
      reject(error);
    }
  }

  /** The listener hears of what was committed and not told of, and of epochs that have turned. */
  async #openAgain(): Promise<void> {
    const names = [...this.#open.keys()];
    this.#trouble = undefined;
    for (let from = 0; from < names.length; from += BATCH_REQUESTS) {
      const requests = names
        .slice(from, from + BATCH_REQUESTS)
        .map((channel) => ({ kind: "open", channel }) as const);
      const { notices, answers, trouble } = await this.#thread.run({ now: this.#now, requests });
      this.#trouble = trouble;
      for (const notice of notices) this.#notice(notice);
      for (const [index, { channel }] of requests.entries()) {
        const answer = answers[index];
        if (answer?.kind === "state") this.#isNow(channel, answer.state);
      }
    }
  }

  #tidyIn(ms: number): void {
    if (this.#closing) return;
    this.#tidyTimer = setTimeout(() => {
      this.#ask({ kind: "tidy" }).then(
        (answer) => {
          const isMoreToDo = answer.kind === "done" && answer.isMoreToDo;
          this.#tidyIn(isMoreToDo ? TIDY_PAUSE_MS : this.#parts.tidyMs);
        },
        () => this.#tidyIn(this.#parts.tidyMs), // The thread has ended, which whoever publishes is told.
      );
    }, ms).unref();
  }
}

function broken(): ProtocolError {
  return new ProtocolError("unavailable", "the store has broken down; with the same key try again");
}

/** What an answer is if it is not the one that was asked for: a failure. */
function unexpected(answer: Answer): Error {
  if (answer.kind !== "failed") return new Error(`the store answered ${answer.kind}`);
  return answer.code === undefined
    ? new Error(answer.message)
    : new ProtocolError(answer.code, answer.message);
}
