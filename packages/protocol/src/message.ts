import type { Call, Cast, Command, Connect, Data, Gap, Publish } from "./command-message.ts";
import type { ErrorCode } from "./error.ts";
import type { JsonObject } from "./json.ts";

export type * from "./command-message.ts";

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

/** `cast` as it was read. */
export type ReceivedCast = Cast & WithJson;

/** A command as `decodeCommand` gives it. */
export type ReceivedCommand =
  | Exclude<Command, Connect | Publish | Call | Cast>
  | ReceivedConnect
  | ReceivedPublish
  | ReceivedCall
  | ReceivedCast;

/** One entry of a channel's log. */
export interface Publication {
  readonly offset: number;
  /** When it was committed, in milliseconds since the Unix epoch. */
  readonly at: number;
  /** Who published it, as the server knows them. */
  readonly user: string;
  readonly info?: JsonObject;
  readonly data: Data;
  /**
   * Which session published it, by its public name: in namespaces that tell, and only of what is new, since
   * the log does not have it.
   */
  readonly sender?: string | undefined;
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
  /** This session's public name, where a namespace tells others: the `sender` of what it says. */
  readonly sender?: string;
  /**
   * The session ends in so many milliseconds, with 4401, unless it is refreshed. Left out: no token ends it.
   */
  readonly tokenMs?: number;
}

/** The session has another token. */
export interface Refreshed extends AnswerBase {
  readonly type: "refreshed";
  /** The user's info from now on. */
  readonly info?: JsonObject;
  /** As in `connected`. */
  readonly tokenMs?: number;
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

/** Somebody says something of this moment in a subscribed channel. */
export interface CastPush {
  readonly type: "cast";
  readonly channel: string;
  /** Who says it, as the server knows them. */
  readonly user: string;
  readonly key?: string | undefined;
  /** Which session says it, by its public name: in namespaces that tell. */
  readonly sender?: string | undefined;
  readonly data: Data;
}

/** What the server's program says to this session, or to its user. */
export interface MessagePush {
  readonly type: "message";
  /** What the program calls it: letters, digits and `_.~@/:-`, at most 128 characters. */
  readonly topic: string;
  readonly data: Data;
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
  | Refreshed
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
  | CastPush
  | MessagePush
  | GapPush
  | PresenceChange
  | PresenceChanges
  | PingPush
  | Disconnect;

/** A publication of a subscribed channel, as it was read. */
export interface ReceivedPublication extends PublicationPush, WithJson {}

/** Something of this moment in a channel, as it was read. */
export interface ReceivedCastPush extends CastPush, WithJson {}

/** What the server's program says, as it was read. */
export interface ReceivedMessagePush extends MessagePush, WithJson {}

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
  | ReceivedCastPush
  | ReceivedMessagePush
  | Exclude<ServerMessage, Answer | PublicationPush | CastPush | MessagePush>;
