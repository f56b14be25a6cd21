import { Roster, type Seated } from "@zocalo/net";

/** Something that is asked now and then whether its peer still lives. */
export interface Monitored extends Seated {
  /** @param now whole milliseconds on the monotonic clock: fractions would take memory of their own in each connection. */
  checkPeer(now: number): void;
}

/** Checks come at a quarter of the shorter of the two times, so a time is kept to within that much. */
const CHECKS_PER_TIME = 4;

interface Rounds {
  readonly members: Roster<Monitored>;
  timer: NodeJS.Timeout | undefined;
}

/** One timer for all connections with the same times: ten thousand timers of their own would cost a few megabytes. */
const roundsByPeriod = new Map<number, Rounds>();

/** How often a connection with these times is checked, in milliseconds. */
export function checkPeriodMs(pingIntervalMs: number, pongTimeoutMs: number): number {
  return Math.max(1, Math.floor(Math.min(pingIntervalMs, pongTimeoutMs) / CHECKS_PER_TIME));
}

/** Calls `member.checkPeer` every `periodMs` until `unmonitor`. Does not keep the process alive. */
export function monitor(member: Monitored, periodMs: number): void {
  let rounds = roundsByPeriod.get(periodMs);
  if (rounds === undefined) {
    rounds = { members: new Roster(), timer: undefined };
    roundsByPeriod.set(periodMs, rounds);
  }
  const { members } = rounds;
  members.add(member);
  if (rounds.timer === undefined) {
    rounds.timer = setInterval(() => {
      const now = Math.floor(performance.now());
      members.forEach((each) => each.checkPeer(now));
    }, periodMs);
    rounds.timer.unref();
  }
}

/** Ends what `monitor` began. */
export function unmonitor(member: Monitored, periodMs: number): void {
  const rounds = roundsByPeriod.get(periodMs);
  if (rounds === undefined || !rounds.members.delete(member) || rounds.members.size > 0) return;
  clearInterval(rounds.timer);
  roundsByPeriod.delete(periodMs);
}
