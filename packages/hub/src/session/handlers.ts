import type { Peer } from "@zocalo/net";
import { checkKind, checkNames, type Names, shown } from "@zocalo/net/transport";
import { type Data, isMethodName, type JsonObject, ProtocolError } from "@zocalo/protocol";
import { checkPermission, type Permission } from "../policy/namespace.ts";

/** What a handler knows of a call. */
export interface CallContext {
  readonly method: string;
  /** Who calls, as the hub's `authenticate` has it. */
  readonly user: string;
  /** True if anybody could have this identity for the asking. */
  readonly isGuest: boolean;
  /** What others are shown beside the user. */
  readonly info: JsonObject | undefined;
  /** The session's public name, for `hub.send`; nothing can be done with it at the server's doors. */
  readonly session: string;
  /** Where the call came from, as `authenticate` is given it. */
  readonly peer: Peer;
  /** The input as the JSON text that came, on one line; empty where it is bytes, or there is none. */
  readonly json: string;
  /**
   * Aborted once nobody waits any longer: the client has cancelled, the time is over, or the session is. The
   * handler is not stopped by it; pass it on to what the handler waits for.
   */
  readonly signal: AbortSignal;
  /** Milliseconds that are left until the time is over; 0 after that. */
  readonly remainingMs: number;
}

/**
 * Carries out calls of a method. What it gives, or resolves with, is the result: what `JSON.stringify` can
 * say, bytes, or `undefined` for nothing. To refuse it throws a `CallError`. Whatever else it throws is told
 * to `onError`, and to the client only that the method is `unavailable`.
 *
 * @param input what `JSON.parse` makes of what came; bytes, which are the handler's own; `undefined` if
 *   nothing was given. It comes from the client: check it
 */
export type CallHandler = (context: CallContext, input: Data | undefined) => unknown;

/** How calls of a method are taken. */
export interface HandleOptions {
  /** Who may call: as for namespaces; a function is given the method. Default `"anyone"`. */
  readonly allow?: Permission;
}

const optionNames: Names<HandleOptions> = { allow: 1 };

/** What a code of a `CallError` is like. */
const CODE = /^[\w.-]{1,64}$/;
/** The longest message of a `CallError`, in UTF-16 code units. */
const MAX_MESSAGE_LENGTH = 1_024;

/**
 * A handler refuses a call, and the client is told why.
 *
 * @example
 * hub.handle("shop.buy", () => {
 *   throw new CallError("out_of_stock", "the last one was sold", { item: "hat" });
 * });
 */
export class CallError extends Error {
  override readonly name = "CallError";
  /** The application's own, for clients to compare: 1 to 64 letters, digits and `_ . -`. */
  readonly code: string;
  /** What JSON can say, or bytes; `undefined`: nothing. */
  readonly data: unknown;

  /**
   * @param message at most 1,024 characters
   * @throws TypeError for a code that is none, or a longer message
   */
  constructor(code: string, message: string, data?: unknown) {
    super(message);
    if (typeof code !== "string" || !CODE.test(code)) {
      throw new TypeError(`the code of a CallError is 1 to 64 letters, digits and _.-, not ${shown(code)}`);
    }
    if (this.message.length > MAX_MESSAGE_LENGTH) {
      throw new TypeError(`the message of a CallError has at most ${MAX_MESSAGE_LENGTH} characters`);
    }
    this.code = code;
    this.data = data;
  }
}

/** A handler, and who may call it. */
export interface Handling {
  readonly handler: CallHandler;
  readonly allow: Permission;
}

/** The handlers of a hub, by method. */
export class Handlers {
  readonly #byMethod = new Map<string, Handling>();

  get(method: string): Handling | undefined {
    return this.#byMethod.get(method);
  }

  /** See `Hub.handle`. */
  add(method: string, handler: CallHandler, options: HandleOptions): () => void {
    checkNames("set", "handle", options, optionNames);
    checkKind("set", "handler", handler ?? null, "function");
    const { allow = "anyone" } = options;
    checkPermission("allow", allow);
    if (typeof method !== "string" || !isMethodName(method)) {
      throw new ProtocolError("bad_command", `${JSON.stringify(method)} is no name of a method`);
    }
    if (this.#byMethod.has(method)) throw new ProtocolError("bad_command", `${method} is handled already`);
    const handling = { handler, allow };
    this.#byMethod.set(method, handling);
    return () => {
      if (this.#byMethod.get(method) === handling) this.#byMethod.delete(method);
    };
  }
}
