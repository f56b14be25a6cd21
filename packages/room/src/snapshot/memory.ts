import { RING } from "./ring.ts";

/** What has nothing in it takes no memory in each of a thousand idle rooms. */
export const NO_INTEGERS = new Int32Array(0);
export const NO_NUMBERS = new Uint32Array(0);
export const NO_BYTES = new Uint8Array(0);

/** How long an array of `length` becomes that has to hold `needed`. */
export function grown(length: number, needed: number): number {
  return Math.max(8, needed, length + (length >> 1));
}

/** `to`, which begins as what is in `from`. */
export function regrown<A extends Int32Array | Uint32Array | Uint8Array>(from: A, to: A): A {
  to.set(from);
  return to;
}

/** Copies the columns of a ring into one whose columns are longer. */
export function spread<A extends Int32Array | Uint8Array>(from: A, width: number, to: A, wider: number): A {
  for (let place = 0; place < RING; place++) {
    to.set(from.subarray(place * width, (place + 1) * width), place * wider);
  }
  return to;
}
