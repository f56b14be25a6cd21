import type { Gap } from "@zocalo/client";
import type { Position } from "@zocalo/protocol";

/** What somebody did or saw, as they would write it down. The checker has nothing else. */
export type Entry = { readonly at: number } & (
  | {
      readonly type: "publish";
      readonly id: number;
      readonly client: number;
      readonly channel: string;
      readonly text: string;
      /** Where it is kept beyond the life of the client, if it is. */
      readonly disk?: number | undefined;
    }
  /** The client was told that its publication outlives it. */
  | { readonly type: "kept"; readonly id: number }
  /** The client was given what another one had published, and not seen answered. */
  | { readonly type: "left"; readonly id: number; readonly client: number }
  /** This client goes on with what others left on this disk. */
  | { readonly type: "opened"; readonly client: number; readonly disk: number }
  | { readonly type: "acked"; readonly id: number; readonly epoch: string; readonly offset: number }
  | { readonly type: "failed"; readonly id: number; readonly code: string }
  | Subscribing
  /** `text` is JSON. */
  | {
      readonly type: "publication";
      readonly sub: number;
      readonly epoch: string;
      readonly offset: number;
      readonly text: string;
    }
  | { readonly type: "gap"; readonly sub: number; readonly gap: Gap }
  | { readonly type: "recovered"; readonly sub: number; readonly since: Position }
  | { readonly type: "position"; readonly sub: number; readonly position: Position }
  | {
      readonly type: "users";
      readonly sub: number;
      readonly users: readonly string[];
      readonly total: number;
    }
  | { readonly type: "ended"; readonly sub: number; readonly error?: string }
  /** The client has closed its session, or its process was killed. */
  | { readonly type: "gone"; readonly client: number }
  | Page
  /** What the operator did: the log of this channel is lost. */
  | { readonly type: "lost"; readonly channel: string }
  /** For `CALM_MS` nothing failed, and nobody did anything but look. */
  | { readonly type: "calm" }
  /** On the wire, seen from the client. */
  | { readonly type: "command" | "message"; readonly conn: number; readonly text: string }
);

/** A subscription begins. */
export interface Subscribing {
  readonly type: "subscribe";
  readonly sub: number;
  readonly client: number;
  readonly user: string;
  readonly channel: string;
  readonly since?: Position | undefined;
  readonly watches: boolean;
}

/** A page of a log: all that it has. */
export interface Page {
  readonly type: "page";
  readonly channel: string;
  readonly epoch: string;
  readonly head: number;
  readonly oldest: number;
  readonly publications: readonly { readonly offset: number; readonly text: string }[];
}

/** What an entry says beside its time. */
export type Said = Entry extends infer One ? (One extends unknown ? Omit<One, "at"> : never) : never;

/** Once nothing fails any more, everybody knows everything within this time, in milliseconds. */
export const CALM_MS = 45_000;

/** What the documentation promises of a channel's log. */
export interface Promised {
  readonly publications: number;
  readonly ttlMs: number;
}
