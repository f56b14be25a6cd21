import { onceAborted } from "./abort-listeners.ts";
import { rejection, told } from "./told.ts";

let resolveLast: ((value: unknown) => void) | undefined;

/**
 * One function for all promises of waiters: a closure for each is 3 % of an iterated datagram (bench: udp).
 */
function keepResolve(resolve: (value: unknown) => void): void {
  resolveLast = resolve;
}

/**
 * A call that waits. It settles once: by what it waits for, or by its signal. A subclass adds what must be
 * known of the call meanwhile.
 */
export class Waiter<T = void, R = T> {
  /** What the caller is given. Who does not await it is told of a failure by the next call, see `told`. */
  readonly promise: Promise<R>;
  /** Who stands behind it; the business of `Waiters`. */
  next: this | undefined = undefined;
  /** Who stands before it. */
  previous: this | undefined = undefined;
  readonly #answer: (value: T) => R | Promise<R>;
  /** Until it settles. */
  #resolve: ((value: unknown) => void) | undefined;
  #forgetSignal: (() => void) | undefined = undefined;

  /** @param answer makes of what came what the call gives; what it throws rejects. */
  constructor(answer: (value: T) => R | Promise<R>) {
    this.promise = new Promise(keepResolve) as Promise<R>;
    this.#resolve = resolveLast;
    resolveLast = undefined; // It would keep what the promise comes to.
    this.#answer = answer;
  }

  /** What it waits for has come. Does nothing if it has settled. */
  resolve(value: T): void {
    const resolve = this.#settle();
    if (resolve === undefined) return;
    try {
      resolve(this.#answer(value));
    } catch (error) {
      this.#fail(resolve, error);
    }
  }

  /** It will not come. Does nothing if it has settled. */
  reject(reason: unknown): void {
    const resolve = this.#settle();
    if (resolve !== undefined) this.#fail(resolve, reason);
  }

  /** True once nothing that comes changes what the caller is given. */
  get isSettled(): boolean {
    return this.#resolve === undefined;
  }

  /** Rejects with what `canceled` gives when the signal is aborted, and has settled when that is asked. */
  endWith(signal: AbortSignal, canceled: (signal: AbortSignal) => Error): void {
    this.#forgetSignal = onceAborted(signal, () => {
      const resolve = this.#settle();
      if (resolve !== undefined) this.#fail(resolve, canceled(signal));
    });
  }

  #settle(): ((value: unknown) => void) | undefined {
    const resolve = this.#resolve;
    this.#resolve = undefined;
    this.#forgetSignal?.();
    return resolve;
  }

  /** By a rejected promise: the function for it would wait, and take memory, as long as the other one. */
  #fail(resolve: (value: unknown) => void, reason: unknown): void {
    void told(this.promise);
    resolve(rejection(reason));
  }
}

/** Calls that wait for the same, in the order in which they came. */
export class Waiters<W extends Waiter<never, unknown> = Waiter> {
  #first: W | undefined;
  #last: W | undefined;

  get first(): W | undefined {
    return this.#first;
  }

  get last(): W | undefined {
    return this.#last;
  }

  /**
   * Puts a call behind the others.
   *
   * @param signal takes it out again; `canceled` then makes the error, and is asked when it is out.
   */
  add<A extends W>(waiter: A, signal?: AbortSignal, canceled?: (signal: AbortSignal) => Error): A {
    const added: W = waiter;
    added.previous = this.#last;
    if (this.#last === undefined) this.#first = added;
    else this.#last.next = added;
    this.#last = added;
    if (signal !== undefined && canceled !== undefined) {
      waiter.endWith(signal, (by) => {
        this.delete(waiter);
        return canceled(by);
      });
    }
    return waiter;
  }

  /** Takes out who has waited longest. */
  shift(): W | undefined {
    const first = this.#first;
    if (first !== undefined) this.delete(first);
    return first;
  }

  /** True if the call was among them. Thousands may be canceled at once, so nobody is searched for. */
  delete(waiter: W): boolean {
    const { previous, next } = waiter;
    if (previous === undefined && this.#first !== waiter) return false;
    if (previous === undefined) this.#first = next;
    else previous.next = next;
    if (next === undefined) this.#last = previous;
    else next.previous = previous;
    waiter.previous = undefined;
    waiter.next = undefined;
    return true;
  }

  /** Takes all of them out. */
  takeAll(): W[] {
    const all = [...this];
    this.#first = undefined;
    this.#last = undefined;
    for (const each of all) {
      each.previous = undefined;
      each.next = undefined;
    }
    return all;
  }

  /** From the first to the last. */
  *[Symbol.iterator](): Generator<W, void, undefined> {
    for (let each = this.#first; each !== undefined; each = each.next) yield each;
  }
}

/** Of a waiter that gives what came. */
export function asItIs<T>(value: T): T {
  return value;
}

/** Of a waiter that is an iterator's `next`; `null` ends the iteration. */
export function asIteratorResult<T>(value: T | null): IteratorResult<T, undefined> {
  return value === null ? { done: true, value: undefined } : { done: false, value };
}
