/** How long an answer is waited for where there are no Web Locks, in milliseconds. */
const ANSWER_MS = 500;

interface Word {
  readonly id: string;
  readonly is: "new" | "here" | "over";
}

/**
 * Knows which sessions of one store are over, in whatever tab. Each holds a Web Lock as long as it lives, so
 * that a crash ends it, too. Where there are none (a page that came over plain http), sessions that do not
 * answer count as over.
 */
export class RollCall {
  readonly #id: string;
  readonly #name: string;
  readonly #over: (id: string) => void;
  readonly #living = new Set<string>();
  readonly #ending = new AbortController();
  readonly #locks = globalThis.navigator?.locks as LockManager | undefined;
  #channel: BroadcastChannel | undefined;

  /** @param over is told of each session that ends later */
  constructor(name: string, id: string, over: (id: string) => void) {
    this.#name = name;
    this.#id = id;
    this.#over = over;
  }

  /** Resolves when others can tell that this one lives. */
  async begin(): Promise<void> {
    await this.#hold();
    if (typeof BroadcastChannel === "function") {
      this.#channel = new BroadcastChannel(this.#name);
      this.#channel.onmessage = ({ data }: MessageEvent<Word>) => this.#heard(data);
      this.#say("new");
    }
    if (this.#locks !== undefined) return;
    globalThis.addEventListener?.("pagehide", this.#leave);
    await new Promise((resolve) => setTimeout(resolve, ANSWER_MS));
  }

  /** Which of these are over. Of the others is told when they are. */
  async areOver(ids: readonly string[]): Promise<readonly string[]> {
    const locks = this.#locks;
    if (locks === undefined) return ids.filter((id) => !this.#living.has(id));
    const over: string[] = [];
    for (const id of ids) {
      const isFree = await locks.request(this.#lockOf(id), { ifAvailable: true }, (lock) => lock !== null);
      if (isFree) over.push(id);
      else this.#lives(id);
    }
    return over;
  }

  end(): void {
    this.#leave();
    this.#channel?.close();
    this.#channel = undefined;
    this.#ending.abort();
    globalThis.removeEventListener?.("pagehide", this.#leave);
  }

  readonly #leave = (): void => {
    if (this.#locks === undefined) this.#say("over");
  };

  #lockOf(id: string): string {
    return `${this.#name}:${id}`;
  }

  #hold(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#locks === undefined) return resolve();
      this.#locks
        .request(this.#lockOf(this.#id), () => {
          resolve();
          return new Promise<void>((release) => {
            this.#ending.signal.addEventListener("abort", () => release());
          });
        })
        .catch(reject);
    });
  }

  #say(is: Word["is"]): void {
    this.#channel?.postMessage({ id: this.#id, is } satisfies Word);
  }

  #heard({ id, is }: Word): void {
    if (is === "new") this.#say("here");
    if (is !== "over") return this.#lives(id);
    this.#living.delete(id);
    this.#over(id);
  }

  #lives(id: string): void {
    if (this.#living.has(id)) return;
    this.#living.add(id);
    // Had when that session has ended. Not waited for any longer when this one has.
    this.#locks
      ?.request(this.#lockOf(id), { signal: this.#ending.signal }, () => {})
      .then(
        () => this.#heard({ id, is: "over" }),
        () => {},
      );
  }
}
