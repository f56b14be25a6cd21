import type { Agreed, Offer } from "./deflate.ts";
import { Violation } from "./wire.ts";
import type { Peer } from "./peer.ts";

/** One thing to try on a subject that sends every message back. */
export interface Case {
  /** By the field's numbering: section, group, case. */
  readonly id: string;
  readonly title: string;
  /** Takes long, or much memory: only in the complete run. */
  readonly isLong?: boolean;
  /** Needs permessage-deflate; without it, it is left out. */
  readonly needsCompression?: boolean;
  /** Makes no sense with permessage-deflate agreed on. */
  readonly needsPlain?: boolean;
  /** Only for subjects of this role. */
  readonly subject?: "client" | "server";
  /** As the client, `Sec-WebSocket-Extensions` of the request; `undefined`: the suite's usual one. */
  readonly offer?: string;
  /** What the server must have agreed to, as the client; `null`: to nothing. */
  readonly agrees?: Partial<Agreed> | null;
  /** As the server, the answer to what the client offered; `null`: none. */
  readonly answer?: (offers: readonly Offer[]) => string | null;
  /** As the server, the client must not accept the answer. */
  readonly mustRefuse?: boolean;
  readonly run: (peer: Peer) => Promise<void>;
}

export function must(condition: boolean, what: string): void {
  if (!condition) throw new Violation(what);
}
