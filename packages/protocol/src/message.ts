import type { ErrorCode } from "./error.ts";
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
  | Subscribe
  | Unsubscribe
  | Publish
  | Call
  | Cancel
  | ReadHistory
  | ReadPresence
  | Ping
  | IsThere;

/** What is to be passed on as it came. */
export interface WithJson {
  /**
   * The field `data` as the JSON text that came, on one line. Numbers of any length, `-0`, the order of
   * members and those with the same name are in it, and not all of them in `data`. Empty where `data` is
   * bytes.
   */
  readonly json: string;
}

/** `connect` as it was read. */
export interface ReceivedConnect extends Connect {
  /** The field `info` as the JSON text that came, on one line. */
  readonly infoJson?: string;
}

/** `publish` as it was read. Pass on `json`, not `data`, which is made of it whenever it is asked for. */
export interface ReceivedPublish extends Publish, WithJson {}

/** `call` as it was read. `json` is there if `data` is. */
export interface ReceivedCall extends Call, Partial<WithJson> {}

/** A command as `decodeCommand` gives it. */
export type ReceivedCommand =
  | Exclude<Command, Connect | Publish | Call>
  | ReceivedConnect
  | ReceivedPublish
  | ReceivedCall;

/** One entry of a channel's log. */
export interface Publication {
  readonly offset: number;
  /** When it was committed, in milliseconds since the Unix epoch. */
  readonly at: number;
  /** Who published it, as the server knows them. */
  readonly user: string;
  readonly info?: JsonObject;
  readonly data: Data;
}

/** A user who is in a channel, with how many connections. */
export interface PresentUser {
  readonly user: string;
  readonly info?: JsonObject;
  readonly connections: number;
}

/** A page of who is in a channel. Each later change has the next `version`; after a jump, ask again. */
export interface PresencePage {
  readonly version: number;
  /** How many users there are. */
  readonly total: number;
  /** In the order in which they came. */
  readonly users: readonly PresentUser[];
  /** There are more: `after` this. */
  readonly next?: number;
}

/** What every answer carries: the command's `id`, if it had one. */
interface AnswerBase {
  readonly id?: number;
  /** Datagrams, where the command named no session: in which one it was carried out. */
  readonly session?: string;
  /** With `session`: as whom. */
  readonly user?: string;
}

/** The session has begun. */
export interface Connected extends AnswerBase {
  readonly type: "connected";
  readonly version: number;
  readonly server: string;
  /** This session's name, for the commands that follow. */
  readonly session: string;
  readonly user: string;
  readonly info?: JsonObject;
  /** Send something at least this often, or the connection counts as dead. */
  readonly pingMs: number;
  /** Datagrams: the session ends this long after the last command. */
  readonly expiresMs?: number;
  /** Largest command this server takes. */
  readonly commandBytes: number;
  /** A key is remembered at least this long, where any is. Sent again later, it may publish twice. */
  readonly keyMs?: number;
  /** Commands a second that this connection may send. */
  readonly commandsPerSecond: number;
  /** Commands that it may send at once after a silence. */
  readonly commandBurst: number;
}

/** The flow of a channel has begun, after `offset`. */
export interface Subscribed extends AnswerBase {
  readonly type: "subscribed";
  readonly channel: string;
  readonly epoch: string;
  /** The next publication has `offset + 1`. */
  readonly offset: number;
  /** The newest offset in the log at this moment. */
  readonly head: number;
  /** True: `since` was given and nothing is missing. */
  readonly recovered: boolean;
  /** True: the log that `since` was of is gone; what was not received of it cannot be had. */
  readonly reset?: true;
  /** These publications of this epoch are no longer kept; the flow goes on after them. */
  readonly gap?: Gap;
  /** The first page. */
  readonly presence?: PresencePage;
  /** Datagrams: the session, with its subscriptions, ends this long after the last command. */
  readonly expiresMs?: number;
}

/** The flow of a channel has ended: it was asked to, or the server says why. */
export interface Unsubscribed extends AnswerBase {
  readonly type: "unsubscribed";
  readonly channel: string;
  /** Set when the server ended the subscription by itself. */
  readonly code?: ErrorCode;
  readonly message?: string;
}

/** A publication is in the log, at this place. */
export interface Published extends AnswerBase {
  readonly type: "published";
  readonly epoch: string;
  readonly offset: number;
  /** True: the key was known; this is the first publication's offset. */
  readonly duplicate?: true;
  /** What telling those who are subscribed counted for, in thousandths of a command; left out if nothing. */
  readonly cost?: number;
}

/** What a call came to. */
export interface Result extends AnswerBase {
  readonly type: "result";
  /** Left out if there is nothing to say. */
  readonly data?: Data;
}

/** The server's program refused a call. */
export interface Failed extends AnswerBase {
  readonly type: "failed";
  /** The program's own: 1 to 64 letters, digits and `_ . -`. */
  readonly code: string;
  readonly message: string;
  readonly data?: Data;
}

/** A page of a channel's log. */
export interface HistoryPage extends AnswerBase {
  readonly type: "history";
  readonly channel: string;
  readonly epoch: string;
  readonly head: number;
  /** The oldest offset still kept; `head + 1` when the log is empty. */
  readonly oldest: number;
  /** Ascending by offset. */
  readonly publications: readonly Publication[];
}

/** Who is in a channel, at this version. */
export interface PresenceAnswer extends AnswerBase, PresencePage {
  readonly type: "presence";
  readonly channel: string;
}

/** The answer to `ping`. */
export interface Pong extends AnswerBase {
  readonly type: "pong";
}

/** Datagrams: send the command again with this `cookie`, to prove that you receive at your address. */
export interface Verify extends AnswerBase {
  readonly type: "verify";
  readonly cookie: string;
}

/** A command was refused, or could not be read. */
export interface ErrorAnswer extends AnswerBase {
  readonly type: "error";
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryMs?: number;
}

/** A publication of a subscribed channel. */
export interface PublicationPush extends Publication {
  readonly type: "publication";
  readonly channel: string;
  /** Datagrams: of which log it is, since the `gap` that told of another one may have been lost. */
  readonly epoch?: string;
}

/** Publications that this subscription will never get; the next one has `to + 1`. */
export interface GapPush extends Gap {
  readonly type: "gap";
  readonly channel: string;
  readonly epoch: string;
  /** True: the log was replaced; `epoch` is new, and what was not received of the old one is lost. */
  readonly reset?: true;
}

/** A user's first connection came, or their last one left. */
export interface PresenceChange {
  readonly type: "join" | "leave";
  readonly channel: string;
  readonly version: number;
  readonly user: string;
  readonly info?: JsonObject;
}

/** Users came and left. The last one of `changes` made `version`, the one before it `version - 1`. */
export interface PresenceChanges {
  readonly type: "changes";
  readonly channel: string;
  readonly version: number;
  /** How many users there were then. */
  readonly total: number;
  readonly changes: readonly Pick<PresenceChange, "type" | "user" | "info">[];
}

/** Asks whether the client is there: anything it sends says so. Only who `answersPings` is asked. */
export interface PingPush {
  readonly type: "ping";
}

/** The last message before the server closes. The same code and reason close a WebSocket. */
export interface Disconnect {
  readonly type: "disconnect";
  readonly code: number;
  readonly reason: string;
  readonly reconnect: boolean;
}

/** What answers a command. */
export type Answer =
  | Connected
  | Subscribed
  | Unsubscribed
  | Published
  | Result
  | Failed
  | HistoryPage
  | PresenceAnswer
  | Pong
  | Verify
  | ErrorAnswer;

/** What a server may send. */
export type ServerMessage =
  | Answer
  | PublicationPush
  | GapPush
  | PresenceChange
  | PresenceChanges
  | PingPush
  | Disconnect;

/** A publication of a subscribed channel, as it was read. */
export interface ReceivedPublication extends PublicationPush, WithJson {}

/** A page of a channel's log, as it was read. */
export interface ReceivedPage extends HistoryPage {
  readonly publications: readonly (Publication & WithJson)[];
}

/** What a call came to, as it was read. `json` is there if `data` is. */
export interface ReceivedResult extends Result, Partial<WithJson> {}

/** How the server's program refused a call, as it was read. `json` is there if `data` is. */
export interface ReceivedFailed extends Failed, Partial<WithJson> {}

/** What answers a command, as it was read. */
export type ReceivedAnswer =
  | Exclude<Answer, HistoryPage | Result | Failed>
  | ReceivedPage
  | ReceivedResult
  | ReceivedFailed;

/** A server message as `decodeServerMessage` gives it. */
export type ReceivedMessage =
  | ReceivedAnswer
  | ReceivedPublication
  | Exclude<ServerMessage, Answer | PublicationPush>;
