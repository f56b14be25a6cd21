export { type Clock, systemClock, type Timer } from "./clock.ts";
export { backupStore, checkStore, restoreStore, type StoreReport } from "./durable/care.ts";
export { defaultDurableOptions, durable, type DurableOptions } from "./durable/durable.ts";
export type { DurableEngine } from "./durable/engine.ts";
export type { StoreClock } from "./durable/moment.ts";
export { StoreError, type StoreErrorCode } from "./durable/store-error.ts";
// For those who write an engine.
export type * from "./engine.ts";
export { guests } from "./guests.ts";
export { Hub, type HubOptions, type HubPublishOptions } from "./hub.ts";
export type { Authenticate, AuthenticationRequest, Identity } from "./identity.ts";
export { defaultHubLimits, type HubLimits } from "./limits.ts";
export { defaultMemoryEngineOptions, MemoryEngine, type MemoryEngineOptions } from "./memory-engine.ts";
export type { NamespaceOptions, Permission } from "./namespace.ts";
export { type Random, systemRandom } from "./random.ts";
export type { HubStats } from "./stats.ts";
