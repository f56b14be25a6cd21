/**
 * Lists that most connections never need, and then mostly for one entry: none of its own for an empty one,
 * and room for one, where `push` on an empty array makes room for seventeen.
 */

/**
 * The empty list of everybody. Only ever read, shifted and spliced, which leave it empty: `added` puts
 * nothing into it.
 */
export const EMPTY: never[] = [];

/** The list with `item` at its end; it is the same list unless that was empty. */
export function added<T>(list: T[], item: T): T[] {
  if (list.length === 0) return [item];
  list.push(item);
  return list;
}
