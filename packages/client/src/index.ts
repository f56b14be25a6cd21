/// <reference lib="esnext.disposable" preserve="true" />
// Pages have no types of Node's, which would bring `Symbol.asyncDispose` along.
export type { Json, JsonObject, Position, PresentUser } from "@zocalo/protocol";
export type { BackoffOptions } from "./backoff.ts";
export { browserStore, type BrowserStore } from "./browser-store.ts";
export type {
  CallOptions,
  Channel,
  HistoryOptions,
  HistoryPage,
  PublishOptions,
} from "./channel.ts";
export type { Clock } from "./clock.ts";
export type { ClientConn, ConnEnd, ConnHandler, Dial } from "./conn.ts";
export type { DraftLimits, Drafts } from "./drafts.ts";
export { connect, type ConnectOptions } from "./connect.ts";
export {
  ChannelError,
  type ChannelErrorCode,
  GapError,
  SessionError,
  type SessionErrorDetails,
  type SessionErrorCode,
} from "./error.ts";
export type { Gap } from "./gap.ts";
export type {
  KeepOptions,
  KeptEntry,
  LeftPublication,
  NewEntry,
  OpenOutbox,
  OutboxStore,
} from "./keep.ts";
export type { Network } from "./network.ts";
export type { Token } from "./open-link.ts";
export type { OutboxLimits } from "./outbox.ts";
export type { Presence } from "./presence-list.ts";
export type { Published } from "./publication.ts";
export type { Session } from "./session.ts";
export type { SessionState } from "./state.ts";
export type {
  IterateOptions,
  Publication,
  Publications,
  Recovered,
  SubscribeOptions,
  Subscription,
  SubscriptionHandlers,
} from "./subscription.ts";
