export { type Clock, systemClock, type Timer } from "./primitives/clock.ts";
export { backupStore, checkStore, restoreStore, type StoreReport } from "./durable/care.ts";
export { defaultDurableOptions, durable, type DurableOptions } from "./durable/durable.ts";
export type { DurableEngine } from "./durable/engine.ts";
export type { StoreClock } from "./durable/moment.ts";
export { StoreError, type StoreErrorCode } from "./durable/store-error.ts";
// For those who write an engine.
export type * from "./engine/engine.ts";
export { guests } from "./session/guests.ts";
export { type CallContext, CallError, type CallHandler, type HandleOptions } from "./session/handlers.ts";
export {
  Hub,
  type HubCastOptions,
  type HubPublishOptions,
  type HubSendOptions,
  type Recipient,
} from "./hub.ts";
export type { HubOptions } from "./hub-options.ts";
export type { CastContext, CastHandler } from "./session/context.ts";
export type { HubHistory, HubHistoryOptions, HubPublication } from "./session/read-log.ts";
export type { SendResult } from "./session/messages.ts";
export type { Authenticate, AuthenticationRequest, Identity } from "./policy/identity.ts";
export { defaultHubLimits, type HubLimits } from "./policy/limits.ts";
export {
  defaultMemoryEngineOptions,
  MemoryEngine,
  type MemoryEngineOptions,
} from "./memory/memory-engine.ts";
export type { MessageSizes, NamespaceOptions, Permission } from "./policy/namespace.ts";
export { type Random, systemRandom } from "./primitives/random.ts";
export type { HubStats } from "./channel/stats.ts";
export { streamFraming } from "./session/stream-framing.ts";
