import type { Promised } from "./history.ts";
import { Texts } from "./texts.ts";

/** The word was broken. */
export class Broken extends Error {}

export function check(isKept: boolean, sentence: () => string): void {
  if (!isKept) throw new Broken(sentence());
}

interface Log {
  readonly texts: Map<number, string>;
  readonly places: Map<string, number>;
}

/** What is known of a channel. */
interface Known {
  /** When each publish, again or not, was begun. */
  readonly begun: number[];
  /** When a text was published first. Each is published by one. */
  readonly begunAt: Map<string, number>;
  /** When the log was lost. */
  readonly losses: number[];
  /** By epoch. */
  readonly logs: Map<string, Log>;
}

/** What all histories together say: one publication for each offset, one offset for each publication. */
export class Facts {
  readonly #promisedOf: (channel: string) => Promised;
  readonly #channels = new Map<string, Known>();
  readonly texts = new Texts();

  constructor(promisedOf: (channel: string) => Promised) {
    this.#promisedOf = promisedOf;
  }

  invoked(channel: string, text: string, at: number): void {
    const { begun, begunAt } = this.#known(channel);
    begun.push(at);
    this.texts.add(text);
    if (!begunAt.has(text)) begunAt.set(text, at);
  }

  lost(channel: string, at: number): void {
    this.#known(channel).losses.push(at);
  }

  /** Somebody was told of an epoch. */
  epoch(channel: string, epoch: string): Log {
    const { logs, losses } = this.#known(channel);
    const known = logs.get(epoch);
    if (known !== undefined) return known;
    const log = { texts: new Map<number, string>(), places: new Map<string, number>() };
    logs.set(epoch, log);
    const most = 1 + losses.length;
    check(
      logs.size <= most,
      () => `reset: ${channel} has ${logs.size} epochs, and was lost ${losses.length} times`,
    );
    return log;
  }

  /** Somebody was told that this publication stands there. */
  stands(channel: string, epoch: string, offset: number, text: string): void {
    const { texts, places } = this.epoch(channel, epoch);
    const log = (): string => `${channel} ${epoch}`;
    check(this.#known(channel).begunAt.has(text), () => `content: nobody published ${text} in ${channel}`);
    const known = texts.get(offset) ?? text;
    check(known === text, () => `content: ${log()} ${offset} is ${known} to one and ${text} to another`);
    texts.set(offset, text);
    const place = places.get(text) ?? offset;
    check(place === offset, () => `twice: ${text} stands at ${place} and at ${offset} of ${log()}`);
    places.set(text, offset);
  }

  /** Somebody was told that these cannot be had. Only when all has been learned. */
  gap(channel: string, epoch: string, from: number, to: number, at: number): void {
    const { publications, ttlMs } = this.#promisedOf(channel);
    const { begun, begunAt, logs, losses } = this.#known(channel);
    const beginning = (offset: number): number | undefined => {
      const text = logs.get(epoch)?.texts.get(offset);
      return text === undefined ? undefined : begunAt.get(text);
    };
    const since = beginning(to) ?? 0;
    if (at - since >= ttlMs) return;
    // It was lost with its whole log, which is told next.
    if (losses.some((time) => time >= since && time <= at)) return;
    // The one that drove it out was begun before.
    const driver = beginning(to + publications);
    const most = begun.filter((time) => time <= at).length;
    const couldBe = driver === undefined ? to + publications <= most : driver <= at;
    check(
      couldBe,
      () => `gap: ${channel} ${epoch} ${from} to ${to} were said to be lost, and should be kept`,
    );
  }

  /** A reset needs a loss before it. */
  reset(channel: string, at: number): void {
    const wasLost = this.#known(channel).losses.some((time) => time <= at);
    check(wasLost, () => `reset: ${channel} was told to be lost, and was not`);
  }

  /** The highest offset of an epoch that anybody was told of. */
  highest(channel: string, epoch: string): number {
    let highest = 0;
    for (const offset of this.epoch(channel, epoch).texts.keys()) highest = Math.max(highest, offset);
    return highest;
  }

  #known(channel: string): Known {
    const known = this.#channels.get(channel) ?? {
      begun: [],
      begunAt: new Map(),
      losses: [],
      logs: new Map(),
    };
    this.#channels.set(channel, known);
    return known;
  }
}
