import { RING } from "./ring.ts";

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
