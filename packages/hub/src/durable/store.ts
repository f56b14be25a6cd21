import { ProtocolError } from "@zocalo/protocol";
import type { LogState } from "../engine/engine.ts";
import { Channels } from "./channels.ts";
import { Damage } from "./damage.ts";
import { Keys } from "./keys.ts";
import type { Answer, Batch, Outcome, Replaced, Request, StoreSettings } from "./messages.ts";
import { later, type Moment } from "./moment.ts";
import { pragma } from "./schema.ts";
import { Shares } from "./shares.ts";
import { failureOf, type OpenDatabase } from "./sqlite.ts";
import { StoreDirectory } from "./store-directory.ts";
import { SecondWriter, type StoreFile } from "./store-file.ts";
import { Tidying } from "./tidying.ts";
import { Trouble } from "./trouble.ts";

/**
 * What a batch may need at most, about: with fewer left it is the limit that it met, and not the disk's end.
 */
const PAGES_OF_A_BATCH = 512;
/** With fewer left a store that met its limit is still at it. */
const PAGES_OF_A_PUBLICATION = 64;
/** What is read of logs in one batch, in characters; past it the rest is for the next one. */
const MOST_READ_LENGTH = 1_048_576;

/** What is done with requests: they are carried out one after the other, in one transaction. */
export class Store {
  readonly #directory: StoreDirectory;
  readonly #settings: StoreSettings;
  #file: StoreFile;
  #shares: Shares;
  #channels: Channels;
  #keys: Keys;
  #tidying: Tidying;
  readonly #trouble: Trouble;
  #hasWritten = false;
  readonly #notices: string[];
  /** Of the batch that is under way. */
  #replaced: Replaced[] = [];
  /** What the pages take that it has read so far. */
  #length = 0;

  /**
   * Opens a directory, or makes one.
   *
   * @param notices gets what whoever runs the server is to know, also if it cannot be opened
   * @throws StoreError
   */
  constructor(
    open: OpenDatabase,
    settings: StoreSettings,
    boot: string,
    now: Moment,
    notices: string[] = [],
  ) {
    const tell = (sentence: string): void => void notices.push(sentence);
    this.#notices = notices;
    this.#settings = settings;
    this.#trouble = new Trouble(settings.directory, tell);
    this.#directory = new StoreDirectory(open, settings, boot, tell);
    this.#file = this.#directory.openFile(now, tell);
    [this.#shares, this.#channels, this.#keys, this.#tidying] = this.#over(this.#file, []);
  }

  /** What whoever runs the server is to know by now. */
  get notices(): readonly string[] {
    return this.#notices.splice(0);
  }

  /**
   * Carries out a batch. Throws what is a fault of this program, and where another has written: then the
   * thread ends, and the next one has the directory only if nobody else does.
   */
  run({ requests, now }: Batch): Outcome {
    this.#replaced = [];
    this.#length = 0;
    const answers: Answer[] = [];
    this.#carryOut(requests, now, answers);
    return { replaced: this.#replaced, notices: this.notices, trouble: this.#trouble.why, answers };
  }

  /** Ends it, and leaves one file behind. */
  close(now: Moment): void {
    let isSynced = false;
    try {
      this.#notices.push(...this.run({ now, requests: [{ kind: "tidy" }] }).notices);
      this.#file.database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
      isSynced = true;
    } catch {
      // Without room it stays where it is, and is read at the next start.
    }
    this.#directory.close(isSynced);
  }

  #over(file: StoreFile, open: Iterable<string>): [Shares, Channels, Keys, Tidying] {
    const { maxChannels, maxKeysPerChannel } = this.#settings;
    const shares = new Shares(file, this.#settings);
    const channels = new Channels(file, shares, maxChannels, open);
    const keys = new Keys(file, channels, shares, maxKeysPerChannel);
    return [shares, channels, keys, new Tidying(file, channels, keys)];
  }

  /**
   * Adds the answers to these requests, or to the first of them.
   *
   * In one transaction; where that fails, in two, each with a half: what cannot be written, such as something
   * large where there is little room, is refused alone.
   *
   * @returns false if answers are missing
   */
  #carryOut(requests: readonly Request[], now: Moment, answers: Answer[]): boolean {
    // Each damage is in another channel, or the file is replaced.
    const damaged = new Set<string>();
    let isNewFile = false;
    for (;;) {
      let error: unknown;
      try {
        const some = this.#commit(requests, now);
        answers.push(...some);
        return some.length === requests.length;
      } catch (reason) {
        this.#undo(reason);
        if (reason instanceof SecondWriter) throw reason;
        error = reason;
      }
      if (isDamage(error)) {
        const channel = error instanceof Damage ? error.channel : undefined;
        const isAnother = channel !== undefined && !damaged.has(channel.name);
        const failure = isAnother ? this.#setAside(channel, error as Damage, answers.length) : error;
        if (isAnother) damaged.add(channel.name);
        if (failure === undefined) continue;
        // Not such as a full disk, which is no fault of the file's.
        if (isDamage(failure)) {
          if (isNewFile) throw error;
          this.#replaceFile(now, error as Error, answers.length);
          isNewFile = true;
          continue;
        }
        error = failure;
      }
      const [only, ...others] = requests;
      if (!only) return true;
      if (others.length === 0) {
        answers.push(this.#refuse(only, now, error));
        return true;
      }
      const half = requests.length >> 1;
      return (
        this.#carryOut(requests.slice(0, half), now, answers) &&
        this.#carryOut(requests.slice(half), now, answers)
      );
    }
  }

  #commit(requests: readonly Request[], now: Moment): readonly Answer[] {
    const { database } = this.#file;
    const time = this.#file.time.at(now);
    const writes = requests.some(({ kind }) => kind === "publish" || kind === "tidy");
    if (writes) this.#directory.checkIsThere();
    if (writes) database.exec("BEGIN IMMEDIATE");
    const answers: Answer[] = [];
    let length = this.#length;
    for (const request of requests) {
      if (length > MOST_READ_LENGTH) break;
      const answer = this.#answer(request, now, time);
      if (answer.kind === "page") length += lengthOf(answer.page.publications);
      answers.push(answer);
    }
    if (writes) {
      this.#keys.forgetAsMany(time);
      // In trouble it is tried whether anything can be written.
      const hasChanged = this.#areChanged || this.#trouble.why !== undefined;
      if (hasChanged) this.#save(now, time);
      this.#file.saveIdentity();
      database.exec("COMMIT");
      if (hasChanged) this.#wrote(answers.some(({ kind }) => kind === "committed"));
    } else if (this.#areChanged) {
      this.#saveWhatReadingLetGo(now, time);
    }
    this.#length = length;
    this.#channels.committed();
    this.#shares.committed();
    return answers;
  }

  get #areChanged(): boolean {
    return this.#channels.areChanged || this.#shares.areChanged;
  }

  #save(now: Moment, time: number): void {
    this.#channels.save(time);
    this.#shares.save();
    this.#file.countCommit(now);
  }

  /** What is past its age. Without room it is let go again the next time. */
  #saveWhatReadingLetGo(now: Moment, time: number): void {
    const { database } = this.#file;
    try {
      database.exec("BEGIN IMMEDIATE");
      this.#save(now, time);
      database.exec("COMMIT");
      this.#directory.witnessed(this.#file);
    } catch (error) {
      if (isDamage(error) || error instanceof SecondWriter) throw error;
      this.#undo(error);
    }
  }

  /** @throws what concerns the whole batch */
  #answer(request: Request, now: Moment, time: number): Answer {
    try {
      return this.#do(request, now, time);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return { kind: "failed", code: error.code, message: error.message };
    }
  }

  #do(request: Request, now: Moment, time: number): Answer {
    switch (request.kind) {
      case "publish":
        return this.#publish(request, now, time);
      case "read": {
        const { channel, after, limit } = request;
        const log = this.#channels.find(channel);
        log?.letAgedGo(time);
        const page = log?.page(after, limit) ?? { ...this.#channels.nothing(channel), publications: [] };
        return { kind: "page", page };
      }
      case "open": {
        this.#channels.find(request.channel)?.letAgedGo(time);
        return { kind: "state", state: this.#channels.open(request.channel) };
      }
      case "tidy":
        return { kind: "done", isMoreToDo: this.#tidy(time) };
      case "release":
        this.#channels.release(request.channel);
        return { kind: "done", isMoreToDo: false };
    }
  }

  #publish(
    { channel, publication, retention }: Request & { readonly kind: "publish" },
    { wall }: Moment,
    time: number,
  ): Answer {
    const { key, user, info, data, address } = publication;
    const known = this.#channels.find(channel);
    const isKeyed = key !== undefined && retention.keyMs > 0;
    if (known && key !== undefined) {
      const first = this.#keys.find(known, key, time);
      const { epoch } = known.state;
      if (first) return { kind: "committed", committed: { epoch, ...first, duplicate: true } };
      if (isKeyed) this.#keys.checkRoom(known, time);
    }
    const holder = this.#shares.holderOf(address);
    this.#shares.checkRoom(holder, {
      texts: retention.publications > 0 ? [user, info ?? "", data] : undefined,
      key: isKeyed ? key : undefined,
      channel: known ? undefined : channel,
    });
    const log = known ?? this.#channels.findOrBegin(channel, holder, time);
    const at = Math.round(wall);
    const offset = log.append({ at, user, info, data }, holder, time, retention);
    if (isKeyed) this.#keys.remember(log, key, { offset, at }, later(time, retention.keyMs), holder);
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
    this.#shares.forgetChanges();
    try {
      this.#file.forgetChanges();
    } catch (unreadable) {
      if (!isDamage(error)) throw unreadable;
    }
  }

  /** What became of a request that cannot be carried out for this reason, or only as far as it reads. */
  #refuse(request: Request, now: Moment, error: unknown): Answer {
    const isFull = failureOf(error) === "full";
    const failed = isFull ? this.#fullness() : failure(error);
    this.#trouble.begins(failed.message, now.uptime);
    if (request.kind === "publish") return failed;
    if (request.kind === "tidy") return { kind: "done", isMoreToDo: false };
    try {
      const answer = this.#answer(request, now, this.#file.time.at(now));
      this.#undo(error); // It may have let go what is past its age, which could not be written down.
      return answer;
    } catch (reason) {
      return { kind: "failed", message: String(reason) };
    }
  }

  #fullness(): Answer & { readonly kind: "failed" } {
    const { maxBytes } = this.#settings;
    return this.#pagesLeft < PAGES_OF_A_BATCH
      ? { kind: "failed", code: "limit_reached", message: `this server keeps at most ${maxBytes} bytes` }
      : { kind: "failed", code: "unavailable", message: "the disk is full" };
  }

  /** How far the file may grow. */
  get #pagesLeft(): number {
    const { database } = this.#file;
    return pragma(database, "max_page_count") - pragma(database, "page_count");
  }

  /** @param isPublished else it may have been as little as tidying writes, for which there is room first */
  #wrote(isPublished: boolean): void {
    this.#directory.witnessed(this.#file);
    this.#hasWritten = true;
    if (this.#trouble.why === undefined) return;
    const { database } = this.#file;
    const room = this.#pagesLeft + pragma(database, "freelist_count");
    if (room < PAGES_OF_A_PUBLICATION) return;
    const bytes = PAGES_OF_A_PUBLICATION * pragma(database, "page_size");
    if (isPublished || this.#directory.hasRoom(bytes)) this.#trouble.ends();
  }

  /** Gives why it cannot be done. */
  #setAside(
    channel: { readonly id: number; readonly name: string },
    { message }: Damage,
    index: number,
  ): unknown {
    const { database } = this.#file;
    try {
      database.exec("BEGIN IMMEDIATE");
      const state: LogState = this.#channels.setAside(channel);
      this.#shares.save();
      this.#file.saveIdentity();
      database.exec("COMMIT");
      this.#channels.committed();
      this.#replaced.push({ index, channel: channel.name, state });
      this.#notices.push(
        `channel ${channel.name} is damaged (${message}): what it had is set aside, and it begins anew`,
      );
      return undefined;
    } catch (error) {
      this.#undo(error);
      return error;
    }
  }

  #replaceFile(now: Moment, { message }: Error, index: number): void {
    const aside = this.#directory.setFileAside();
    const name = this.#directory.path;
    this.#notices.push(
      `${name} is damaged (${message}): it is kept as ${aside}, and every channel begins anew`,
    );
    this.#file = this.#directory.openFile(now, (sentence) => this.#notices.push(sentence));
    const { openNames } = this.#channels;
    [this.#shares, this.#channels, this.#keys, this.#tidying] = this.#over(this.#file, openNames);
    this.#replaced.push({ index, state: this.#channels.nothing("") });
  }
}

/** One that is not meant for clients has no code. */
function failure(error: unknown): Answer & { readonly kind: "failed" } {
  return error instanceof ProtocolError
    ? { kind: "failed", code: error.code, message: error.message }
    : { kind: "failed", message: String(error) };
}

function isDamage(error: unknown): boolean {
  return error instanceof Damage || failureOf(error) === "corrupt";
}

/** About what they take in a message between threads. */
function lengthOf(
  publications: readonly { readonly data: string | Uint8Array; readonly info?: string | undefined }[],
): number {
  let length = 0;
  for (const { data, info = "" } of publications) length += data.length + info.length;
  return length;
}
