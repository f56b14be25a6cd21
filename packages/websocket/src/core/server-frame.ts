import type { Encoding, Message } from "@zocalo/net";
import { buildFrame, FIN, OPCODE } from "./frame.ts";

/**
 * How a server puts a message on the wire: one unmasked frame, the same for every connection. `PreparedMessage` keeps it under this constant.
 */
export const serverFrame: Encoding = {
  encode(message: Message): Uint8Array {
    return buildFrame(FIN | (typeof message === "string" ? OPCODE.text : OPCODE.binary), message);
  },
};
