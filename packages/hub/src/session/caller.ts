import type { MessageConn } from "@zocalo/net";
import type { ProtocolError } from "@zocalo/protocol";
import type { AnswerFate, AnswerPlace } from "./answers.ts";
import type { Account } from "./accounts.ts";
import type { Addressee } from "./directory.ts";
import type { HubContext } from "./context.ts";
import type { Expiry } from "./expiry.ts";
import type { AuthenticationRequest, Identity } from "../policy/identity.ts";
import type { Permission } from "../policy/namespace.ts";
import type { AnswerTo } from "../channel/encode.ts";
import type { Subscription, SubscriptionHost } from "../channel/subscription.ts";

/** What commands need of the session that they came from. */
export interface Caller extends SubscriptionHost, Addressee {
  /** With whom it shares the limits of its address; unset if it has none, or while that is not proved. */
  readonly address: Account | undefined;
  /** With whom it shares the limits of its user; unset until it has begun, and of a guest. */
  readonly user: Account | undefined;
  readonly context: HubContext;
  readonly conn: MessageConn;
  /** Its name: told to the client, which sends it with each command, and nobody else. */
  readonly id: string;
  /** True where messages may be lost and a source may be forged: then silence is an answer. */
  readonly isDatagram: boolean;
  /** Unset until the session has begun. */
  readonly identity: Identity | undefined;
  /** The identity's `info` as JSON text. */
  readonly infoText: string | undefined;
  /** Who takes turns with others for it. */
  readonly whose: object;
  /** Whose memory is used by what it publishes; unset for those without a limit. */
  readonly addressName: string | undefined;
  readonly subscriptions: ReadonlyMap<string, Subscription>;
  /** True once nothing more will be sent. */
  readonly hasEnded: boolean;
  /** True if `connect` with this key has begun this session: then it is to be answered again. */
  wasBegunBy(key: string | undefined): boolean;
  /**
   * Gives the session its identity; `undefined` if it was refused and has ended, or the connection is gone.
   * One that has an identity already is another session from then on.
   *
   * @param key of a `connect` that may be repeated
   */
  begin(request: AuthenticationRequest, key?: string): Promise<Identity | undefined>;
  /** When its identity is over, if ever. */
  readonly expiry: Expiry | undefined;
  /** Its identity is this one now. */
  become(identity: Identity): void;
  /** It was begun by `connect`. */
  connected(answersPings: boolean): void;
  /** What an answer to this command begins with: its id and, where the client may not know, who did it. */
  answerTo(command: { readonly id?: number; readonly session?: string }): AnswerTo;
  /** Asks a permission for this session's user; a promise only if the permission makes one. */
  allowed(permission: Permission, channel: string): boolean | Promise<boolean>;
  /** Takes the next place in the order of answers, for a command that will be answered later. */
  reserve(): AnswerPlace;
  /** Sends an answer when its turn comes and there is room. */
  answer(text: string, id: number | undefined, fate?: AnswerFate, place?: AnswerPlace): void;
  /** Answers with an error. */
  refuse(
    error: ProtocolError,
    to: AnswerTo,
    more?: { readonly retryMs?: number; readonly place?: AnswerPlace },
  ): void;
  /** Begins a subscription. */
  add(channel: string, subscription: Subscription): void;
  /** Ends a subscription; false if there is none. */
  drop(channel: string): boolean;
}
