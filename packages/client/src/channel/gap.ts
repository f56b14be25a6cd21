import type { Position } from "@zocalo/protocol";

/** Publications that a subscription will never get. */
export type Gap =
  | {
      readonly reset: false;
      readonly epoch: string;
      /** First and last offset that is lost; the next publication has `to + 1`. */
      readonly from: number;
      readonly to: number;
    }
  | {
      /**
       * The log was replaced: whatever came after `previous` in it is lost, and offsets start again in
       * `epoch`.
       */
      readonly reset: true;
      readonly epoch: string;
      readonly previous: Position;
    };

/** Publications were lost, and nobody said what to do then: see `SubscribeOptions.gap`. */
export class GapError extends Error {
  override readonly name = "GapError";
  readonly channel: string;
  /** What is lost. `subscription.position` is after it: subscribing since there goes on. */
  readonly gap: Gap;

  constructor(channel: string, gap: Gap) {
    super(
      gap.reset
        ? `${channel}: the log was replaced; what was not received of ${gap.previous.epoch} is lost`
        : `${channel}: publications ${gap.from} to ${gap.to} are lost`,
    );
    this.channel = channel;
    this.gap = gap;
  }
}
