import type { ErrorCode } from "@zocalo/protocol";
import type { Committed, LogPage, LogState, NewPublication, Retention } from "../engine/engine.ts";
import type { Moment } from "./moment.ts";
import type { StoreErrorCode } from "./store-error.ts";

/** What the engine asks of the thread that has the store. */
export type Request =
  | {
      readonly kind: "publish";
      readonly channel: string;
      readonly publication: NewPublication;
      readonly retention: Retention;
    }
  | { readonly kind: "read"; readonly channel: string; readonly after: number; readonly limit: number }
  | { readonly kind: "open"; readonly channel: string }
  | { readonly kind: "release"; readonly channel: string }
  | { readonly kind: "tidy" };

/** What became of a request. Those of one batch are answered together, in order, after all is committed. */
export type Answer =
  | { readonly kind: "committed"; readonly committed: Committed }
  | { readonly kind: "page"; readonly page: LogPage }
  | { readonly kind: "state"; readonly state: LogState }
  | { readonly kind: "done"; readonly isMoreToDo: boolean }
  /** Without a code it is no client's business. */
  | { readonly kind: "failed"; readonly code?: ErrorCode; readonly message: string };

/** Requests that are carried out in one transaction. */
export interface Batch {
  readonly now: Moment;
  readonly requests: readonly Request[];
}

/** A log that was lost, and what is in its place. */
export interface Replaced {
  /** The answers up to this one were given before it. */
  readonly index: number;
  /** Unset: every one. */
  readonly channel?: string;
  readonly state: LogState;
}

/** What a batch came to. */
export interface Outcome {
  /** In order; each comes before the answer of its index. */
  readonly replaced: readonly Replaced[];
  /** Sentences for whoever runs the server. */
  readonly notices: readonly string[];
  /** Why nothing can be published now, in a few words. */
  readonly trouble?: string | undefined;
  /** Fewer than requests if more would be too long a message: the others have had no effect. */
  readonly answers: readonly Answer[];
}

/** A `Batch`: of a request to publish its fields, one after the other, and every other as it is. */
export interface PackedBatch extends Pick<Batch, "now"> {
  readonly fields: readonly unknown[];
}

/** An `Outcome`: of `committed` its fields, one after the other, and every other answer as it is. */
export interface PackedOutcome extends Omit<Outcome, "answers"> {
  readonly fields: readonly unknown[];
}

/** How a store is set up. */
export interface StoreSettings {
  readonly directory: string;
  readonly durability: "disk" | "process";
  readonly maxBytes: number;
  readonly maxChannels: number;
  readonly maxKeysPerChannel: number;
}

/** What the thread is started with. */
export interface WorkerData {
  readonly settings: StoreSettings;
  readonly boot: string;
  readonly now: Moment;
}

export type ToWorker = PackedBatch | { readonly close: Moment };

export type FromWorker =
  | { readonly opened: readonly string[] }
  | {
      readonly refused: { readonly code: StoreErrorCode; readonly message: string; readonly cause: unknown };
      readonly notices: readonly string[];
    }
  | { readonly outcome: PackedOutcome }
  /** With what there was to tell. */
  | { readonly closed: readonly string[] };
