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

/** Longest close reason, in UTF-8 bytes: a control frame less the code. */
export const MAX_REASON_BYTES = 123;

/** True if `code` may stand in a Close frame (RFC 6455 §7.4; registry as of 2024: 1000–1003, 1007–1014, 3000–4999). */
export function isSendableCloseCode(code: number): boolean {
  return (
    Number.isInteger(code) &&
    ((code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999))
  );
}
