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
import type { Answer, Outcome, Request } from "./messages.ts";
import type { Moment, StoreClock } from "./moment.ts";
import type { StoreThread } from "./store-thread.ts";

/** Requests of one batch at most, and about how many bytes of them: one commit is for all. */
const BATCH_REQUESTS = 128;
const BATCH_BYTES = 1_048_576;
/** A pause between two steps of tidying while there is more to do, in milliseconds. */
const TIDY_PAUSE_MS = 50;

/** What the engine needs beside its thread. */
export interface EngineParts {
  readonly durability: "disk" | "process";
  readonly clock: StoreClock;
  readonly maxWaitingBytes: number;
  readonly tidyMs: number;
  readonly onNotice: (sentence: string) => void;
}

interface Waiting {
  readonly request: Request;
  readonly bytes: number;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Keeps logs and keys in a directory. What waits is committed together; the next batch gathers while one is
 * under way.
 */
export class DurableEngine implements Engine {
  readonly durability: "disk" | "process";
  readonly #thread: StoreThread;
  readonly #parts: EngineParts;
  readonly #presence: PresenceByChannel;
  readonly #open = new Set<string>();
  #listener: EngineListener | undefined;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  /** Ends when nothing waits any more. */
  #work: Promise<void> | undefined;
  #tidyTimer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;
  #isLost = false;

  constructor(thread: StoreThread, parts: EngineParts) {
    this.durability = parts.durability;
    this.#thread = thread;
    this.#parts = parts;
    this.#presence = new PresenceByChannel((channel, event) => this.#listener?.presence(channel, event));
    this.#tidyIn(parts.tidyMs);
  }

  start(listener: EngineListener): void {
    if (this.#listener) throw new Error("this engine serves a hub already");
    this.#listener = listener;
  }

  async publish(channel: string, publication: NewPublication, retention: Retention): Promise<Committed> {
    const { user, info = "", data, key = "" } = publication;
    // In the store's thread it would fail with all that is committed together with it.
    for (const text of [user, info, data, key]) {
      if (typeof text !== "string")
        throw new TypeError(`a publication has ${typeof text} where text has to be`);
    }
    const bytes = data.length + info.length;
    if (this.#waitingBytes + bytes > this.#parts.maxWaitingBytes) {
      throw new ProtocolError("unavailable", "too much waits to be committed");
    }
    const { address: _, ...kept } = publication;
    const answer = await this.#ask({ kind: "publish", channel, publication: kept, retention }, bytes);
    if (answer.kind === "committed") return answer.committed;
    throw unexpected(answer);
  }

  async read(channel: string, after: number, limit: number): Promise<LogPage> {
    const answer = await this.#ask({ kind: "read", channel, after, limit });
    if (answer.kind === "page") return answer.page;
    throw unexpected(answer);
  }

  async open(channel: string): Promise<LogState> {
    const answer = await this.#ask({ kind: "open", channel });
    if (answer.kind === "state") return answer.state;
    throw unexpected(answer);
  }

  release(channel: string): void {
    // In its turn, behind an `open` that may be under way. If it cannot be, nobody waits for it.
    this.#ask({ kind: "release", channel }).catch(() => undefined);
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
    await this.#work;
    await this.#thread.close(this.#now);
  }

  get #now(): Moment {
    const { clock } = this.#parts;
    return { wall: Math.round(clock.wall()), uptime: Math.round(clock.uptime()) };
  }

  #checkOpen(): void {
    if (this.#closing) throw new Error("the engine is closed");
  }

  async #ask(request: Request, bytes = 0): Promise<Answer> {
    this.#checkOpen();
    const answer = new Promise<Answer>((resolve, reject) => {
      this.#waiting.push({ request, bytes, resolve, reject });
    });
    this.#waitingBytes += bytes;
    this.#work ??= this.#workOff();
    return answer;
  }

  async #workOff(): Promise<void> {
    // What this turn of the loop brings goes along.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const batch = this.#nextBatch();
      try {
        const outcome = await this.#thread.run({
          now: this.#now,
          requests: batch.map(({ request }) => request),
        });
        this.#tell(outcome, batch);
      } catch (error) {
        this.#lost(error as Error);
        for (const { reject } of batch) reject(new ProtocolError("unavailable", "the store has broken down"));
      }
    }
    this.#work = undefined;
  }

  /** The thread has ended, which no request can mend. */
  #lost(error: Error): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#parts.onNotice(`the store has broken down, and needs a restart: ${error.message}`);
  }

  #nextBatch(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#waiting) {
      if (count === BATCH_REQUESTS || (count > 0 && bytes + waiting.bytes > BATCH_BYTES)) break;
      bytes += waiting.bytes;
      count++;
    }
    this.#waitingBytes -= bytes;
    return this.#waiting.splice(0, count);
  }

  /** Tells the listener before those who asked, each in the order of the requests. */
  #tell(outcome: Outcome, batch: readonly Waiting[]): void {
    for (const notice of outcome.notices) this.#parts.onNotice(notice);
    const { allReplaced } = outcome;
    if (allReplaced) for (const channel of this.#open) this.#listener?.replaced(channel, allReplaced);
    for (const [channel, state] of outcome.replaced) {
      if (this.#open.has(channel)) this.#listener?.replaced(channel, state);
    }
    for (const [index, { request, resolve }] of batch.entries()) {
      const answer = outcome.answers[index] ?? { kind: "failed", message: "no answer" };
      this.#follow(request, answer);
      resolve(answer);
    }
  }

  /** What the answer means for the open channels. */
  #follow(request: Request, answer: Answer): void {
    if (request.kind === "open" && answer.kind === "state") this.#open.add(request.channel);
    if (request.kind === "release") this.#open.delete(request.channel);
    if (request.kind !== "publish" || answer.kind !== "committed") return;
    const { epoch, offset, at, duplicate } = answer.committed;
    if (duplicate || !this.#open.has(request.channel)) return;
    const { user, info, data } = request.publication;
    this.#listener?.publication(request.channel, epoch, { offset, at, user, info, data });
  }

  #tidyIn(ms: number): void {
    this.#tidyTimer = setTimeout(() => {
      this.#ask({ kind: "tidy" }).then(
        (answer) => {
          const isMoreToDo = answer.kind === "done" && answer.isMoreToDo;
          if (!this.#closing) this.#tidyIn(isMoreToDo ? TIDY_PAUSE_MS : this.#parts.tidyMs);
        },
        () => undefined, // It is closed, or the thread has ended, which whoever publishes is told.
      );
    }, ms).unref();
  }
}

/** What an answer is if it is not the one that was asked for: a failure. */
function unexpected(answer: Answer): Error {
  if (answer.kind !== "failed") return new Error(`the store answered ${answer.kind}`);
  return answer.code === undefined
    ? new Error(answer.message)
    : new ProtocolError(answer.code, answer.message);
}
