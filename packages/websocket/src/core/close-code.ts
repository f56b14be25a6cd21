/** Close codes of RFC 6455 §7.4.1 and the IANA registry that this package uses or reports. */
export const CLOSE = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  unsupportedData: 1003,
  /** Reported when the peer's Close frame had no code; never sent. */
  noStatus: 1005,
  /** Reported when the connection ended without a Close frame; never sent. */
  abnormal: 1006,
  invalidPayload: 1007,
  policyViolation: 1008,
  messageTooBig: 1009,
  internalError: 1011,
} as const;
