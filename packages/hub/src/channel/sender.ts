import type { MessageConn } from "@zocalo/net";

/** Where messages to a peer go. */
export type Sender = Pick<MessageConn, "trySend" | "maxSendBytes">;
