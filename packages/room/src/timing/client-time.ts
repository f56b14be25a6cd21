import { ClockOffset } from "./clock-offset.ts";
import { Display, type DisplayOptions } from "./display.ts";
import { InputClock } from "./steering.ts";

/** The times of a client: the server's, that of its own inputs, and that which is shown. */
export class ClientTime {
  readonly server: ClockOffset;
  readonly inputs: InputClock;
  readonly display: Display;

  constructor(options: DisplayOptions) {
    this.server = new ClockOffset(options.ticksPerSecond);
    this.inputs = new InputClock(options.ticksPerSecond);
    this.display = new Display(options);
  }

  /**
   * A frame has come.
   *
   * @param sentAt When it was sent, in ticks of the server's time.
   * @param came The input of which it says when it came; 0 for none.
   * @param cameAt When that was, in ticks of the server's time.
   */
  frame(tick: number, sentAt: number, came: number, cameAt: number, nowMs: number): void {
    this.server.down(sentAt, nowMs);
    this.display.came(tick, nowMs);
    if (came === 0) return;
    const sentMs = this.inputs.sentAtMs(came);
    if (sentMs !== undefined) this.server.up(sentMs, cameAt, nowMs);
    this.inputs.came(came, cameAt);
  }

  /**
   * How many inputs are to be made and sent now: those up to `inputs.number`. None before the first frame.
   */
  advance(nowMs: number): number {
    return this.server.isKnown ? this.inputs.advance(nowMs, this.server.serverTicks(nowMs)) : 0;
  }
}
