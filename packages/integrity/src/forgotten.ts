import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { inspect } from "node:util";

/** What calls are made on, and how it ends. */
export interface Subject<T> {
  readonly object: T;
  /** The other end resets, or what it stands on breaks. */
  broken?(): void;
  /** This end ends it at once. */
  aborted(): void;
  tidy?(): PromiseLike<unknown>;
}

/** A call that gives a promise. One that can be canceled has two parameters. */
export type Call<T> = (object: T, options?: { readonly signal?: AbortSignal }) => PromiseLike<unknown>;

/** A kind of object whose promises nobody need wait for. */
export interface Kind<T> {
  make(): Promise<Subject<T>>;
  /** Methods and properties that give promises. */
  readonly calls: Readonly<Record<string, Call<T>>>;
  /** What else the object has that can be called. */
  readonly others: readonly string[];
  /** Those of `calls` that reject in none of the situations. */
  readonly neverReject?: readonly string[];
}

/** As `callable` names them. */
export const DISPOSE: string = String(Symbol.asyncDispose);
/** Gives an iterator. Its `next` is called by `for await`, which waits. */
export const ITERATE: string = String(Symbol.asyncIterator);

/** Everything that can be called, and every property that is a promise, those of the prototypes included. */
function callable(object: object): string[] {
  const names = new Set<string>();
  for (let at: object = object; at !== Object.prototype; at = Object.getPrototypeOf(at) as object) {
    for (const key of Reflect.ownKeys(at)) {
      if (key === "constructor") continue;
      const value: unknown = Reflect.get(object, key);
      if (typeof value === "function" || value instanceof Promise) names.add(String(key));
    }
  }
  return [...names].sort();
}

/**
 * Makes the call and lets it fail. Gives the promise, of which nobody has asked anything; `undefined` if the
 * situation cannot be.
 */
type Situation = <T>(subject: Subject<T>, call: Call<T>) => PromiseLike<unknown> | undefined;

const situations: Readonly<Record<string, Situation>> = {
  "the other end resets": (subject, call) => {
    if (subject.broken === undefined) return undefined;
    const promise = call(subject.object);
    subject.broken();
    return promise;
  },
  "aborted by this end": (subject, call) => {
    const promise = call(subject.object);
    subject.aborted();
    return promise;
  },
  "called when it is over": (subject, call) => {
    subject.aborted();
    return call(subject.object);
  },
  canceled: (subject, call) => {
    if (call.length < 2) return undefined;
    const controller = new AbortController();
    const promise = call(subject.object, { signal: controller.signal });
    controller.abort();
    return promise;
  },
  "canceled before": (subject, call) =>
    call.length < 2 ? undefined : call(subject.object, { signal: AbortSignal.abort() }),
};

/** What became of a call that was made in each situation, and forgotten. */
interface Forgotten {
  /** In how many situations it has rejected. */
  readonly rejections: number;
  /** Rejections that would have ended the process. */
  readonly unhandled: readonly { readonly situation: string; readonly reason: unknown }[];
}

/** Makes the call in each situation without waiting for what it gives. No other test may run meanwhile. */
async function forgotten<T>(kind: Pick<Kind<T>, "make">, call: Call<T>): Promise<Forgotten> {
  const unhandled: { situation: string; reason: unknown }[] = [];
  let rejections = 0;
  for (const [situation, happen] of Object.entries(situations)) {
    const note = (reason: unknown): void => void unhandled.push({ situation, reason });
    const subject = await kind.make();
    process.on("unhandledRejection", note);
    const promise = happen(subject, call);
    if (promise !== undefined && (await hasRejected(promise))) rejections++;
    subject.aborted();
    await subject.tidy?.();
    await turn();
    process.off("unhandledRejection", note);
  }
  return { rejections, unhandled };
}

/**
 * Tests that nobody need wait for any of the promises that such an object gives, and that the table of them
 * is whole.
 */
export function testForgotten<T extends object>(name: string, kind: Kind<T>): void {
  const { calls, others, neverReject = [] } = kind;
  describe(name, () => {
    test("the table has every method", async () => {
      const subject = await kind.make();
      const methods = callable(subject.object);
      subject.aborted();
      await subject.tidy?.();
      assert.deepEqual(methods, [...Object.keys(calls), ...others].sort());
    });

    for (const [method, call] of Object.entries(calls)) {
      test(`nobody need wait for ${method}`, { timeout: 300_000 }, async () => {
        const { rejections, unhandled } = await forgotten(kind, call);
        assert.deepEqual(unhandled, []);
        // Or nothing would have been seen here.
        assert.equal(rejections > 0, !neverReject.includes(method), `${method} rejected ${rejections} times`);
      });
    }
  });
}

/**
 * Waits until `promise` has settled without asking it, which would be to handle it. True if it has rejected.
 */
async function hasRejected(promise: PromiseLike<unknown>): Promise<boolean> {
  const is = (state: string): boolean =>
    new RegExp(`^Promise \\{\\s*<${state}>`).test(inspect(promise, { depth: 0 }));
  while (is("pending")) await turn();
  for (let turns = 0; turns < 3; turns++) await turn();
  return is("rejected");
}
