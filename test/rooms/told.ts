import { type Clock, type OpenLane, overUdp } from "@zocalo/room";

/** Those who wait for something to hold. `look` is called with whatever may have made it so. */
export class Told {
  readonly #watchers = new Set<() => void>();

  readonly look = (): void => {
    for (const watcher of this.#watchers) watcher();
  };

  /** Resolves once this holds; it is asked with each `look`. */
  until(holds: () => boolean): Promise<void> {
    if (holds()) return Promise.resolve();
    return new Promise((resolve) => {
      const watcher = (): void => {
        if (!holds()) return;
        this.#watchers.delete(watcher);
        resolve();
      };
      this.#watchers.add(watcher);
    });
  }
}

const systemClock: Clock = {
  uptime: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};

/** A clock, by default the system's, where it is looked after each timer. */
export function toldClock(told: Told, clock: Clock = systemClock): Clock {
  return {
    uptime: () => clock.uptime(),
    after: (ms, run) =>
      clock.after(ms, () => {
        try {
          run();
        } finally {
          told.look();
        }
      }),
  };
}

/** `overUdp()`, where it is looked when its state or carrier has changed. */
export function toldUdp(told: Told): OpenLane {
  return (over, means) => {
    const lane = overUdp()(over, means);
    const onState = lane.onState.bind(lane);
    lane.onState = (handler) =>
      onState((state) => {
        handler(state);
        told.look();
      });
    return lane;
  };
}
