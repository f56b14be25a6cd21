import type { StoredPublication } from "@zocalo/protocol";

/**
 * How much of a channel's log, and of its idempotency keys, is kept. The first bound that is reached counts.
 */
export interface Retention {
  /** Publications kept; 0: none. */
  readonly publications: number;
  /** What the publications kept say, `data` and `info`: JSON text in bytes of UTF-8, or bytes. */
  readonly bytes: number;
  /** Age up to which a publication is kept, in milliseconds. */
  readonly ttlMs: number;
  /** How long an idempotency key is known, in milliseconds; 0: not at all. */
  readonly keyMs: number;
}

/** What is to be added to a log. */
export interface NewPublication {
  readonly user: string;
  /** JSON text of an object. */
  readonly info?: string | undefined;
  /** JSON text, or bytes. They are the caller's: what is kept is a copy, made before `publish` returns. */
  readonly data: string | Uint8Array;
  /** Idempotency key, of the channel: whoever repeats it gets the first publication's offset. */
  readonly key?: string | undefined;
  /**
   * The name of the address it came from, for engines that let each keep only so much; unset: of nobody who
   * has a limit. It is not a part of what is kept.
   */
  readonly address?: string | undefined;
  /**
   * The public name of the session that published it, to be told to the listener with the publication. It is
   * not a part of what is kept. An engine that does not tell it leaves clients without it.
   */
  readonly sender?: string | undefined;
}

/** Where a publication stands. */
export interface Committed {
  readonly epoch: string;
  readonly offset: number;
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  /** True: the key was known; nothing was added and the position is the first one's. */
  readonly duplicate: boolean;
}

/** A log as it is at one moment. */
export interface LogState {
  /**
   * Changes whenever offsets start again: the same epoch and offset are the same publication, for ever. At
   * most 64 characters.
   */
  readonly epoch: string;
  /** The newest offset; 0 when nothing was ever published. */
  readonly head: number;
  /** The oldest offset still kept; `head + 1` when none is. */
  readonly oldest: number;
}

/** A part of a log, with the state it was read in. */
export interface LogPage extends LogState {
  /** Ascending, without holes. */
  readonly publications: readonly StoredPublication[];
}

/** One connection of a user in a channel. */
export interface Member {
  /** The connection; unique. */
  readonly session: string;
  readonly user: string;
  /** JSON text of an object. */
  readonly info?: string | undefined;
}

/** A user in a channel. The same object as before says that nothing has changed: it is not encoded again. */
export interface Present {
  readonly user: string;
  /** JSON text: the info of the newest connection. */
  readonly info?: string | undefined;
  readonly connections: number;
  /** The version that the user's coming made. */
  readonly since: number;
}

/**
 * A part of who is in a channel. Each later change has the next version; versions never go back while a
 * channel is open.
 */
export interface PresentPage {
  readonly version: number;
  /** How many users there are. */
  readonly total: number;
  /** In the order in which they came. */
  readonly users: readonly Present[];
}

/** A user's first connection came, or their last one left. */
export interface PresenceEvent {
  readonly type: "join" | "leave";
  readonly version: number;
  /** How many users there are now. */
  readonly total: number;
  readonly user: string;
  /** JSON text. */
  readonly info?: string | undefined;
}

/** What an engine tells the hub about the channels it has open. Never throws, never waits. */
export interface EngineListener {
  /** A publication was committed, here or on another node. Called in offset order for each channel. */
  publication(channel: string, epoch: string, publication: StoredPublication): void;
  /**
   * The log was replaced by another. Called before any `read` gives the new epoch. The same epoch with
   * another head: publications were committed without a call of `publication`.
   */
  replaced(channel: string, state: LogState): void;
  /** Called in version order for each channel. */
  presence(channel: string, event: PresenceEvent): void;
}

/**
 * Stores logs, idempotency keys and presence, and tells the hub what happens in them.
 *
 * All of it is per channel, and channels are independent. Calls about one channel take effect in the order in
 * which they were made, even when a caller does not wait. A method that rejects has had no effect, or, for
 * `publish`, possibly one: repeating it with the same key is safe. A `ProtocolError` is passed on to the
 * client with its code; anything else becomes `unavailable`.
 */
export interface Engine {
  /**
   * What survives: `memory` nothing, `process` a crash of this process, `disk` a loss of power,
   * `replicated` the loss of a machine.
   */
  readonly durability: "memory" | "process" | "disk" | "replicated";

  /** Why nothing, or nothing new, can be published now, in a few words; unset: it can. */
  readonly trouble?: string | undefined;

  /** Called once, before anything else. */
  start(listener: EngineListener): void;

  /** Adds to the log; resolves when it is committed, as far as `durability` promises. */
  publish(channel: string, publication: NewPublication, retention: Retention): Promise<Committed>;

  /**
   * Reads at most `limit` publications with offsets above `after`, from the oldest kept one if that is later.
   * Fewer only at the head. Shows at least what the listener was told before the call. An unknown channel is
   * an empty log.
   */
  read(channel: string, after: number, limit: number): Promise<LogPage>;

  /**
   * From now on the listener hears of this channel: of every publication past the `head` that is returned.
   */
  open(channel: string): Promise<LogState>;

  /** The listener need not hear of this channel any more. Opened and closed in turn, never twice. */
  release(channel: string): void;

  /** Counts one connection of a user in. */
  join(channel: string, member: Member): Promise<void>;

  /** Counts it out. Unknown ones are ignored. */
  leave(channel: string, session: string): Promise<void>;

  /** At most `limit` of those who are there, of those who came after the version `after`. */
  present(channel: string, after: number, limit: number): Promise<PresentPage>;

  /** Ends it; everything that was acknowledged is safe. Later calls reject. */
  close(): Promise<void>;
}
