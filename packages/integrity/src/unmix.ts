import { IntegrityFailure } from "./failure.ts";
import { agreement, describeBytes } from "./stamp.ts";

/** How many bytes before a change of stream may agree with both by chance. */
const CHANCE_BYTES = 8;
/** How many bytes behind those are looked at to see which stream goes on here. */
const PROOF_BYTES = 12;
/** How far a wrong guess can lie back, in bytes, and how many guesses are tried again. */
const MOST_BACK_BYTES = 4096;
const MOST_DEAD_ENDS = 500;

/** A stream that is mixed with others. */
export interface Mixed {
  readonly stream: number;
  /** It has no more bytes than these. Default: no limit. */
  readonly most?: number;
}

/** Which stream goes on, from how many bytes before the place where the one before no longer agrees. */
interface Guess {
  readonly index: number;
  readonly back: number;
  readonly proof: number;
}

/** A place where the stream changes, and how it may go on. */
interface Change {
  readonly at: number;
  readonly counts: readonly number[];
  readonly current: number;
  readonly guesses: Guess[];
}

/**
 * Takes apart what several streams have sent over one connection, each in order from its first byte on, but
 * mixed at any byte.
 *
 * @returns how many bytes of each stream came.
 * @throws IntegrityFailure if no way of taking it apart explains every byte.
 */
export function unmix(received: Uint8Array, streams: readonly Mixed[]): Map<number, number> {
  let counts: readonly number[] = streams.map(() => 0);
  let at = 0;
  let current = -1;
  let run = 0;
  let deadEnds = 0;
  let furthest: Change = { at: 0, counts, current, guesses: [] };
  const changes: Change[] = [];
  const agreeing = (index: number, from: number, to: number): number => {
    const mixed = streams[index];
    if (mixed === undefined) return 0;
    const had = counts[index] ?? 0;
    const left = (mixed.most ?? Number.POSITIVE_INFINITY) - had;
    return agreement(received.subarray(from, Math.min(to, from + left)), mixed.stream, had);
  };
  const add = (index: number, bytes: number): void => {
    counts = counts.map((count, i) => (i === index ? count + bytes : count));
  };
  for (;;) {
    const count = agreeing(current, at, received.length);
    add(current, count);
    run += count;
    at += count;
    if (at === received.length) return new Map(streams.map(({ stream }, i) => [stream, counts[i] ?? 0]));
    const guesses: Guess[] = [];
    for (let back = 0; back <= Math.min(CHANCE_BYTES, run); back += 1) {
      for (let index = 0; index < streams.length; index += 1) {
        if (index === current) continue;
        const proof = agreeing(index, at - back, at + PROOF_BYTES) - back;
        if (proof > 0) guesses.push({ index, back, proof });
      }
    }
    guesses.sort((a, b) => a.proof - b.proof);
    const change: Change = { at, counts, current, guesses };
    if (at >= furthest.at) furthest = change;
    changes.push(change);
    // The best guess of the latest change that has one left.
    let guess: Guess | undefined;
    for (;;) {
      const latest = changes.at(-1);
      if (latest === undefined || deadEnds > MOST_DEAD_ENDS || furthest.at - latest.at > MOST_BACK_BYTES)
        break;
      guess = latest.guesses.pop();
      if (guess !== undefined) {
        ({ at, counts, current } = latest);
        break;
      }
      deadEnds += 1;
      changes.pop();
    }
    if (guess === undefined) break;
    add(current, -guess.back);
    at -= guess.back;
    current = guess.index;
    run = 0;
  }
  const states = streams.map(({ stream }, i) => `${stream} at ${furthest.counts[i]}`).join(", ");
  const found = describeBytes(received.subarray(furthest.at, furthest.at + 64));
  throw new IntegrityFailure(
    `after ${furthest.at} bytes came ${found}; what may come next: streams ${states}`,
  );
}
