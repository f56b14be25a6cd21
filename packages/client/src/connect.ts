import type { JsonObject } from "@zocalo/protocol";
import { type BackoffOptions, defaultBackoff } from "./session/backoff.ts";
import { type Clock, systemClock } from "./primitives/clock.ts";
import type { Dial } from "./connection/conn.ts";
import { webSocketDial } from "./connection/dial-websocket.ts";
import type { KeepOptions } from "./outbox/keep.ts";
import { type Network, pageNetwork } from "./session/network.ts";
import type { Token } from "./connection/open-link.ts";
import { defaultOutbox, type OutboxLimits } from "./outbox/outbox.ts";
import { Session } from "./session/session.ts";
import { shownUrl } from "./connection/shown-url.ts";
import { withDefaults } from "./primitives/with-defaults.ts";

/** How a session connects. */
export interface ConnectOptions {
  /**
   * Who the user is: a token, or a function that is asked for one before each connection, and for another one
   * before that ends. A token that ends closes the session with `unauthorized`. Default: none. Then
   * a server that takes guests may take us for another one on each connection; give guests a random token
   * that they keep.
   */
  readonly token?: Token;
  /**
   * Shown to others beside what this user publishes, for instance `{ name: "Ana" }`. At most 1,024 characters
   * of JSON.
   */
  readonly info?: JsonObject;
  /** Opens connections. Default: the global `WebSocket`. */
  readonly dial?: Dial;
  /** How long to wait between attempts. Default: at random up to 0.5 s, doubling up to 20 s. */
  readonly backoff?: BackoffOptions;
  /** How much may wait to be acknowledged. Default 1,000 publications and 1 MiB of text. */
  readonly outbox?: OutboxLimits;
  /**
   * Keeps what is published beyond the life of this page or process, until the server has it. Default: it is
   * lost with it.
   */
  readonly keep?: KeepOptions;
  /**
   * How long to wait for a connection, and for each answer, in milliseconds. A connection on which an answer
   * is overdue counts as dead. Default 10,000.
   */
  readonly timeoutMs?: number;
  /** From 0 to below 1, for the waits. Default `Math.random`. */
  readonly random?: () => number;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** What is known of the network. Default: what the browser says. */
  readonly network?: Network;
}

/** Used where `ConnectOptions` leaves a field out. */
const defaults = {
  token: undefined,
  info: undefined,
  dial: undefined,
  backoff: {},
  outbox: {},
  keep: undefined,
  timeoutMs: 10_000,
  random: Math.random,
  clock: systemClock,
  network: pageNetwork,
} as const;

/**
 * Begins a session and connects, for as long as it takes: a server that is not there yet is no error, but a
 * state.
 *
 * @param url of the server, for instance `wss://example.org/ws`; whatever `dial` understands
 * @throws TypeError if `url` is not one, if this platform has no `WebSocket` and no `dial` was given, or for
 *   an option whose name or kind is not known
 * @example
 * const session = connect("wss://example.org/ws", { token });
 * const room = session.channel<{ text: string }>("plaza:general");
 * await room.publish({ text: "hola" });
 */
export function connect(url: string, options: ConnectOptions = {}): Session {
  const settings = withDefaults("connect", options, defaults);
  return new Session({
    ...settings,
    url: settings.dial === undefined ? webSocketUrl(url) : url,
    dial: settings.dial ?? webSocketDial(),
    backoff: withDefaults<BackoffOptions, Required<BackoffOptions>>(
      "backoff",
      settings.backoff,
      defaultBackoff,
    ),
    outbox: withDefaults<OutboxLimits, Required<OutboxLimits>>("outbox", settings.outbox, defaultOutbox),
  });
}

/** Absolute, with the scheme a `WebSocket` takes: in a page `/ws` will do. */
function webSocketUrl(text: string): string {
  try {
    const url = new URL(text, globalThis.location?.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.hash = "";
    if (/^wss?:$/.test(url.protocol)) return url.href;
  } catch {
    // The cause has all that was given, password and token too.
  }
  throw new TypeError(`not a URL for WebSocket (ws: or wss:): ${JSON.stringify(shownUrl(text))}`);
}
