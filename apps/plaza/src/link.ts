import type { Announcement } from "./room-list.ts";

/** How the page is connected; the only words for it that the rest of the page knows. */
export type LinkState =
  | { readonly phase: "connecting" }
  | { readonly phase: "connected"; readonly user: string }
  /** There is no connection; it is tried again by itself. */
  | { readonly phase: "waiting"; readonly why: Absence }
  /** The server does not want this page back by itself. */
  | { readonly phase: "closed"; readonly reason: string };

/** Why there is no connection: the server cannot be reached, or has no room for one more. */
export type Absence = "lost" | "full";

/** Somebody who is in a room, however many windows they have open. */
export interface Person {
  readonly user: string;
  readonly name: string;
}

/** A log as it is when the page begins to follow it. */
export interface Beginning {
  readonly epoch: string;
  readonly head: number;
  /** The oldest offset still kept. */
  readonly oldest: number;
}

/** Where a publication stands. */
export interface Place {
  readonly epoch: string;
  readonly offset: number;
}

/** A publication as the server sends it. */
export interface Publication {
  readonly offset: number;
  readonly at: number;
  readonly user: string;
  readonly info?: unknown;
  readonly data: unknown;
  /** `data` as the JSON text that came. */
  readonly json: string;
}

/** Publications that cannot be had any more, from and to inclusive. */
export interface Gap {
  readonly from: number;
  readonly to: number;
}

/** A page of the log as the server's history gives it. */
export interface Page {
  readonly epoch: string;
  readonly head: number;
  readonly oldest: number;
  readonly publications: readonly Publication[];
}

/** What a message of this page is on the wire. */
export interface Message {
  readonly text: string;
}

/**
 * What happens in one channel. `began` comes before the first publication of each log, so a second one means
 * a new log.
 */
export interface ChannelEvents {
  began(log: Beginning): void;
  published(publications: readonly Publication[]): void;
  /** These will never come: the server no longer has them. */
  gap(gap: Gap): void;
  /** The server refuses this channel, and says why. */
  refused(reason: string): void;
}

/** What a channel is opened with. */
export interface OpenOptions {
  /** Begin with at most this many of the latest publications. */
  readonly last: number;
  /** Go on after this position instead. If the log is still the same, `began` is not called. */
  readonly since?: Place | undefined;
}

/** A message that an earlier page, or a tab that was closed, had not sent. It is on its way by itself. */
export interface LeftMessage {
  readonly channel: string;
  readonly key: string;
  readonly data: unknown;
  /** `data` as JSON text. */
  readonly json: string;
  readonly at: number;
  /** What comes of it, as of `Link.publish`. */
  readonly place: Promise<Place>;
}

/** What happens to a link. */
export interface LinkEvents {
  state(state: LinkState): void;
  left(message: LeftMessage): void;
  /** This browser keeps nothing: what is not sent yet is lost when the page is closed. */
  notKept(): void;
}

/** Text that is not sent yet, by channel; `""` forgets it. */
export interface Drafts {
  get(channel: string): Promise<string | undefined>;
  set(channel: string, text: string): Promise<unknown>;
}

/**
 * The link was closed before a publish was acknowledged; sending it again with the same key, over another
 * link, is safe.
 */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

/** One user's connection to the square: what the page needs of the SDK. */
export interface Link {
  /** Follows a channel without being seen in it. */
  open(channel: string, options: OpenOptions, events: ChannelEvents): void;
  /**
   * Is seen in a channel, and reports who is there, at each change, and how many: past 10,000 not all are
   * listed.
   *
   * @returns leaves it
   */
  enter(channel: string, onPeople: (people: readonly Person[], total: number) => void): () => void;
  /**
   * Resolves with the place in the log once the server has committed it, however often the connection is lost
   * meanwhile.
   *
   * @param kept called when the browser keeps it: if this link is closed, the next one has it as `left`
   * @throws Interrupted if this link was closed before the answer.
   */
  publish(channel: string, data: Message | Announcement, key: string, kept?: () => void): Promise<Place>;
  /** A page of publications below `before`, or the newest. */
  history(channel: string, options: { before?: number; limit: number }): Promise<Page>;
  /** Ends the pause between two attempts. */
  tryNow(): void;
  close(): void;
}

/** Makes a link for an identity. */
export type Dial = (identity: { readonly token: string; readonly name: string }, events: LinkEvents) => Link;
