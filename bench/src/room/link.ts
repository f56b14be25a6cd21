import { randomNumbers } from "./scenes.ts";

export interface LinkSettings {
  /** There and back, in milliseconds. */
  readonly roundTripMs: number;
  /** The share that is lost, in each direction. */
  readonly loss: number;
  /** Of server and clients alike. */
  readonly ticksPerSecond: number;
  /** Clients' ticks are at the same time as the server's. Default false: they lie anywhere between. */
  readonly areInStep?: boolean;
}

/**
 * What reaches whom between a server that sends each client a datagram a tick and clients that say in each
 * tick of theirs which have come: the newest and those of the 32 before it. Delays are constant; what is lost
 * is drawn from a seed.
 */
export class Link {
  readonly #oneWay: number;
  readonly #clients: readonly Client[];

  constructor(clients: number, settings: LinkSettings, seed: number) {
    this.#oneWay = ((settings.roundTripMs / 1000) * settings.ticksPerSecond) / 2;
    const phases = randomNumbers(seed);
    this.#clients = Array.from({ length: clients }, (_, client) => {
      const random = randomNumbers(seed + 1 + client);
      const isLost = (): boolean => random() < settings.loss;
      return { phase: settings.areInStep === true ? 0 : phases(), isLost, lostDown: [], heard: -1 };
    });
  }

  /** Sends a tick to a client; ticks come in order from 0. Whether it will arrive. */
  send(client: number, tick: number): boolean {
    const { lostDown, isLost } = this.#of(client);
    const lost = isLost();
    lostDown[tick] = lost;
    return !lost;
  }

  /** What the server learns of a client before it sends this tick, if anything. */
  acknowledged(client: number, tick: number): Acknowledged | undefined {
    const state = this.#of(client);
    const upTo = Math.floor(tick - this.#oneWay - state.phase);
    let found: Acknowledged | undefined;
    while (state.heard < upTo) {
      state.heard++;
      if (state.isLost()) continue;
      found = this.#said(state, Math.floor(state.heard + state.phase - this.#oneWay)) ?? found;
    }
    return found;
  }

  #said({ lostDown }: Client, arrivedUpTo: number): Acknowledged | undefined {
    let newest = arrivedUpTo;
    while (newest >= 0 && lostDown[newest] === true) newest--;
    if (newest < 0) return undefined;
    let before = 0;
    for (let i = 0; i < 32; i++) {
      const tick = newest - 1 - i;
      if (tick >= 0 && lostDown[tick] === false) before |= 1 << i;
    }
    return { newest, before: before >>> 0 };
  }

  #of(client: number): Client {
    const state = this.#clients[client];
    if (!state) throw new Error(`there is no client ${client}`);
    return state;
  }
}

/** The newest tick that a client has, and bit i for the tick i + 1 before it. */
export interface Acknowledged {
  readonly newest: number;
  readonly before: number;
}

interface Client {
  /** How far its ticks lie after the server's, of a tick. */
  readonly phase: number;
  readonly isLost: () => boolean;
  readonly lostDown: boolean[];
  /** The last tick of the client's that came or would have. */
  heard: number;
}
