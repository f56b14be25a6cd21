import { MAX_DELAY_MS } from "./deadline.ts";
import { Roster, type RosterMember } from "./roster.ts";

/** Something that is asked now and then whether its peer still lives. */
export interface Monitored extends RosterMember {
  /**
   * Looks once whether the peer is still there.
   *
   * @param now whole milliseconds: fractions would take memory of their own in each connection. The clock is
   * monotonic and counts at most two periods from one check to the next: while this process stands still no
   * peer can be heard, so that time says nothing about it.
   */
  checkPeer(now: number): void;
}

/** Checks come at a quarter of the shortest time, so a time is kept to within that much. */
const CHECKS_PER_TIME = 4;
/** Of what passes between two checks only so many periods count. */
const MAX_PERIODS_PER_CHECK = 2;

interface Rounds {
  readonly periodMs: number;
  readonly timer: NodeJS.Timeout;
  readonly members: Roster<Monitored>;
  /** What the members are told is the time. */
  now: number;
  /** The monotonic clock at the last check. */
  checkedAt: number;
}

/**
 * One timer for all connections with the same times: ten thousand timers of their own would cost a few
 * megabytes.
 */
const roundsByPeriod = new Map<number, Rounds>();

/** How often a connection with these times is checked, in milliseconds. */
export function checkPeriodMs(...timesMs: readonly number[]): number {
  return Math.min(MAX_DELAY_MS, Math.max(1, Math.floor(Math.min(...timesMs) / CHECKS_PER_TIME)));
}

/** Calls `member.checkPeer` every `periodMs` until `unmonitor`. Does not keep the process alive. */
export function monitor(member: Monitored, periodMs: number): void {
  const { members } = roundsByPeriod.get(periodMs) ?? begin(periodMs);
  members.add(member);
}

function begin(periodMs: number): Rounds {
  // An immediate comes after what the system has for us was read: if this process stood still, its peers may
  // not have.
  const timer = setInterval(() => void setImmediate(goRound, rounds), periodMs).unref();
  const now = performance.now();
  const rounds: Rounds = { periodMs, timer, members: new Roster(), now, checkedAt: now };
  roundsByPeriod.set(periodMs, rounds);
  return rounds;
}

function goRound(rounds: Rounds): void {
  const { periodMs, timer, members } = rounds;
  const clock = performance.now();
  rounds.now += Math.min(clock - rounds.checkedAt, MAX_PERIODS_PER_CHECK * periodMs);
  rounds.checkedAt = clock;
  const now = Math.floor(rounds.now);
  members.forEach((each) => each.checkPeer(now));
  if (members.size > 0 || roundsByPeriod.get(periodMs) !== rounds) return;
  // Here, not when the last one leaves: where connections come one after the other, each would make a timer
  // and clear it.
  clearInterval(timer);
  roundsByPeriod.delete(periodMs);
}

/** Ends what `monitor` began. */
export function unmonitor(member: Monitored, periodMs: number): void {
  roundsByPeriod.get(periodMs)?.members.delete(member);
}
