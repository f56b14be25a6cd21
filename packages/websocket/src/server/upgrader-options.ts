import type { IncomingMessage } from "node:http";
import type { CompressionOptions } from "../handshake/deflate.ts";
import type { Refusal } from "../handshake/server.ts";
import { type ConnOptions, connOptionNames } from "../session/options.ts";

/** How an `Upgrader` upgrades. Names that are not listed here are refused (`invalid_argument`). */
export interface UpgraderOptions extends ConnOptions {
  /**
   * Names by which pages may call this server, without a port: `chat.example.org`, `*.example.org` for every
   * name below it, an address; `*` for every name. Default: none but `localhost` and its like over loopback,
   * the address itself that is connected to, and with `listen` the name it was given. Behind a proxy or a
   * forwarded port this is the name or address that browsers use. `*` lets an attacker's page in whose name
   * was turned towards this server (DNS rebinding). Not looked at if there is a `checkOrigin`.
   */
  readonly allowedHosts?: readonly string[] | undefined;
  /**
   * Whether a page from the request's `Origin` may connect. Default: a page of this server, by the names of
   * `allowedHosts`, and programs that send no `Origin`. Answering `true` to everything lets any web page use
   * your users' cookies here. Refused with 403.
   */
  readonly checkOrigin?: ((request: IncomingMessage) => boolean | Promise<boolean>) | undefined;
  /**
   * Who may connect; called after the request was found valid and before it is answered. Answer nothing to
   * let it in, or a `Refusal`. If it throws, the answer is 500. Default: everybody.
   *
   * What the peer sends meanwhile is read ahead up to 16 KiB. One that resets behind more than that is
   * noticed only when it is let in: its connection then ends with 1006.
   */
  readonly authorize?:
    | ((request: IncomingMessage) => Refusal | undefined | void | Promise<Refusal | undefined | void>)
    | undefined;
  /**
   * Subprotocols in order of preference, or a function that chooses one of those offered. Default: none is
   * chosen.
   */
  readonly subprotocols?:
    | readonly string[]
    | ((offered: readonly string[], request: IncomingMessage) => string | undefined)
    | undefined;
  /**
   * Headers added to the answer, or a function that gives them. CR, LF and other control characters are
   * refused.
   */
  readonly headers?:
    | Readonly<Record<string, string>>
    | ((request: IncomingMessage) => Readonly<Record<string, string>>)
    | undefined;
  /**
   * permessage-deflate with clients that offer it: `true`, or how. Default false. It trades CPU for
   * bandwidth.
   */
  readonly compression?: boolean | CompressionOptions | undefined;
  /**
   * How long `checkOrigin` and `authorize` may take together, in milliseconds. Default 10,000; then the
   * answer is 503.
   */
  readonly handshakeTimeoutMs?: number | undefined;
  /**
   * Most connections that one address has open or being authorized at once; one more is answered with 429
   * (RFC 6585 §4). An IPv6 /64 is one address. Default 1,000; `Infinity`: no limit. The address is that of
   * the TCP connection, and no header is believed: to the server all clients of a proxy are one, see
   * `exemptAddresses`.
   */
  readonly maxConnectionsPerAddress?: number | undefined;
  /**
   * Who has no limit of its own, such as a proxy on another machine: addresses, networks as `"10.0.0.0/8"`,
   * `"unix"`. Default `localAddresses` of `@zocalo/net`: this machine. `[]` exempts nobody.
   */
  readonly exemptAddresses?: readonly string[] | undefined;
}

/** Every name of `UpgraderOptions`. */
export const upgraderOptionNames: Readonly<Record<keyof UpgraderOptions, 1>> = {
  ...connOptionNames,
  allowedHosts: 1,
  checkOrigin: 1,
  authorize: 1,
  subprotocols: 1,
  headers: 1,
  compression: 1,
  handshakeTimeoutMs: 1,
  maxConnectionsPerAddress: 1,
  exemptAddresses: 1,
};
