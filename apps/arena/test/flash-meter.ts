/** A change of less relative luminance is none, and above this brightness none counts (WCAG 2.3.1). */
const LEAST_CHANGE = 0.1;
const DARKER_BELOW = 0.8;
/** Ten degrees of the view of a screen of 1024 × 768, in CSS pixels, as WCAG reckons it. */
const FIELD = { width: 341, height: 256 };
/** More than three flashes, each a pair of opposing changes, in a second. */
const MOST_CHANGES = 6;

/**
 * Counts flashes in a film of relative luminance, as WCAG 2.3.1 says. It is stricter: WCAG asks whether a
 * quarter of the field flashes together, and here each cell counts that flashes at any time of the second.
 */
export class FlashMeter {
  /** The largest share of ten degrees of the view that flashed more than three times in a second. */
  worstShare = 0;
  /** The most opposing changes of one cell in a second. */
  mostChanges = 0;
  readonly #columns: number;
  readonly #rows: number;
  readonly #field: { readonly columns: number; readonly rows: number };
  /** Brightest while a cell rises, darkest while it falls; and which of them: 1, -1, or 0 at first. */
  readonly #extreme: Float32Array;
  readonly #direction: Int8Array;
  readonly #changes: Uint8Array;
  /** Those of each frame of the last second. */
  readonly #second: readonly Uint8Array[];
  readonly #sums: Float64Array;
  #frames = 0;

  /** @param cellPx CSS pixels of a cell's side. */
  constructor(columns: number, rows: number, cellPx: number, framesPerSecond: number) {
    this.#columns = columns;
    this.#rows = rows;
    const cells = columns * rows;
    this.#field = {
      columns: Math.min(columns, Math.round(FIELD.width / cellPx)),
      rows: Math.min(rows, Math.round(FIELD.height / cellPx)),
    };
    this.#extreme = new Float32Array(cells);
    this.#direction = new Int8Array(cells);
    this.#changes = new Uint8Array(cells);
    this.#second = Array.from({ length: framesPerSecond }, () => new Uint8Array(cells));
    this.#sums = new Float64Array((columns + 1) * (rows + 1));
  }

  /** The next frame. @param luminance of each cell, relative, 0 to 1. */
  frame(luminance: Float32Array): void {
    const now = this.#second[this.#frames % this.#second.length];
    if (now === undefined) return;
    for (let i = 0; i < luminance.length; i++) {
      const changed = this.#frames === 0 ? this.#begin(i, luminance) : this.#changedTo(i, luminance[i] ?? 0);
      const sum = (this.#changes[i] ?? 0) - (now[i] ?? 0) + changed;
      now[i] = changed;
      this.#changes[i] = sum;
      if (sum > this.mostChanges) this.mostChanges = sum;
    }
    this.#frames++;
    this.worstShare = Math.max(this.worstShare, this.#shareNow());
  }

  #begin(i: number, luminance: Float32Array): 0 {
    this.#extreme[i] = luminance[i] ?? 0;
    return 0;
  }

  /** @returns 1 if the cell has turned by enough. */
  #changedTo(i: number, value: number): 0 | 1 {
    const extreme = this.#extreme[i] ?? 0;
    const direction = this.#direction[i] ?? 0;
    const goesOn = direction > 0 ? value >= extreme : direction < 0 && value <= extreme;
    if (goesOn) {
      this.#extreme[i] = value;
      return 0;
    }
    if (Math.abs(value - extreme) < LEAST_CHANGE || Math.min(value, extreme) >= DARKER_BELOW) return 0;
    this.#extreme[i] = value;
    this.#direction[i] = value > extreme ? 1 : -1;
    return 1;
  }

  /** By sums over rectangles from the corner: each field is four of them. */
  #shareNow(): number {
    const [columns, rows, sums] = [this.#columns, this.#rows, this.#sums];
    const wide = columns + 1;
    for (let y = 1; y <= rows; y++) {
      let row = 0;
      for (let x = 1; x <= columns; x++) {
        if ((this.#changes[(y - 1) * columns + x - 1] ?? 0) > MOST_CHANGES) row++;
        sums[y * wide + x] = (sums[(y - 1) * wide + x] ?? 0) + row;
      }
    }
    const { columns: across, rows: down } = this.#field;
    let most = 0;
    for (let y = down; y <= rows; y++) {
      for (let x = across; x <= columns; x++) {
        const inside =
          (sums[y * wide + x] ?? 0) -
          (sums[(y - down) * wide + x] ?? 0) -
          (sums[y * wide + x - across] ?? 0) +
          (sums[(y - down) * wide + x - across] ?? 0);
        most = Math.max(most, inside);
      }
    }
    return most / (across * down);
  }
}

/** Relative luminance of sRGB, by value of 0 to 255. */
const LINEAR = Float32Array.from({ length: 256 }, (_, i) => {
  const share = i / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
});

/** @param pixels red, green, blue and alpha of each cell. */
export function luminanceOf(pixels: Uint8ClampedArray, into: Float32Array): Float32Array {
  for (let i = 0; i < into.length; i++) {
    const [red = 0, green = 0, blue = 0] = [pixels[4 * i], pixels[4 * i + 1], pixels[4 * i + 2]];
    into[i] = 0.2126 * (LINEAR[red] ?? 0) + 0.7152 * (LINEAR[green] ?? 0) + 0.0722 * (LINEAR[blue] ?? 0);
  }
  return into;
}
