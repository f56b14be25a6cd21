import { Roster, type Seated } from "@zocalo/net";

/** Something that is asked now and then whether its peer still lives. */
export interface Monitored extends Seated {
  /** @param now whole milliseconds on the monotonic clock: fractions would take memory of their own in each connection. */
  checkPeer(now: number): void;
}

/** Checks come at a quarter of the shorter of the two times, so a time is kept to within that much. */
const CHECKS_PER_TIME = 4;

interface Rounds {
  readonly periodMs: number;
  readonly members: Roster<Monitored>;
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
    rounds = { periodMs, members: new Roster() };
    roundsByPeriod.set(periodMs, rounds);
    const timer = setInterval(goRound, periodMs, rounds, () => clearInterval(timer)).unref();
  }
  rounds.members.add(member);
}

function goRound({ periodMs, members }: Rounds, stop: () => void): void {
  const now = Math.floor(performance.now());
  members.forEach((each) => each.checkPeer(now));
  if (members.size > 0) return;
  // Here, not when the last one leaves: where connections come one after the other, each would make a timer and clear it.
  stop();
  roundsByPeriod.delete(periodMs);
}

/** Ends what `monitor` began. */
export function unmonitor(member: Monitored, periodMs: number): void {
  roundsByPeriod.get(periodMs)?.members.delete(member);
}
