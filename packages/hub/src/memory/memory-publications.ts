import type { StoredPublication } from "@zocalo/protocol";
import { type Cells, HEAD, type Ref } from "./cells.ts";
import { Content, sizeOf } from "./content.ts";
import { hash, HashIndex } from "./hash-index.ts";
import type { NewPublication } from "../engine/engine.ts";

/** The words of a publication. Its content is user, info and data. */
const NEXT = HEAD.fields;
/** Whose memory it takes; 0: of nobody who has a limit. */
const HOLDER = HEAD.fields + 1;
/** The codes of the texts. */
const USER = HEAD.fields + 2;
const INFO = HEAD.fields + 3;
const DATA = HEAD.fields + 4;
const JSON_BYTES = HEAD.fields + 5;
/** Numbers, of two words, the first of which is even. */
const OFFSET = HEAD.fields + 6;
const AT = HEAD.fields + 8;
/** Uptime. */
const CAME_AT = HEAD.fields + 10;
const LOG = HEAD.fields + 12;
const CONTENT = HEAD.fields + 13;

/** Of so many publications one is in the index. */
const STRIDE = 16;

const content = new Content();

/** A moment: `wall` is stored and shown, all ages are differences of `uptime`. */
export type Moment = Readonly<Record<"wall" | "uptime", number>>;

/** What a publication says, as it is kept. */
export interface Staged {
  readonly user: number;
  readonly info: number;
  readonly data: number;
  readonly jsonBytes: number;
}

/** The last offset up to this one that is in the index. */
export function indexedBefore(offset: number): number {
  return offset - (offset % STRIDE);
}

/** The publications of all logs, each of which links its own. */
export class MemoryPublications {
  readonly #cells: Cells;
  readonly #index: HashIndex;

  constructor(cells: Cells) {
    this.#cells = cells;
    this.#index = new HashIndex(cells);
  }

  /**
   * Reads what a publication says, for `add`.
   *
   * @throws TypeError for what is no text
   */
  stage({ user, info, data }: NewPublication): Staged {
    const userCode = content.clear().put(user);
    const userBytes = content.utf8Length;
    const infoCode = content.put(info);
    const dataCode = content.put(data);
    return { user: userCode, info: infoCode, data: dataCode, jsonBytes: content.utf8Length - userBytes };
  }

  /**
   * Adds what was staged last.
   *
   * @param holder whose memory it takes; 0: of nobody who has a limit
   */
  add(
    log: Ref,
    offset: number,
    { user, info, data, jsonBytes }: Staged,
    holder: Ref,
    { wall, uptime }: Moment,
  ): Ref {
    const cells = this.#cells;
    const ref = cells.add(CONTENT, content);
    cells.setWord(ref, HOLDER, holder);
    cells.setWord(ref, USER, user);
    cells.setWord(ref, INFO, info);
    cells.setWord(ref, DATA, data);
    cells.setWord(ref, JSON_BYTES, jsonBytes);
    cells.setNumber(ref, OFFSET, offset);
    cells.setNumber(ref, AT, wall);
    cells.setNumber(ref, CAME_AT, uptime);
    cells.setWord(ref, LOG, log);
    if (offset % STRIDE === 0) this.#index.add(ref, hashOf(log, offset));
    return ref;
  }

  remove(ref: Ref): void {
    if (this.offset(ref) % STRIDE === 0) this.#index.remove(ref);
    this.#cells.remove(ref);
  }

  /** The next newer one of its log; 0: it is the newest. */
  next(ref: Ref): Ref {
    return this.#cells.word(ref, NEXT);
  }

  setNext(ref: Ref, next: Ref): void {
    this.#cells.setWord(ref, NEXT, next);
  }

  holder(ref: Ref): Ref {
    return this.#cells.word(ref, HOLDER);
  }

  offset(ref: Ref): number {
    return this.#cells.number(ref, OFFSET);
  }

  /** When it came, as uptime. */
  cameAt(ref: Ref): number {
    return this.#cells.number(ref, CAME_AT);
  }

  /** What it says beside its user, as UTF-8. */
  jsonBytes(ref: Ref): number {
    return this.#cells.word(ref, JSON_BYTES);
  }

  /** The one with this offset, which is in the index. */
  find(log: Ref, offset: number): Ref {
    let ref = this.#index.first(hashOf(log, offset));
    while (this.#cells.word(ref, LOG) !== log || this.offset(ref) !== offset) ref = this.#index.after(ref);
    return ref;
  }

  read(ref: Ref): StoredPublication {
    const cells = this.#cells;
    const user = cells.word(ref, USER);
    const info = cells.word(ref, INFO);
    const data = cells.word(ref, DATA);
    cells.read(ref, CONTENT, content.expect(sizeOf(user) + sizeOf(info) + sizeOf(data)));
    return {
      offset: this.offset(ref),
      at: cells.number(ref, AT),
      user: content.take(user) as string,
      info: content.take(info) as string | undefined,
      data: content.take(data) ?? "",
    };
  }
}

const nothing = new Int32Array(0);

function hashOf(log: Ref, offset: number): number {
  return hash(log, offset / STRIDE, nothing, 0);
}
