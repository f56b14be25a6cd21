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
