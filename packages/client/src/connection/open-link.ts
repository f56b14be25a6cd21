import {
  COST,
  type Connected,
  type Disconnect,
  type ErrorAnswer,
  type JsonObject,
  mayReconnect,
  PROTOCOL_VERSION,
} from "@zocalo/protocol";
import type { Clock } from "../primitives/clock.ts";
import { BAD_COMMANDS, NORMAL, RATE_LIMITED, TOO_LARGE, UNAUTHORIZED } from "./close-codes.ts";
import type { ClientConn, ConnEnd, Dial } from "./conn.ts";
import { encode } from "./encode.ts";
import { SessionError, type SessionErrorCode } from "../primitives/error.ts";
import { Link, type LinkEvents } from "./link.ts";
import { shownUrl } from "./shown-url.ts";

/**
 * Proves who the user is, or is asked for that proof before each connection, and before the one that the
 * server has is over.
 */
export type Token = string | (() => string | Promise<string>);

/** What it takes to open a link. */
export interface LinkTarget {
  readonly url: string;
  readonly dial: Dial;
  readonly token: Token | undefined;
  readonly info: JsonObject | undefined;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/** What comes of it: `opened` and later `lost`, or `failed`. */
export interface OpenLinkEvents extends Pick<LinkEvents, "push"> {
  opened(link: Link, connected: Connected): void;
  failed(error: SessionError): void;
  lost(error: SessionError): void;
}

/**
 * Dials, sends `connect` and waits for the answer, all within `timeoutMs`.
 *
 * @returns gives up at once; no event follows
 */
export function openLink(target: LinkTarget, events: OpenLinkEvents): () => void {
  const { clock, timeoutMs, url } = target;
  const aborter = new AbortController();
  let link: Link | undefined;
  let isSettled = false;

  const settle = (): boolean => {
    if (isSettled) return false;
    isSettled = true;
    stopTimer();
    return true;
  };
  const fail = (error: SessionError) => {
    if (!settle()) return;
    aborter.abort(error);
    link?.abort(error.message);
    events.failed(error);
  };
  const stopTimer = clock.after(timeoutMs, () =>
    fail(new SessionError("timeout", `no connection to ${shownUrl(url)} within ${timeoutMs} ms`)),
  );

  const greet = (conn: ClientConn, token: string | undefined) => {
    if (isSettled) return conn.abort();
    let isOpen = false;
    const opening = new Link(conn, clock, timeoutMs, {
      push: (push, length) => events.push(push, length),
      lost(end, farewell) {
        const error = lossOf(end, farewell, isOpen && typeof target.token === "function");
        if (isOpen) events.lost(error);
        else fail(error);
      },
    });
    link = opening;
    const { info } = target;
    if (token !== undefined) opening.allowance.spend(COST.token);
    opening.send(
      encode({ type: "connect", version: PROTOCOL_VERSION, answersPings: true, token, info }),
      (answer) => {
        if (answer.type === "connected" && settle()) {
          isOpen = true;
          events.opened(opening, answer);
        } else if (answer.type === "error") fail(refusalOf(answer));
        else fail(new SessionError("connection_lost", `the server answered connect with ${answer.type}`));
      },
    );
  };

  const dial = async () => {
    const token = typeof target.token === "function" ? await target.token() : target.token;
    if (!isSettled) greet(await target.dial(url, { signal: aborter.signal }), token);
  };
  dial().catch((cause: unknown) => {
    if (cause instanceof SessionError) return fail(cause);
    const reason = cause instanceof Error ? cause.message : String(cause);
    return fail(new SessionError("dial_failed", `cannot connect to ${shownUrl(url)}: ${reason}`, { cause }));
  });

  return () => {
    if (!settle()) return;
    aborter.abort(new Error("the session was closed"));
    link?.abort("the session was closed");
  };
}

/** Everything that is not "not now" is an answer that would be the same the next time. */
function refusalOf({ code, message, retryMs }: ErrorAnswer): SessionError {
  const isFinal = !["rate_limited", "unavailable", "limit_reached", "internal"].includes(code);
  return new SessionError(code, message, { isFinal, retryMs });
}

const CODES: Readonly<Record<number, SessionErrorCode>> = {
  [TOO_LARGE]: "too_large",
  [BAD_COMMANDS]: "bad_command",
  [UNAUTHORIZED]: "unauthorized",
  [RATE_LIMITED]: "rate_limited",
};

/** @param mayRenew true: what was accepted is over, and there may be another one */
function lossOf(end: ConnEnd, farewell: Disconnect | undefined, mayRenew: boolean): SessionError {
  const { code, reason } = farewell ?? end;
  // A server says so before it ends a connection for good. Code 1000 without a word is a stream that just
  // ended, as it does when a process is killed.
  const isOver = farewell === undefined ? code !== NORMAL && !mayReconnect(code) : !farewell.reconnect;
  const isFinal = isOver && !(mayRenew && code === UNAUTHORIZED);
  return new SessionError(
    CODES[code] ?? "connection_lost",
    `the connection ended with code ${code}${reason === "" ? "" : `: ${reason}`}`,
    { closeCode: code, isFinal, ...(end.error && { cause: end.error }) },
  );
}
