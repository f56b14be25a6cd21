import type { Acknowledged } from "./link.ts";
import type { Scene } from "./scenes.ts";

/** One that keeps clients told of a scene. */
export interface Server {
  /** Takes over what the game has changed in this tick, and has the bytes for each client. */
  tick(scene: Scene, tick: number): void;
  /** What it has for a client, lent until the next tick. Not measured. */
  sent(client: number): Uint8Array;
  /** A client has said what it has. */
  acknowledge(client: number, acknowledged: Acknowledged): void;
}

/** The other side, of one client. */
export interface Client {
  /** Takes what the server sent in a tick. */
  receive(bytes: Uint8Array): void;
  /** What it sees, each as `quantizedEntity` has it, in any order. */
  entities(): string[];
}

/** What is measured. */
export interface Contender {
  readonly server: Server;
  readonly clients: readonly Client[];
  /** All that is sent arrives, in order: loss costs time there, which is not measured here. */
  readonly isReliable: boolean;
}

/** Begins with a scene as it is. */
export type MakeContender = (scene: Scene) => Contender;
