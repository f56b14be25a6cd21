// Those who write a transport: `@zocalo/net/transport` resolves, and its types fit those of `@zocalo/net`.
import type { Addr, Conn, NetErrorCode } from "@zocalo/net";
import { AcceptQueue, type Accepted, asMessage, type Transport, WriteWatch } from "@zocalo/net/transport";

/** What a transport of one's own hands to whoever accepts. */
export interface Cable extends Accepted {
  readonly transport: Transport;
  readonly conn: Conn;
  readonly addr: Addr;
}

/** The types of both entries name the same things. */
export type Queue = AcceptQueue<Cable>;
export const code: NetErrorCode = "closed";

console.log(typeof AcceptQueue, typeof WriteWatch, asMessage("hola"));
// function function hola
