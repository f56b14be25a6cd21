import { NetError } from "@zocalo/net";
import { WebSocketNetError } from "@zocalo/websocket";
import { UserError } from "../exit-code.ts";
import { dialDatagrams, listenDatagrams } from "./datagrams.ts";
import { explained } from "./exit.ts";
import type { Flags } from "./flags.ts";
import type { Door, Link, OnRefused, OnReloadError } from "./link.ts";
import { dialStream, listenStream } from "./streams.ts";
import type { Target } from "./target.ts";
import { dialWebSocket, listenWebSocket } from "./websockets.ts";

/**
 * Dials a target, whatever its scheme.
 *
 * @throws UserError `cannot connect to URL: reason`; exit code 2 where the URL or an option is wrong.
 */
export async function connect(target: Target, flags: Flags, signal: AbortSignal): Promise<Link> {
  try {
    switch (target.scheme) {
      case "udp":
        return await dialDatagrams(target, flags, signal);
      case "ws":
      case "wss":
        return await dialWebSocket(target, flags, signal);
      default:
        return await dialStream(target, flags, signal);
    }
  } catch (error) {
    throw failed("connect to", target, error);
  }
}

/**
 * Listens on a target, whatever its scheme.
 *
 * @throws UserError `cannot listen on URL: reason`; exit code 2 where the URL or an option is wrong.
 */
export async function openDoor(
  target: Target,
  flags: Flags,
  onRefused: OnRefused,
  onReloadError: OnReloadError,
): Promise<Door> {
  const { scheme } = target;
  try {
    switch (scheme) {
      case "udp":
        return await listenDatagrams(target, flags);
      case "ws":
      case "wss":
        return await listenWebSocket(target, flags, onRefused, onReloadError);
      default:
        return await listenStream(scheme, target, flags, onRefused, onReloadError);
    }
  } catch (error) {
    throw failed("listen on", target, error);
  }
}

/** One form for all schemes. A mistyped option, and what is about a file, says itself what it is about. */
function failed(verb: string, { text, address }: Target, error: unknown): unknown {
  const known = explained(error);
  if (!(error instanceof NetError) || !(known instanceof UserError)) return known;
  if (error.code === "invalid_argument") return known;
  const said = error instanceof WebSocketNetError ? known.message : error.reason;
  // `net` and `websocket` have begun the sentence each in its own way.
  const reason = said
    .replace(/^cannot connect to \S+: /, "")
    .replace(`address ${JSON.stringify(address)}: `, "");
  return new UserError(`cannot ${verb} ${text}: ${reason}`, known.exitCode);
}
