import { ProtocolError } from "@zocalo/protocol";
import { contentMemory } from "../primitives/text-memory.ts";
import type { Answer, Request } from "./messages.ts";

/** Requests of one batch at most, and about how many bytes of them: one commit is for all. */
export const BATCH_REQUESTS = 128;
const BATCH_BYTES = 1_048_576;
/** What a request takes while it waits, beside its texts, about, in bytes. */
const REQUEST_OVERHEAD = 512;
/** How much of what may wait may be of one address. */
const SHARE = 0.25;

export interface Waiting {
  readonly request: Request;
  readonly bytes: number;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

/**
 * What is asked of the store and not answered, in order. It is counted in bytes, of all and of each address,
 * so that none takes all there may be.
 */
export class WaitingRequests {
  readonly #most: number;
  #queue: Waiting[] = [];
  /** In bytes, as what follows; what is under way included. */
  #all = 0;
  readonly #byAddress = new Map<string, number>();

  /** @param most bytes that may wait */
  constructor(most: number) {
    this.#most = most;
  }

  /**
   * Adds one, and gives its answer.
   *
   * @param texts what it has, to be counted
   * @param hasToBe however much waits
   * @throws ProtocolError `unavailable` if too much waits; one alone may always, however much it is
   */
  add(request: Request, texts: readonly (string | Uint8Array)[], hasToBe: boolean): Promise<Answer> {
    let bytes = REQUEST_OVERHEAD;
    for (const text of texts) bytes += contentMemory(text);
    if (!hasToBe && !this.#hasRoom(bytes, addressOf(request))) {
      throw new ProtocolError("unavailable", "too much waits to be committed and read");
    }
    const answer = new Promise<Answer>((resolve, reject) => {
      this.#queue.push({ request, bytes, resolve, reject });
    });
    this.#count(bytes, addressOf(request));
    return answer;
  }

  /** Takes the next batch; empty if nothing waits. */
  next(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const waiting of this.#queue) {
      if (count === BATCH_REQUESTS || (count > 0 && bytes + waiting.bytes > BATCH_BYTES)) break;
      bytes += waiting.bytes;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  /** So many of a batch have their answers, and are given. The rest waits again, before all else. */
  answered(batch: readonly Waiting[], count: number): readonly Waiting[] {
    this.#queue.unshift(...batch.slice(count));
    const done = batch.slice(0, count);
    for (const { bytes, request } of done) this.#count(-bytes, addressOf(request));
    return done;
  }

  #hasRoom(bytes: number, address: string | undefined): boolean {
    const own = address === undefined ? 0 : (this.#byAddress.get(address) ?? 0);
    return isWithin(this.#most, this.#all, bytes) && isWithin(this.#most * SHARE, own, bytes);
  }

  #count(bytes: number, address: string | undefined): void {
    this.#all += bytes;
    if (address === undefined) return;
    const own = (this.#byAddress.get(address) ?? 0) + bytes;
    if (own > 0) this.#byAddress.set(address, own);
    else this.#byAddress.delete(address);
  }
}

function isWithin(most: number, waiting: number, bytes: number): boolean {
  return waiting === 0 || waiting + bytes <= most;
}

/** Whose publication it is; nothing of what is read, of which little waits for one address. */
function addressOf(request: Request): string | undefined {
  return request.kind === "publish" ? request.publication.address : undefined;
}
