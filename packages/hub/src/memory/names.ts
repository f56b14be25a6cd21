import { type Cells, HEAD, type Ref } from "./cells.ts";
import { Content } from "./content.ts";
import { hash, HashIndex } from "./hash-index.ts";

/** The word of a record that has the code of its name, which is its content. */
export const NAME = HEAD.fields;
/** Where its other fields begin. */
export const AFTER_NAME = NAME + 1;

const name = new Content();

/** Records that are found by a name: each is of another record, or of none. */
export class Names {
  readonly #cells: Cells;
  readonly #index: HashIndex;
  readonly #content: number;
  readonly #of: number | undefined;

  /**
   * @param content the word at which the name begins
   * @param of the word that says of which record it is; unset: of none
   */
  constructor(cells: Cells, content: number, of?: number) {
    this.#cells = cells;
    this.#index = new HashIndex(cells);
    this.#content = content;
    this.#of = of;
  }

  get size(): number {
    return this.#index.size;
  }

  /** 0 if there is none. */
  find(text: string, of: Ref = 0): Ref {
    const code = name.clear().put(text);
    let ref = this.#index.first(hashOf(of, code));
    while (ref !== 0 && !this.#is(ref, code, of)) ref = this.#index.after(ref);
    return ref;
  }

  /** Adds one, which must not be there. Its other fields are 0. */
  add(text: string, of: Ref = 0): Ref {
    const code = name.clear().put(text);
    const ref = this.#cells.add(this.#content, name);
    this.#cells.setWord(ref, NAME, code);
    if (this.#of !== undefined) this.#cells.setWord(ref, this.#of, of);
    this.#index.add(ref, hashOf(of, code));
    return ref;
  }

  remove(ref: Ref): void {
    this.hide(ref);
    this.#cells.remove(ref);
  }

  /** It is not found any more, and its name may be added again: its record is there until it is removed. */
  hide(ref: Ref): void {
    this.#index.remove(ref);
  }

  #is(ref: Ref, code: number, of: Ref): boolean {
    if (this.#cells.word(ref, NAME) !== code) return false;
    if (this.#of !== undefined && this.#cells.word(ref, this.#of) !== of) return false;
    return this.#cells.holds(ref, this.#content, name);
  }
}

function hashOf(of: Ref, code: number): number {
  return hash(of, code, name.words, (name.length + 3) >> 2);
}
