import { ProtocolError } from "@zocalo/protocol";
import type { LogState } from "../engine/engine.ts";
import { Channels } from "./channels.ts";
import { Damage } from "./damage.ts";
import { Keys } from "./keys.ts";
import type { Answer, Batch, Outcome, Request, StoreSettings } from "./messages.ts";
import type { Moment } from "./moment.ts";
import { pragma } from "./schema.ts";
import { failureOf, type OpenDatabase } from "./sqlite.ts";
import { StoreDirectory } from "./store-directory.ts";
import type { StoreFile } from "./store-file.ts";
import { Tidying } from "./tidying.ts";

/** Channels that one batch sets aside; with one more damage the file is. */
const MAX_SET_ASIDE = 8;
/**
 * What a batch may need at most, about: with fewer left it is the limit that it met, and not the disk's end.
 */
const PAGES_OF_A_BATCH = 512;

/** What is done with requests: they are carried out one after the other, in one transaction. */
export class Store {
  readonly #directory: StoreDirectory;
  readonly #settings: StoreSettings;
  #file: StoreFile;
  #channels: Channels;
  #keys: Keys;
  #tidying: Tidying;
  /** Writing failed, and whoever runs the server was told so. */
  #isFailing = false;
  #hasWritten = false;
  readonly #notices: string[] = [];

  /**
   * Opens a directory, or makes one.
   *
   * @throws StoreError
   */
  constructor(open: OpenDatabase, settings: StoreSettings, boot: string, now: Moment) {
    this.#settings = settings;
    this.#directory = new StoreDirectory(open, settings, boot);
    this.#file = this.#directory.openFile(now, (sentence) => this.#notices.push(sentence));
    [this.#channels, this.#keys, this.#tidying] = this.#over(this.#file);
  }

  /** What whoever runs the server is to know of the opening. */
  get notices(): readonly string[] {
    return this.#notices.splice(0);
  }

  /** Carries out a batch. Throws only what is a fault of this program. */
  run(batch: Batch): Outcome {
    const replaced = new Map<string, LogState>();
    let allReplaced: LogState | undefined;
    for (let attempt = 0; ; attempt++) {
      try {
        const answers = this.#commit(batch);
        return this.#outcome(replaced, allReplaced, answers);
      } catch (error) {
        this.#undo(error);
        if (!isDamage(error)) return this.#outcome(replaced, allReplaced, this.#withoutWriting(batch, error));
        const { channel } = error instanceof Damage ? error : { channel: undefined };
        if (channel && attempt < MAX_SET_ASIDE) {
          const failure = this.#setAside(channel, error as Damage, replaced);
          if (failure === undefined) continue;
          // Such as a full disk, which is no fault of the file's.
          if (!isDamage(failure))
            return this.#outcome(replaced, allReplaced, this.#withoutWriting(batch, failure));
        }
        if (allReplaced) throw error; // a file that was made just now
        this.#replaceFile(batch.now, error as Error);
        allReplaced = this.#channels.nothing;
        replaced.clear();
      }
    }
  }

  /** Ends it, and leaves one file behind. */
  close(now: Moment): void {
    let isSynced = false;
    try {
      this.run({ now, requests: [{ kind: "tidy" }] });
      this.#file.database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      isSynced = true;
    } catch {
      // Without room it stays where it is, and is read at the next start.
    }
    this.#directory.close(isSynced);
  }

  #over(file: StoreFile): [Channels, Keys, Tidying] {
    const channels = new Channels(file, this.#settings.maxChannels);
    const keys = new Keys(file, channels, this.#settings.maxKeysPerChannel);
    return [channels, keys, new Tidying(file, channels, keys)];
  }

  #outcome(
    replaced: ReadonlyMap<string, LogState>,
    allReplaced: LogState | undefined,
    answers: readonly Answer[],
  ): Outcome {
    const all = allReplaced === undefined ? {} : { allReplaced };
    return { replaced: [...replaced], ...all, notices: this.#notices.splice(0), answers };
  }

  #commit({ requests, now }: Batch): readonly Answer[] {
    const writes = requests.some(({ kind }) => kind === "publish" || kind === "tidy");
    if (!writes) {
      const answers = requests.map((request) => this.#answer(request, now));
      this.#channels.committed();
      return answers;
    }
    const { database } = this.#file;
    database.exec("BEGIN IMMEDIATE");
    const answers = requests.map((request) => this.#answer(request, now));
    const hasChanged = this.#channels.save();
    if (hasChanged) this.#file.countCommit(now);
    database.exec("COMMIT");
    if (hasChanged) this.#wrote();
    this.#channels.committed();
    return answers;
  }

  /** @throws what concerns the whole batch */
  #answer(request: Request, now: Moment): Answer {
    try {
      return this.#do(request, now);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return { kind: "failed", code: error.code, message: error.message };
    }
  }

  #do(request: Request, now: Moment): Answer {
    const time = this.#file.time.at(now);
    switch (request.kind) {
      case "publish":
        return this.#publish(request, now, time);
      case "read": {
        const log = this.#channels.find(request.channel);
        log?.letAgedGo(time);
        const { after, limit } = request;
        return {
          kind: "page",
          page: log?.page(after, limit) ?? { ...this.#channels.nothing, publications: [] },
        };
      }
      case "open": {
        const log = this.#channels.find(request.channel);
        log?.letAgedGo(time);
        return { kind: "state", state: log?.state ?? this.#channels.nothing };
      }
      case "tidy":
        return { kind: "done", isMoreToDo: this.#tidy(time) };
      case "release":
        return { kind: "done", isMoreToDo: false };
    }
  }

  #publish(
    { channel, publication, retention }: Request & { readonly kind: "publish" },
    { wall }: Moment,
    time: number,
  ): Answer {
    const { key, user, info, data } = publication;
    const known = this.#channels.find(channel);
    const isKeyed = key !== undefined && retention.keyTtlMs > 0;
    if (known && key !== undefined) {
      const first = this.#keys.find(known, key, time);
      const { epoch } = known.state;
      if (first) return { kind: "committed", committed: { epoch, ...first, duplicate: true } };
      if (isKeyed) this.#keys.checkRoom(known, time);
    }
    const log = known ?? this.#channels.findOrBegin(channel);
    const at = Math.round(wall);
    const offset = log.append({ at, user, info, data }, time, retention);
    if (isKeyed) this.#keys.remember(log, key, { offset, at }, time + retention.keyTtlMs);
    return { kind: "committed", committed: { epoch: log.state.epoch, offset, at, duplicate: false } };
  }

  #tidy(time: number): boolean {
    const isQuiet = !this.#hasWritten;
    this.#hasWritten = false;
    return this.#tidying.step(time, isQuiet);
  }

  /** What is known here is what is in the file again. */
  #undo(error: unknown): void {
    try {
      this.#file.database.exec("ROLLBACK");
    } catch {
      // SQLite has rolled it back by itself, or nothing had begun.
    }
    this.#channels.forgetChanges();
    try {
      this.#file.forgetChanges();
    } catch (unreadable) {
      if (!isDamage(error)) throw unreadable;
    }
  }

  /** What only reads is done; the rest is answered with why it cannot be. */
  #withoutWriting(batch: Batch, error: unknown): readonly Answer[] {
    const isFull = failureOf(error) === "full";
    const failed = isFull ? this.#fullness() : ({ kind: "failed", message: String(error) } as const);
    if (!this.#isFailing) {
      this.#isFailing = true;
      const { directory } = this.#settings;
      this.#notices.push(
        `${directory} cannot be written to (${failed.message}); nothing is published until it can`,
      );
    }
    return batch.requests.map((request): Answer => {
      if (request.kind === "publish") return failed;
      if (request.kind === "tidy") return { kind: "done", isMoreToDo: false };
      try {
        return this.#answer(request, batch.now);
      } catch (reason) {
        return { kind: "failed", message: String(reason) };
      }
    });
  }

  #fullness(): Answer & { readonly kind: "failed" } {
    const { database } = this.#file;
    const { maxBytes } = this.#settings;
    const pagesLeft = pragma(database, "max_page_count") - pragma(database, "page_count");
    return pagesLeft < PAGES_OF_A_BATCH
      ? { kind: "failed", code: "limit_reached", message: `this server keeps at most ${maxBytes} bytes` }
      : { kind: "failed", code: "unavailable", message: "the disk is full" };
  }

  #wrote(): void {
    this.#directory.witnessed(this.#file);
    this.#hasWritten = true;
    if (this.#isFailing) this.#notices.push(`${this.#settings.directory} can be written to again`);
    this.#isFailing = false;
  }

  /** Gives why it cannot be done. */
  #setAside(
    channel: { readonly id: number; readonly name: string },
    { message }: Damage,
    replaced: Map<string, LogState>,
  ): Error | undefined {
    const { database } = this.#file;
    try {
      database.exec("BEGIN IMMEDIATE");
      const state = this.#channels.setAside(channel);
      database.exec("COMMIT");
      this.#channels.committed();
      replaced.set(channel.name, state);
      this.#notices.push(
        `channel ${channel.name} is damaged (${message}): what it had is set aside, and it begins anew`,
      );
      return undefined;
    } catch (error) {
      this.#undo(error);
      return error as Error;
    }
  }

  #replaceFile(now: Moment, { message }: Error): void {
    const aside = this.#directory.setFileAside();
    const name = this.#directory.path;
    this.#notices.push(
      `${name} is damaged (${message}): it is kept as ${aside}, and every channel begins anew`,
    );
    this.#file = this.#directory.openFile(now, (sentence) => this.#notices.push(sentence));
    [this.#channels, this.#keys, this.#tidying] = this.#over(this.#file);
  }
}

function isDamage(error: unknown): boolean {
  return error instanceof Damage || failureOf(error) === "corrupt";
}
