import type { Data } from "@zocalo/protocol";
import type { Published } from "./publication.ts";

/** How what is not acknowledged outlives this page or process. */
export interface KeepOptions {
  /**
   * Where: a `browserStore`, or the `fileStore` of `@zocalo/client/node`. Of this user alone, since what an
   * earlier session left is published by this one, as this user.
   */
  readonly store: OutboxStore;
  /** Called for each publication that an earlier session left, in order, before it is sent again. */
  left(publication: LeftPublication): void;
  /**
   * The store does not keep what is published: no IndexedDB, private mode, no room. It is sent all the same,
   * and is lost with the page. Called at most once for each session.
   */
  notKept?(error: Error): void;
}

/**
 * A publication that an earlier session left in the store: its page was reloaded, closed or crashed before
 * the server had acknowledged it. It is sent again by itself.
 */
export interface LeftPublication {
  readonly channel: string;
  /** Its idempotency key. */
  readonly key: string;
  /** What `JSON.parse` makes of `json`, or bytes: then `json` is empty. */
  readonly data: Data;
  readonly json: string;
  /** When it was published, by the wall clock, in milliseconds since the Unix epoch. */
  readonly at: number;
  /**
   * What becomes of it, as `publish` says it. After a refusal it is forgotten once the handlers of this
   * promise have run; after `closed` it stays in the store.
   */
  readonly published: Promise<Published>;
}

/** What a store keeps of a publication. */
export interface NewEntry {
  readonly channel: string;
  readonly key: string;
  /** Its data as JSON text. */
  readonly json: string;
  /** True: it is bytes, and `json` a string with their base64. */
  readonly isBytes?: boolean;
  /** When it was published, in milliseconds of the wall clock. */
  readonly at: number;
  /** When it was first sent, on the same clock; it may be in the log since. */
  readonly sentAt?: number;
}

/** The same, with the number by which the store knows it. */
export interface KeptEntry extends NewEntry {
  readonly id: number;
}

/** Keeps publications beyond the life of a session. One at a time has each of them. */
export interface OutboxStore {
  /**
   * Begins to keep for one session.
   *
   * @param left is given, in order, what sessions that are over have left, which is this session's from then
   * on: before the promise resolves, and each time another session ends
   */
  open(left: (entries: readonly KeptEntry[]) => void): Promise<OpenOutbox>;
}

/**
 * A store, open for one session. A promise resolves when what was asked for is on disk; that of `remove` may
 * do so before, since what comes back is not published a second time.
 */
export interface OpenOutbox {
  /** Resolves with their numbers, which ascend. All or none of them are kept. */
  add(entries: readonly NewEntry[]): Promise<readonly number[]>;
  /** Before they are sent: from now on they may be in the log. False for one that is not this session's. */
  begin(ids: readonly number[], sentAt: number): Promise<readonly boolean[]>;
  /** They are settled. */
  remove(ids: readonly number[]): Promise<void>;
  /** Leaves what is left to others. */
  close(): Promise<void>;
}
