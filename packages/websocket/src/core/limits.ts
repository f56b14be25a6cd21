/** What a peer can make this side hold or do. Share one object between connections. */
export interface ReceiveLimits {
  /** Largest message, in bytes after unmasking and inflating. Past it: close code 1009, before the payload is buffered. */
  readonly maxMessageBytes: number;
  /** Largest payload of one data frame, in bytes. Past it: close code 1009. */
  readonly maxFrameBytes: number;
  /** Most frames of one message. Past it: close code 1009. Fragments are joined as they come and cost no memory of their own. */
  readonly maxFragments: number;
}

/** Used where an option is left out. */
export const defaultReceiveLimits: ReceiveLimits = {
  maxMessageBytes: 1_048_576,
  maxFrameBytes: Number.POSITIVE_INFINITY,
  maxFragments: 131_072,
};
