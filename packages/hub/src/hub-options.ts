import type { Peer } from "@zocalo/net";
import { checkHas, checkKind, checkNames, type Names } from "@zocalo/net/transport";
import type { Engine } from "./engine/engine.ts";
import type { Authenticate } from "./policy/identity.ts";
import type { HubLimits } from "./policy/limits.ts";
import type { NamespaceOptions } from "./policy/namespace.ts";
import { checkClock, type Clock, CLOCK_FUNCTIONS } from "./primitives/clock.ts";
import type { Random } from "./primitives/random.ts";

/** How a hub is set up. */
export interface HubOptions {
  /** By name. A channel whose namespace is not here is answered `unknown_channel`. */
  readonly namespaces: Readonly<Record<string, NamespaceOptions>>;
  /**
   * Where logs and presence are kept. One engine serves one hub, which closes it. Default:
   * `new MemoryEngine()`.
   */
  readonly engine?: Engine;
  /**
   * Who somebody is. Default: `guests()`, which believes everybody; what guests may do is for the namespaces
   * to say.
   */
  readonly authenticate?: Authenticate;
  readonly limits?: Partial<HubLimits>;
  /**
   * Who has no limit of its own, such as a proxy: addresses, networks as `"10.0.0.0/8"`, `"unix"` and
   * `"pipe"`. Default `localAddresses` of `@zocalo/net`, this machine. `[]` exempts nobody.
   */
  readonly exemptAddresses?: readonly string[];
  /**
   * At which address somebody is: an IP address without a port, or `"unix"` or `"pipe"`. Default: that of
   * `peer.addr`. Behind a proxy that says so in a header, take it from `peer.request`; **risk**: whoever may
   * write that header may have any address. If it throws or gives anything else, that is told to `onError`,
   * and the connection is closed with 1011.
   */
  readonly hostOf?: (peer: Peer) => string;
  /** Told to clients in `connected`. Default `zocalo/0.1.0`. */
  readonly server?: string;
  readonly clock?: Clock;
  /** Names of sessions and guests are made of it; a predictable one is for tests. */
  readonly random?: Random;
  /**
   * Told of what fails and is no client's fault: an engine, an authenticator, a permission. Default: to
   * standard error with its stack, where what it quotes of others is `printable`. Must not throw.
   */
  readonly onError?: (error: unknown) => void;
}

const optionNames: Names<HubOptions> = {
  namespaces: 1,
  engine: 1,
  authenticate: 1,
  limits: 1,
  exemptAddresses: 1,
  hostOf: 1,
  server: 1,
  clock: 1,
  random: 1,
  onError: 1,
};

/** `namespaces`, `limits` and `exemptAddresses` are checked where they are read. */
export function checkOptions(options: HubOptions): void {
  checkNames("set", "a hub", options ?? null, optionNames);
  if (options.engine !== undefined) checkHas("set", options.engine, ["start"], "not an engine");
  for (const name of ["authenticate", "hostOf", "random", "onError"] as const)
    checkKind("set", name, options[name], "function");
  checkKind("set", "server", options.server, "string");
  checkClock(options.clock, CLOCK_FUNCTIONS);
}
