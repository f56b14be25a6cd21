/** Longest name that is compared; what is longer is no slip of the finger. */
const MAX_LENGTH = 64;

/**
 * The name a person probably meant: the one of `names` with the fewest letters changed, added, left out or
 * swapped, if at most a third of its letters differ. Upper and lower case count as the same.
 *
 * @example closest("htpPort", ["httpPort", "tcpPort"]) // "httpPort"
 */
export function closest(given: string, names: Iterable<string>): string | undefined {
  if (given.length > MAX_LENGTH) return undefined;
  let best: string | undefined;
  let fewest = Number.POSITIVE_INFINITY;
  for (const name of names) {
    const count = differences(given.toLowerCase(), name.toLowerCase());
    if (count < fewest && count <= Math.max(1, Math.floor(name.length / 3))) {
      fewest = count;
      best = name;
    }
  }
  return best;
}

/** ` Did you mean "x"?`, or nothing. */
export function didYouMean(given: string, names: Iterable<string>): string {
  const name = closest(given, names);
  return name === undefined ? "" : ` Did you mean ${name}?`;
}

/** Optimal string alignment distance. */
function differences(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      let least = Math.min(at(last, j) + 1, at(row, j - 1) + 1, at(last, j - 1) + (isSame ? 0 : 1));
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) least = Math.min(least, at(beforeLast, j - 2) + 1);
      row.push(least);
    }
    beforeLast = last;
    last = row;
  }
  return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
