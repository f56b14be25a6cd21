import type { Json, JsonObject } from "./json.ts";

/** A place in a channel's log: the epoch, and the offset of the last publication one has (0: none). */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** What is published: JSON, or in a namespace of bytes these. */
export type Data = Json | Uint8Array;

/** Publications that cannot be had any more, from and to inclusive. */
export interface Gap {
  readonly from: number;
  readonly to: number;
}

/** What every command may carry. */
interface CommandBase {
  /** Echoed in the answer. A positive integer below 2^53. */
  readonly id?: number;
  /** The session that is to carry it out, by the name that `connected` gave; no other one does. */
  readonly session?: string;
  /** Datagrams: as a guest, in a session that this begins if there is none. */
  readonly guest?: boolean;
  /** The answer to a `verify` message (datagrams only). */
  readonly cookie?: string;
}

/**
 * Begins the session with an identity. Optional but on datagrams: any other command begins it as an anonymous
 * guest.
 */
export interface Connect extends CommandBase {
  readonly type: "connect";
  readonly version?: number;
  readonly token?: string | undefined;
  /** Shown to others beside what this user publishes, for instance `{ "name": "Ana" }`. */
  readonly info?: JsonObject | undefined;
  /** On a stream: the server may send `ping`, and something comes back. Default false. */
  readonly answersPings?: boolean;
  /** Datagrams: the same with each repetition, so that it begins one session. */
  readonly key?: string;
}

/**
 * Gives the session another token of the same user, before the one that it has is over. Answered by
 * `refreshed`; refused, the session goes on with what it had.
 */
export interface Refresh extends CommandBase {
  readonly type: "refresh";
  readonly token: string;
}

/** Starts the flow of a channel. */
export interface Subscribe extends CommandBase {
  readonly type: "subscribe";
  readonly channel: string;
  /** Resume after this position: exactly what was missed, or an explicit gap, then live publications. */
  readonly since?: Position;
  /** Without `since`: start with at most this many of the latest publications. Default 0. */
  readonly last?: number;
  /** Also receive who is there, and each `join` and `leave`. Default false. */
  readonly presence?: boolean;
  /** With `presence`: changes come together, as `changes`. Default false. */
  readonly gather?: boolean;
  /** Do not count this subscription among who is there. Default false. */
  readonly hidden?: boolean;
}

/** Ends the flow of a channel. */
export interface Unsubscribe extends CommandBase {
  readonly type: "unsubscribe";
  readonly channel: string;
}

/** Adds a publication to a channel's log. Answered after the engine has committed it. */
export interface Publish extends CommandBase {
  readonly type: "publish";
  readonly channel: string;
  readonly data: Data;
  /** Idempotency key: publishing again with the same key gives the first offset back and adds nothing. */
  readonly key?: string;
}

/** Has the server's program do something. Answered by `result` or `failed`, or with an `error`. */
export interface Call extends CommandBase {
  readonly type: "call";
  /** That of no other call of this session that is under way. */
  readonly id: number;
  /** What the program calls it, see `isMethodName`. */
  readonly method: string;
  /** Its input. Default: none. */
  readonly data?: Data;
  /** It is over after so many milliseconds, or when the server's own limit is: whichever comes first. */
  readonly deadlineMs?: number | undefined;
}

/** Says that nobody waits for a call any longer. Not answered; the call is, with `cancelled`. */
export interface Cancel extends CommandBase {
  readonly type: "cancel";
  /** The `id` of the call. */
  readonly call: number;
}

/**
 * Says something of this moment to those who are subscribed to a channel: it is in no log, and where one of
 * them does not take it at once only the newest of its key waits. Not answered; refused with an `error` if it
 * has an `id`.
 */
export interface CastToChannel extends CommandBase {
  readonly type: "cast";
  readonly channel: string;
  readonly data: Data;
  /** Of what it is the newest. Default: of all that this user casts without a key. */
  readonly key?: string | undefined;
}

/** The same to the server's program. */
export interface CastByMethod extends CommandBase {
  readonly type: "cast";
  /** What the program calls it: letters, digits and `_.~@/:-`, at most 128 characters. */
  readonly method: string;
  readonly data: Data;
}

/** Something of this moment. */
export type Cast = CastToChannel | CastByMethod;

/** Reads a page of a channel's log without subscribing. */
export interface ReadHistory extends CommandBase {
  readonly type: "history";
  readonly channel: string;
  /** Only publications below this offset. Default: from the newest. */
  readonly before?: number | undefined;
  /** At most this many. Default 50. */
  readonly limit?: number | undefined;
}

/** Asks who is in a channel. */
export interface ReadPresence extends CommandBase {
  readonly type: "presence";
  readonly channel: string;
  /** The `next` of the page before. Default: from the first. */
  readonly after?: number | undefined;
  /** At most this many users. Default: as many as fit in a page. */
  readonly limit?: number | undefined;
}

/** Answered by `pong`; renews a datagram session. */
export interface Ping extends CommandBase {
  readonly type: "ping";
}

/** Says that one is there, after a `ping` of the server's. Not answered. */
export interface IsThere extends CommandBase {
  readonly type: "pong";
}

/** What a client may send. */
export type Command =
  | Connect
  | Refresh
  | Subscribe
  | Unsubscribe
  | Publish
  | Call
  | Cancel
  | Cast
  | ReadHistory
  | ReadPresence
  | Ping
  | IsThere;
