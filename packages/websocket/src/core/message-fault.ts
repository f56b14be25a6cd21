import { CLOSE } from "./close-code.ts";
import type { Utf8Check } from "./utf8.ts";
import type { ProtocolFailure } from "./receiver-sink.ts";

/** RFC 6455 §8.1 */
export const INVALID_UTF8: ProtocolFailure = { closeCode: CLOSE.invalidPayload, reason: "invalid UTF-8" };

export const CORRUPT: ProtocolFailure = {
  closeCode: CLOSE.invalidPayload,
  reason: "corrupt compressed message",
};

const TOO_BIG: ProtocolFailure = { closeCode: CLOSE.messageTooBig, reason: "message too big when inflated" };

/**
 * What a compressed message is answered with whose inflated `bytes` are more than `limit`: of two things that are wrong the one that comes first,
 * however the message was cut.
 *
 * @param utf8 has checked what came before; `undefined` for a message that is not text.
 */
export function tooBig(bytes: Uint8Array, limit: number, utf8: Utf8Check | undefined): ProtocolFailure {
  return utf8 === undefined || utf8.accepts(bytes, 0, limit) ? TOO_BIG : INVALID_UTF8;
}
