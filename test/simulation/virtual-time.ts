import type * as client from "@zocalo/client";
import type * as hub from "@zocalo/hub";

interface Due {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** Time that passes only when it is told to, and what is to happen in it, in one order for each seed. */
export class VirtualTime {
  now = 0;
  /** A binary heap: what comes first is first. */
  readonly #due: Due[] = [];
  #order = 0;

  /** Calls `run` in so many milliseconds. */
  after(ms: number, run: () => void): void {
    const due = { at: this.now + Math.max(0, ms), order: this.#order++, run };
    let at = this.#due.push(due) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = this.#due[above];
      if (parent === undefined || !comesBefore(due, parent)) break;
      this.#due[at] = parent;
      at = above;
    }
    this.#due[at] = due;
  }

  /** Resolves in so many milliseconds. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /** Something takes so long, and keeps all else waiting meanwhile. */
  spend(ms: number): void {
    this.now += ms;
  }

  /** Lets so many milliseconds pass, and as many more as what happens last takes. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    await settled();
    for (let next = this.#due[0]; next !== undefined && next.at <= end; next = this.#due[0]) {
      this.#shift();
      this.now = Math.max(this.now, next.at);
      next.run();
      await settled();
    }
    this.now = Math.max(this.now, end);
  }

  #shift(): void {
    const last = this.#due.pop();
    if (last === undefined || this.#due.length === 0) return;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const [a, b] = [this.#due[left], this.#due[left + 1]];
      if (a === undefined) break;
      const [child, below] = b !== undefined && comesBefore(b, a) ? [b, left + 1] : [a, left];
      if (!comesBefore(child, last)) break;
      this.#due[at] = child;
      at = below;
    }
    this.#due[at] = last;
  }
}

function comesBefore(a: Due, b: Due): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Lets everything that needs no time happen. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The clocks of one machine: its uptime began somewhere, and its wall clock is set at will. */
export class Machine {
  readonly #time: VirtualTime;
  readonly #uptimeAheadMs: number;
  wallAheadMs = 1_700_000_000_000;
  /** That pass whenever the hub looks at the clock: its work takes time. */
  workMs = 0;
  /** False: its process was killed, and nothing it had planned happens. */
  isUp = true;

  constructor(time: VirtualTime, uptimeAheadMs: number) {
    this.#time = time;
    this.#uptimeAheadMs = uptimeAheadMs;
  }

  get hubClock(): hub.Clock {
    const { wall, uptime } = this.#clocks;
    return {
      wall,
      uptime: () => {
        this.#time.spend(this.workMs);
        return uptime();
      },
      after: (ms, task) => ({ cancel: this.#after(ms, task) }),
    };
  }

  get clientClock(): client.Clock {
    return { ...this.#clocks, after: (ms, task) => this.#after(ms, task) };
  }

  get #clocks() {
    return {
      wall: () => this.#time.now + this.wallAheadMs,
      uptime: () => this.#time.now + this.#uptimeAheadMs,
    };
  }

  #after(ms: number, task: () => void): () => void {
    let isWanted = true;
    this.#time.after(ms, () => {
      if (isWanted && this.isUp) task();
    });
    return () => {
      isWanted = false;
    };
  }
}
