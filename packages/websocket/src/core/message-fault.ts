import { CLOSE } from "./close-code.ts";
import type { ProtocolFailure } from "./receiver.ts";
import type { InflateFault } from "./sync-zlib.ts";

/** RFC 6455 §8.1 */
export const INVALID_UTF8: ProtocolFailure = { closeCode: CLOSE.invalidPayload, reason: "invalid UTF-8" };

/** What a message that cannot be inflated is answered with. */
export function inflateFailure(fault: InflateFault): ProtocolFailure {
  return fault === "too big"
    ? { closeCode: CLOSE.messageTooBig, reason: "message too big when inflated" }
    : { closeCode: CLOSE.invalidPayload, reason: "corrupt compressed message" };
}
