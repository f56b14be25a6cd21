/** Which frames came: the newest tick, and bit i for the tick i + 1 before it. */
export interface Acknowledgement {
  /** -1 if nothing came. */
  readonly tick: number;
  /** An unsigned 32-bit integer. */
  readonly bits: number;
}
