import { isSendableCloseCode } from "@zocalo/net/transport";
import { isUtf8 } from "node:buffer";

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

/** What one side said in its Close frame. Code 1005: the frame had none. */
export interface CloseFrame {
  readonly code: number;
  readonly reason: string;
}

/** What the peer did wrong, and the code to close with. */
export interface ProtocolFailure {
  readonly closeCode: number;
  readonly reason: string;
}

/** The payload of a Close frame (RFC 6455 §5.5.1). */
export function closePayload(code: number, reason: string): Uint8Array {
  if (code === CLOSE.noStatus) return new Uint8Array(0);
  const payload = Buffer.allocUnsafe(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code, 0);
  payload.write(reason, 2);
  return payload;
}

/** What a Close frame says, or what is wrong with it (RFC 6455 §5.5.1 and §7.4). */
export function readClose(payload: Uint8Array): CloseFrame | ProtocolFailure {
  const { length } = payload;
  if (length === 0) return { code: CLOSE.noStatus, reason: "" };
  if (length === 1) return { closeCode: CLOSE.protocolError, reason: "close payload of one byte" };
  const code = ((payload[0] as number) << 8) | (payload[1] as number);
  const reason = Buffer.from(payload.buffer, payload.byteOffset + 2, length - 2);
  if (!isSendableCloseCode(code)) {
    return { closeCode: CLOSE.protocolError, reason: `invalid close code ${code}` };
  }
  if (!isUtf8(reason)) return { closeCode: CLOSE.invalidPayload, reason: "close reason is not UTF-8" };
  return { code, reason: reason.toString("utf8") };
}
