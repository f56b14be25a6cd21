/// <reference lib="esnext.disposable" preserve="true" />
// Pages have no types of Node's, which would bring `Symbol.asyncDispose` along.
export type { Json, JsonObject, Position, PresentUser } from "@zocalo/protocol";
export type { BackoffOptions } from "./session/backoff.ts";
export { browserStore, type BrowserStore } from "./store/browser-store.ts";
export type { MethodOptions } from "./channel/call.ts";
export type {
  CallOptions,
  Cast,
  Channel,
  HistoryOptions,
  HistoryPage,
  PublishOptions,
} from "./channel/channel.ts";
export type { Clock } from "./primitives/clock.ts";
export type { ClientConn, ConnEnd, ConnHandler, Dial } from "./connection/conn.ts";
export type { DraftLimits, Drafts } from "./store/drafts.ts";
export { connect, type ConnectOptions } from "./connect.ts";
export {
  CallError,
  ChannelError,
  type ChannelErrorCode,
  SessionError,
  type SessionErrorDetails,
  type SessionErrorCode,
} from "./primitives/error.ts";
export { type Gap, GapError } from "./channel/gap.ts";
export type {
  KeepOptions,
  KeptEntry,
  LeftPublication,
  NewEntry,
  OpenOutbox,
  OutboxStore,
} from "./outbox/keep.ts";
export type { Network } from "./session/network.ts";
export type { Token } from "./connection/open-link.ts";
export type { OutboxLimits } from "./outbox/outbox.ts";
export type { Presence } from "./channel/presence-list.ts";
export type { Published } from "./outbox/publication.ts";
export type { Message, Session, SessionState } from "./session/session.ts";
export type {
  IterateOptions,
  Publication,
  Publications,
  Recovered,
  SubscribeOptions,
  Subscription,
  SubscriptionHandlers,
} from "./channel/subscription.ts";
